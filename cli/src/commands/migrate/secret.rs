//! The Secrets with the accounts' passwords: created, never read back, never changed. New passwords
//! go into a new Secret, so that whoever runs a migration needs the right to create Secrets alone.

use std::collections::BTreeMap;

use jiff::{Timestamp, tz::TimeZone};
use k8s_openapi::{
    ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{Api, Client, api::PostParams};
use melouvert_api::labels;
use melouvert_domain::{NamespaceName, Siren};

use super::accounts::{self, Line};
use crate::{commands::collectivity::FIELD_MANAGER, errors::CliError, kube::explain, text::text};

/// The key that holds the accounts.
const KEY: &str = "accounts.csv";

/// A name that the admission policy accepts, never given twice.
pub fn name(migration: &str, wave: Option<&str>, now: Timestamp) -> String {
    let stamp = now
        .to_zoned(TimeZone::UTC)
        .strftime("%m%d%H%M%S")
        .to_string();
    match wave {
        Some(wave) => format!("migration-{migration}-{wave}-{stamp}-accounts"),
        None => format!("migration-{migration}-{stamp}-accounts"),
    }
}

/// Creates one. The operator makes it the migration's own, and deletes it once the wave is over.
pub async fn create<'a>(
    client: &Client,
    siren: &Siren,
    name: &str,
    (migration, wave): (&str, Option<&str>),
    lines: impl IntoIterator<Item = &'a Line>,
) -> Result<(), CliError> {
    let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let mut labelled = BTreeMap::from([
        label(labels::SIREN, siren.as_str()),
        label(labels::COMPONENT, labels::component::MIGRATION),
        label(labels::MIGRATION, migration),
    ]);
    labelled.extend(wave.map(|wave| label(labels::WAVE, wave)));
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(labelled),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([(
            KEY.to_owned(),
            ByteString(accounts::to_csv(lines)?),
        )])),
        type_: Some("Opaque".into()),
        ..Secret::default()
    };
    let params = PostParams {
        field_manager: Some(FIELD_MANAGER.into()),
        ..PostParams::default()
    };
    let secrets: Api<Secret> = Api::namespaced(client.clone(), NamespaceName::of(siren).as_str());
    secrets
        .create(&params, &secret)
        .await
        .map(drop)
        .map_err(|error| {
            explain(
                &error,
                &text!("écrire le Secret {name}", "write Secret {name}"),
            )
        })
}
