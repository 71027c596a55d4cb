//! The migration controller: a `Migration` becomes Jobs in its tenant's namespace, one per account at
//! work, in the order, the hours and the shares that `melouvert_waves` decides. What was done of each
//! account is kept in the tenant's database; the status is drawn from it anew each time.

mod accounts;
mod carry;
mod conclude;
pub mod controller;
mod door;
mod jobs;
mod members;
mod prove;
mod sign;
mod status;
mod validate;

use std::{collections::HashMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
    runtime::controller::Action,
};
use melouvert_api::{Collectivity, Migration, MigrationStatus, Reason, Region, labels};
use melouvert_domain::{NamespaceName, ResourceName};
use melouvert_store::{StoreError, TenantStore};
use melouvert_tenant_template::render_migration;
use uuid::Uuid;

use crate::{cluster::ApplyError, database::DatabaseError, tenant::Context};
use conclude::{Case, conclude};
use members::Member;
pub use members::{Begun, Ended, Moved};
use status::Seen;
use validate::{Plan, References, Refusal};

/// The controller's name in metrics and spans.
const NAME: &str = "migration";
/// Between two looks at a refused migration: a Secret may appear, a tenant resume.
const REFUSED: Duration = Duration::from_secs(30);
/// Between two looks while Jobs are at work; their watch usually tells earlier.
const RUNNING: Duration = Duration::from_secs(3);
/// Between two looks at a closed window.
const LONGEST: Duration = Duration::from_hours(1);

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
    /// The space was made before its store had a door; its next reconciliation makes one.
    #[error("Secret mail-db has no text under door-key yet")]
    NoDoorKey,
    /// The proof could not be signed.
    #[error("failed to make the proof")]
    Proof(#[from] sign::SignError),
    /// The database refused or broke off.
    #[error("failed to use the tenant's database")]
    Database(#[from] StoreError),
}

impl MigrationError {
    fn reason(&self) -> Reason {
        match self {
            Self::Kube { .. } => Reason::ApiServerRefused,
            Self::Apply(_) => Reason::ApplyRefused,
            Self::NoDatabase(_) => Reason::DatabaseUnreachable,
            Self::NoDoorKey => Reason::DoorNotReady,
            Self::Proof(_) => Reason::ProofNotSigned,
            Self::Database(_) => Reason::DatabaseRefused,
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
            ctx.metrics.failed(NAME, error.reason().as_str());
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
    let now = Timestamp::now();
    let references = dereference(migration, ctx).await?; // client required
    let root = ctx.platform.root.get();
    let root_pem = root.certificate_pem();
    let system = &ctx.settings.namespace;
    let plan = match validate::validate(migration, &references, root_pem, system, now) {
        Ok(plan) => plan,
        Err(refusals) => return refuse(migration, ctx, &refusals, now).await, // client required
    };
    let store = ctx.database.get()?.tenant(&plan.valid.siren).await?;
    let uid = uid_of(migration)?;
    let mut members = gather(&plan, (&store, uid), ctx).await?; // client required
    if let Some(refusal) = without_accounts(&plan, &members) {
        return refuse(migration, ctx, &[refusal], now).await; // client required
    }
    journal(migration, &plan, &store).await?;
    let about = migration.object_ref(&());
    for wave in render_migration(&plan.valid) {
        ctx.applier.wave(&wave.objects, &about).await?; // client required
    }
    carry::clear(&plan, (&store, uid), &mut members, ctx).await?; // client required
    let decision = melouvert_waves::decide(&members::work(&plan, &members), now);
    carry::out(&plan, (&store, uid), &decision, &mut members, ctx).await?; // client required
    let work = members::work(&plan, &members);
    let case = Case {
        migration,
        plan: &plan,
        members: &members,
        work: &work,
        store: &store,
        uid,
        now,
    };
    let facts = conclude(&case, ctx).await?; // client required
    let seen = Seen {
        plan: &plan,
        members: &members,
        work: &work,
        facts: &facts,
    };
    let status = status::compute(migration, &seen, now);
    tell(migration, ctx, &status).await?; // client required
    let working = members.iter().any(|member| member.job.is_some());
    Ok(next_look(working, decision.wake, now))
}

/// While somebody works, soon; else when a window opens or closes.
fn next_look(working: bool, wake: Option<Timestamp>, now: Timestamp) -> Action {
    let wake = wake.map(|instant| {
        let wait = Duration::try_from(instant.duration_since(now)).unwrap_or_default();
        // Just after rather than just before; and a clock that is set right is noticed.
        (wait + Duration::from_secs(1)).min(LONGEST)
    });
    match (working, wake) {
        (true, Some(wake)) => Action::requeue(wake.min(RUNNING)),
        (true, None) => Action::requeue(RUNNING),
        (false, Some(wake)) => Action::requeue(wake),
        (false, None) => Action::await_change(),
    }
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
    let spec = &migration.spec;
    let waves = spec.waves.iter().map(|wave| &wave.accounts_secret);
    let mut accounts = HashMap::new();
    for name in spec.accounts_secret.iter().chain(waves) {
        let secret = secrets
            .get_opt(name)
            .await
            .map_err(kube_error("read the accounts' Secret"))?;
        let Some(secret) = secret else { continue };
        let uid = migration.uid().unwrap_or_default();
        let listed = match accounts::proven(&secret, &migration.name_any(), &uid) {
            Ok(()) => {
                adopt(migration, &secrets, &secret).await?; // client required
                accounts::read(&secret)
            }
            Err(foreign) => Err(foreign),
        };
        accounts.insert(name.clone(), listed);
    }
    Ok(References {
        tenant: Some(tenant),
        region,
        accounts,
    })
}

/// A wave's Secret, proven to be one, goes with its migration: whoever made it may have no right to
/// say so.
async fn adopt(
    migration: &Migration,
    secrets: &Api<Secret>,
    secret: &Secret,
) -> Result<(), MigrationError> {
    let Some(owner) = migration.owner_ref(&()) else {
        return Ok(());
    };
    if !secret.owner_references().is_empty() {
        return Ok(());
    }
    let patch = serde_json::json!({
        // As it was proven: a change in between is refused.
        "metadata": {
            "uid": secret.uid(),
            "resourceVersion": secret.resource_version(),
            "ownerReferences": [owner],
        },
    });
    let params = PatchParams {
        field_manager: Some(labels::MANAGER.into()),
        ..PatchParams::default()
    };
    secrets
        .patch(&secret.name_any(), &params, &Patch::Merge(patch))
        .await
        .map(drop)
        .map_err(kube_error("take a wave's Secret over"))
}

async fn gather(
    plan: &Plan,
    (store, uid): (&TenantStore, Uuid),
    ctx: &Context,
) -> Result<Vec<Member>, MigrationError> {
    // Jobs first: what ends in between is then seen as still at work, never as not begun.
    let jobs = jobs::list(&plan.valid, ctx).await?; // client required
    let rows = store.passes(uid).await?;
    Ok(members::gather(plan, rows, jobs)?)
}

/// A wave whose Secret is gone although something is left to do, or nothing was ever done.
fn without_accounts(plan: &Plan, members: &[Member]) -> Option<Refusal> {
    let work = members::work(plan, members);
    let lacking = plan.waves.iter().enumerate().find(|(index, wave)| {
        let own = || {
            work.accounts
                .iter()
                .filter(|account| account.wave == *index)
        };
        let rolled_back = wave.rules.want.stage == melouvert_waves::Stage::RolledBack;
        wave.listed.is_none()
            && !rolled_back
            && (own().next().is_none() || own().any(|account| work.due(account).is_some()))
    });
    lacking.map(|(_, wave)| {
        let secret = &wave.secret;
        let message = format!(
            "Secret {secret:?} with key accounts.csv does not exist in this namespace; create it"
        );
        let field = match wave.name.as_str() {
            validate::WHOLE => "spec.accountsSecret".to_owned(),
            name => format!("spec.waves[{name}].accountsSecret"),
        };
        validate::refusal(field, Reason::AccountsMissing, message)
    })
}

/// Writes the change of the spec into the tenant's journal, once per generation.
async fn journal(
    migration: &Migration,
    plan: &Plan,
    store: &TenantStore,
) -> Result<(), MigrationError> {
    let observed = migration
        .status
        .as_ref()
        .and_then(|status| status.observed_generation);
    if observed == migration.metadata.generation {
        return Ok(());
    }
    let spec = &migration.spec;
    let waves: Vec<_> = spec
        .waves
        .iter()
        .map(|wave| (&wave.name, wave.stage))
        .collect();
    let detail = serde_json::json!({
        "uid": plan.valid.uid,
        "generation": migration.metadata.generation,
        "source": plan.valid.source.host,
        "stage": spec.stage,
        "paused": spec.paused,
        "sourceFrozen": spec.source_frozen,
        "run": spec.run,
        "retry": spec.retry,
        "waves": waves,
    });
    let subject = migration.name_any();
    let about = ("migration.spec-changed", subject.as_str());
    crate::tenant::journal::changed(store, migration, about, observed, detail).await?;
    Ok(())
}

async fn refuse(
    migration: &Migration,
    ctx: &Context,
    refusals: &[Refusal],
    now: Timestamp,
) -> Result<Action, MigrationError> {
    tell(migration, ctx, &status::refused(migration, refusals, now)).await?;
    Ok(Action::requeue(REFUSED))
}

async fn tell(
    migration: &Migration,
    ctx: &Context,
    status: &MigrationStatus,
) -> Result<(), MigrationError> {
    let wrote = status::write(&ctx.client, migration, status)
        .await
        .map_err(kube_error("write the migration's status"))?;
    let before = migration.status.as_ref();
    let turned = before.and_then(|status| status.phase.as_ref()) != status.phase.as_ref();
    if let (true, Some(ready)) = (wrote && turned, status.conditions.first()) {
        let about = migration.object_ref(&());
        ctx.events
            .normal(&about, &ready.reason, &ready.message)
            .await;
    }
    Ok(())
}

fn uid_of(migration: &Migration) -> Result<Uuid, MigrationError> {
    let uid = migration.uid().unwrap_or_default();
    Uuid::parse_str(&uid).map_err(|_| {
        MigrationError::Database(StoreError::Invalid {
            field: "metadata.uid",
            expected: "a UUID",
        })
    })
}

/// Reads a name that validation accepts.
fn resource_name(text: &str) -> Option<ResourceName> {
    text.parse().ok()
}
