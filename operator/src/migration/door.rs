//! The key of the door of a space's mail store, and the Secrets with which passes come through it.

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, api::DeleteParams};
use melouvert_tenant_template::{
    ValidatedMigration,
    mail::{DOOR_KEY, SERVERS_SECRET},
};
use secrecy::SecretString;

use super::{MigrationError, kube_error};
use crate::{cluster::secret, tenant::Context};

/// What the passwords of the space's door are made of, if its store has one.
pub async fn key(
    migration: &ValidatedMigration,
    ctx: &Context,
) -> Result<Option<SecretString>, MigrationError> {
    if !migration.door {
        return Ok(None);
    }
    let found = api(migration, ctx)
        .get(SERVERS_SECRET)
        .await
        .map_err(kube_error("read the mail servers' Secret"))?;
    let text = secret::value(&found.data.unwrap_or_default(), DOOR_KEY);
    text.map(|text| Some(SecretString::from(text)))
        .map_err(|_| MigrationError::NoDoorKey)
}

/// Takes a pass's password away, as soon as it is stopped or has ended.
pub async fn shut(
    migration: &ValidatedMigration,
    job: &str,
    ctx: &Context,
) -> Result<(), MigrationError> {
    match api(migration, ctx)
        .delete(job, &DeleteParams::default())
        .await
    {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(kube_error("delete a pass's Secret")(error)),
    }
}

fn api(migration: &ValidatedMigration, ctx: &Context) -> Api<Secret> {
    Api::namespaced(ctx.client.clone(), migration.namespace.as_str())
}
