//! The access controller's wiring.

use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::{
    Api, ResourceExt,
    api::PartialObjectMeta,
    runtime::{
        Controller, WatchStreamExt,
        controller::{self, Action},
        reflector::ObjectRef,
        watcher,
    },
};
use melouvert_api::{
    Access, access,
    labels::{self, component},
};
use tokio_util::sync::CancellationToken;

use super::{AccessError, reconcile};
use crate::{errors, tenant::Context};

/// Runs until `stop`, then ends what is under way.
pub async fn run(ctx: Arc<Context>, stop: CancellationToken) {
    let client = ctx.client.clone();
    let bindings: Api<PartialObjectMeta<RoleBinding>> = Api::all(client.clone());
    let selector = format!(
        "{}={},{}={}",
        labels::MANAGED_BY,
        labels::MANAGER,
        labels::COMPONENT,
        component::ACCESS
    );
    let bindings = watcher(bindings, watcher::Config::default().labels(&selector))
        .default_backoff()
        .touched_objects();
    let settings = controller::Config::default().concurrency(ctx.settings.workers.get());
    let accesses: Api<Access> = Api::all(client);
    Controller::new(accesses, watcher::Config::default())
        .with_config(settings)
        .watches_stream(bindings, owner)
        .graceful_shutdown_on(stop.cancelled_owned())
        .run(reconcile, retry, ctx)
        .for_each(|outcome| async move { errors::log_outcome("access", outcome) })
        .await;
}

#[expect(clippy::needless_pass_by_value, reason = "the controller gives it so")]
fn retry(access: Arc<Access>, _error: &AccessError, ctx: Arc<Context>) -> Action {
    let failures = ctx.backoff.failed(&access.uid().unwrap_or_default());
    Action::requeue(crate::backoff::delay(failures))
}

/// The object that a binding was made from.
#[expect(clippy::needless_pass_by_value, reason = "the controller gives it so")]
fn owner(binding: PartialObjectMeta<RoleBinding>) -> Option<ObjectRef<Access>> {
    Some(ObjectRef::new(access::NAME).within(binding.metadata.namespace.as_deref()?))
}
