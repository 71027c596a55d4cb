//! The migration controller: a `Migration` becomes a Job in its tenant's namespace.

pub mod controller;
mod status;
mod validate;

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::{batch::v1::Job, core::v1::Secret};
use kube::{Api, Resource, ResourceExt, runtime::controller::Action};
use melouvert_api::{Collectivity, Migration, Region};
use melouvert_domain::{NamespaceName, ResourceName};
use melouvert_store::{MigrationReport, StoreError};
use melouvert_tenant_template::{ValidatedMigration, render_migration};

use crate::{cluster::ApplyError, database::DatabaseError, tenant::Context};
use status::Progress;
use validate::{References, Refusal};

/// The controller's name in metrics and spans.
const NAME: &str = "migration";
/// Between two looks at a refused migration: a Secret may appear, a tenant resume.
const REFUSED: Duration = Duration::from_secs(30);
/// Between two looks at a Job; its watch usually tells earlier.
const RUNNING: Duration = Duration::from_secs(15);

/// Why a reconciliation stopped; all of it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The API server refused.
    #[error("failed to {verb}")]
    Kube {
        /// What was tried.
        verb: &'static str,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
    /// An object could not be applied.
    #[error("failed to apply the migration's objects")]
    Apply(#[from] ApplyError),
    /// The database was not reached yet.
    #[error("failed to use the database")]
    NoDatabase(#[from] DatabaseError),
    /// The database refused or broke off.
    #[error("failed to use the tenant's database")]
    Database(#[from] StoreError),
}

impl MigrationError {
    fn reason(&self) -> &'static str {
        match self {
            Self::Kube { .. } => "ApiServerRefused",
            Self::Apply(_) => "ApplyRefused",
            Self::NoDatabase(_) => "DatabaseUnreachable",
            Self::Database(_) => "DatabaseRefused",
        }
    }
}

fn kube_error(verb: &'static str) -> impl FnOnce(kube::Error) -> MigrationError {
    move |source| MigrationError::Kube {
        verb,
        source: Box::new(source),
    }
}

/// One reconciliation.
pub async fn reconcile(
    migration: Arc<Migration>,
    ctx: Arc<Context>,
) -> Result<Action, MigrationError> {
    let started = std::time::Instant::now();
    let result = steps(&migration, &ctx).await;
    ctx.metrics.reconciled(NAME, started.elapsed());
    let uid = migration.uid().unwrap_or_default();
    match &result {
        Ok(_) => ctx.backoff.succeeded(&uid),
        Err(error) => {
            let (namespace, name) = (migration.namespace(), migration.name_any());
            ctx.metrics.failed(NAME, error.reason());
            tracing::warn!(
                namespace,
                name,
                error = crate::errors::chain(error),
                "migration failed to reconcile"
            );
        }
    }
    result
}

/// The table of contents.
async fn steps(migration: &Migration, ctx: &Context) -> Result<Action, MigrationError> {
    if migration.metadata.deletion_timestamp.is_some() {
        // Its objects go with it by their owner reference.
        return Ok(Action::await_change());
    }
    let references = dereference(migration, ctx).await?; // client required
    let root_pem = ctx.platform.root.certificate_pem();
    let valid = validate::validate(migration, &references, root_pem, &ctx.settings.namespace);
    let valid = match valid {
        Ok(valid) => valid,
        Err(refusals) => return refuse(migration, ctx, refusals).await, // client required
    };
    journal(migration, &valid, ctx).await?; // client required
    let about = migration.object_ref(&());
    let job = find_job(&valid, ctx).await?; // client required
    // A Job that ended stays as it is; its template cannot change either.
    if job.is_none() {
        for wave in render_migration(&valid) {
            ctx.applier.wave(&wave.objects, &about).await?; // client required
        }
    }
    let job = match job {
        Some(job) => Some(job),
        None => find_job(&valid, ctx).await?,
    };
    let report = report(&valid, ctx).await?; // client required
    let progress = status::progress(job.as_ref(), report.as_ref());
    tell(migration, ctx, &progress).await?; // client required
    Ok(if progress.is_over() {
        Action::await_change()
    } else {
        Action::requeue(RUNNING)
    })
}

async fn dereference(migration: &Migration, ctx: &Context) -> Result<References, MigrationError> {
    let namespace = migration.namespace().unwrap_or_default();
    let tenants: Api<Collectivity> = Api::all(ctx.client.clone());
    let tenant = tenants
        .get_opt(&namespace)
        .await
        .map_err(kube_error("read the tenant"))?;
    let Some(tenant) = tenant.filter(|_| NamespaceName::parse(&namespace).is_some()) else {
        return Ok(References::default());
    };
    let regions: Api<Region> = Api::all(ctx.client.clone());
    let region = regions
        .get_opt(&tenant.spec.region)
        .await
        .map_err(kube_error("read the region"))?;
    let secrets: Api<Secret> = Api::namespaced(ctx.client.clone(), &namespace);
    let secret = secrets
        .get_opt(&migration.spec.accounts_secret)
        .await
        .map_err(kube_error("read the accounts' Secret"))?;
    let has_accounts = secret
        .and_then(|secret| secret.data)
        .is_some_and(|data| data.contains_key("accounts.csv"));
    Ok(References {
        tenant: Some(tenant),
        region,
        has_accounts,
    })
}

async fn find_job(
    migration: &ValidatedMigration,
    ctx: &Context,
) -> Result<Option<Job>, MigrationError> {
    let jobs: Api<Job> = Api::namespaced(ctx.client.clone(), migration.namespace.as_str());
    let job = jobs
        .get_opt(&migration.job_name())
        .await
        .map_err(kube_error("read the migration's Job"))?;
    // A deleted namesake's goes soon; until then its place is taken and applying is tried again.
    let own = |job: &Job| {
        let owners = job.metadata.owner_references.iter().flatten();
        owners.into_iter().any(|owner| owner.uid == migration.uid)
    };
    Ok(job.filter(own))
}

/// The report of this very run, once its Job handed it in.
async fn report(
    migration: &ValidatedMigration,
    ctx: &Context,
) -> Result<Option<MigrationReport>, MigrationError> {
    let store = ctx.database.get()?.tenant(&migration.siren).await?;
    // The store counts runs from 1, the spec from 0.
    let run = i64::from(migration.run) + 1;
    let uid = migration.uid.parse().ok();
    match store.report_get(&migration.name, uid).await {
        Ok(report) if i64::from(report.run) == run => Ok(Some(report)),
        Ok(_) | Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Writes the change of the spec into the tenant's journal, once per generation.
async fn journal(
    migration: &Migration,
    valid: &ValidatedMigration,
    ctx: &Context,
) -> Result<(), MigrationError> {
    let observed = migration
        .status
        .as_ref()
        .and_then(|status| status.observed_generation);
    if observed == migration.metadata.generation {
        return Ok(());
    }
    let store = ctx.database.get()?.tenant(&valid.siren).await?;
    let detail = serde_json::json!({
        "uid": valid.uid,
        "generation": migration.metadata.generation,
        "source": valid.source.host,
        "run": valid.run,
    });
    let subject = migration.name_any();
    crate::tenant::journal::once(
        &store,
        migration,
        "migration.spec-changed",
        &subject,
        detail,
    )
    .await?;
    Ok(())
}

async fn refuse(
    migration: &Migration,
    ctx: &Context,
    refusals: Vec<Refusal>,
) -> Result<Action, MigrationError> {
    tell(migration, ctx, &Progress::Refused(refusals)).await?;
    Ok(Action::requeue(REFUSED))
}

async fn tell(
    migration: &Migration,
    ctx: &Context,
    progress: &Progress,
) -> Result<(), MigrationError> {
    let status = status::compute(migration, progress, Timestamp::now());
    let wrote = status::write(&ctx.client, migration, &status)
        .await
        .map_err(kube_error("write the migration's status"))?;
    let phase = migration
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    if wrote && phase != Some(progress.phase()) {
        let message = status.conditions.first().map(|ready| ready.message.clone());
        let about = migration.object_ref(&());
        ctx.events
            .normal(&about, progress.reason(), &message.unwrap_or_default())
            .await;
    }
    Ok(())
}

/// Reads a name that validation accepts.
fn resource_name(text: &str) -> Option<ResourceName> {
    text.parse().ok()
}
