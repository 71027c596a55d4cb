//! The migration controller's wiring.

use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::batch::v1::Job;
use kube::{
    Api, ResourceExt,
    api::PartialObjectMeta,
    runtime::{
        Controller, WatchStreamExt,
        controller::{self, Action},
        reflector::{self, ObjectRef},
        watcher,
    },
};
use melouvert_api::{
    Collectivity, Migration,
    labels::{self, component},
};
use tokio_util::sync::CancellationToken;

use super::{MigrationError, reconcile};
use crate::{errors, tenant::Context, tolerant};

/// Runs until `stop`, then ends what is under way.
pub async fn run(ctx: Arc<Context>, stop: CancellationToken) {
    let client = ctx.client.clone();
    let jobs: Api<PartialObjectMeta<Job>> = Api::all(client.clone());
    let selector = format!(
        "{}={},{}={}",
        labels::MANAGED_BY,
        labels::MANAGER,
        labels::COMPONENT,
        component::MIGRATION
    );
    let jobs = watcher(jobs, watcher::Config::default().labels(&selector))
        .default_backoff()
        .touched_objects();
    let tenants: Api<PartialObjectMeta<Collectivity>> = Api::all(client.clone());
    let tenants = watcher(tenants, watcher::Config::default())
        .default_backoff()
        .touched_objects();
    let settings = controller::Config::default().concurrency(ctx.settings.workers.get());
    let (all, writer) = reflector::store();
    let migrations = tolerant::watch(
        &client,
        watcher::Config::default(),
        ctx.unreadable_migrations.clone(),
    )
    .reflect(writer)
    .touched_objects();
    let controller = Controller::for_stream(migrations, all.clone()).with_config(settings);
    controller
        .watches_stream(jobs, owner)
        .watches_stream(tenants, move |tenant: PartialObjectMeta<Collectivity>| {
            let namespace = tenant.name_any();
            let state = all.state();
            let of = state
                .into_iter()
                .filter(move |m| m.namespace().as_deref() == Some(&namespace));
            of.map(|migration| ObjectRef::from_obj(migration.as_ref()))
                .collect::<Vec<_>>()
        })
        .graceful_shutdown_on(stop.cancelled_owned())
        .run(reconcile, retry, ctx)
        .for_each(|outcome| async move { errors::log_outcome("migration", outcome) })
        .await;
}

#[expect(clippy::needless_pass_by_value, reason = "the controller gives it so")]
fn retry(migration: Arc<Migration>, _error: &MigrationError, ctx: Arc<Context>) -> Action {
    let uid = migration.uid().unwrap_or_default();
    Action::requeue(crate::backoff::delay(ctx.backoff.failed(&uid)))
}

/// The migration that owns a Job.
#[expect(clippy::needless_pass_by_value, reason = "the controller gives it so")]
fn owner(job: PartialObjectMeta<Job>) -> Option<ObjectRef<Migration>> {
    let owners = job.metadata.owner_references.as_ref()?;
    let owner = owners.iter().find(|owner| owner.kind == "Migration")?;
    Some(ObjectRef::new(&owner.name).within(job.metadata.namespace.as_deref()?))
}
