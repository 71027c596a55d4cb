//! The tenant controller's wiring: what it watches and what each change triggers.

use std::{fmt::Debug, sync::Arc, time::Duration};

use futures::{Stream, StreamExt, TryStreamExt, channel::mpsc, stream};
use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{
        ConfigMap, LimitRange, Namespace, PersistentVolumeClaim, ResourceQuota, Secret, Service,
        ServiceAccount,
    },
    networking::v1::NetworkPolicy,
    rbac::v1::RoleBinding,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::PartialObjectMeta,
    runtime::{
        Controller, PredicateConfig, WatchStreamExt,
        controller::{self, Action},
        predicates,
        reflector::{self, ObjectRef, Store},
        watcher,
    },
};
use melouvert_api::{Collectivity, Plan, Region, labels};
use melouvert_tenant_template::mail;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::{Context, ReconcileError, material, reconcile};
use crate::{
    backoff, errors,
    tolerant::{self, Listed, Unreadable},
};

/// How long triggers of one tenant are gathered: an apply of 20 objects is one change.
const DEBOUNCE: Duration = Duration::from_millis(250);
/// Between two looks at what a normal start waits for; a watch usually tells earlier.
const EXPECTED: Duration = Duration::from_secs(5);
/// The longest wait between two looks at servers that did not answer: people wait for the space.
const UNSEEN: Duration = Duration::from_secs(10);
/// The same once they did not answer so often in a row: a look costs some 40 requests.
const LONG_UNSEEN: Duration = Duration::from_mins(2);
/// Looks before that.
const PATIENT: u32 = 8;
/// The longest wait between two looks at what is lost: whoever restores it waits for the space.
const LOST: Duration = Duration::from_mins(1);
/// Objects per page of a list.
const PAGE: u32 = 100;

/// The watch on tenants: a store, the stream that fills it and drives the controller, and a tick
/// at each change for those who look at all tenants.
pub struct Tenants<Trigger> {
    /// All tenants, as last seen.
    pub store: Store<Collectivity>,
    /// Whether the store holds a complete list.
    pub listed: Listed,
    /// Those that cannot be read.
    pub unreadable: Unreadable<Collectivity>,
    /// Drives the controller.
    pub trigger: Trigger,
    /// One pending tick at most.
    pub ticks: mpsc::Receiver<()>,
}

/// Starts watching tenants.
pub fn tenants(
    client: &Client,
) -> Tenants<impl Stream<Item = Result<Collectivity, watcher::Error>> + Send + use<>> {
    let (store, writer) = reflector::store();
    let (mut tick, ticks) = mpsc::channel(1);
    let unreadable = Unreadable::default();
    let (listing, listed) = tolerant::listing();
    let trigger = tolerant::watch(client, config(), unreadable.clone())
        .reflect(writer)
        .inspect(move |event| {
            listing.note(event);
            // Full means that a tick is pending already.
            let _ = tick.try_send(());
        })
        .touched_objects()
        .predicate_filter(predicates::generation, PredicateConfig::default());
    Tenants {
        store,
        listed,
        unreadable,
        trigger,
        ticks,
    }
}

/// Runs until `stop`, then ends what is under way.
pub async fn run(
    ctx: Arc<Context>,
    trigger: impl Stream<Item = Result<Collectivity, watcher::Error>> + Send + 'static,
    rsa_made: mpsc::UnboundedReceiver<ObjectRef<Collectivity>>,
    stop: CancellationToken,
) {
    let client = ctx.client.clone();
    let settings = controller::Config::default()
        .concurrency(ctx.settings.workers.get())
        .debounce(DEBOUNCE);
    let controller = Controller::for_stream(trigger, ctx.tenants.clone()).with_config(settings);
    let controller = owned(controller, &client);
    let (by_plan, by_region) = (ctx.tenants.clone(), ctx.tenants.clone());
    controller
        .watches_stream(changes::<Plan>(&client), move |plan: Plan| {
            users(&by_plan, |tenant| tenant.spec.plan == plan.name_any())
        })
        .watches_stream(changes::<Region>(&client), move |region: Region| {
            users(&by_region, |tenant| tenant.spec.region == region.name_any())
        })
        .reconcile_on(rsa_made)
        .graceful_shutdown_on(stop.cancelled_owned())
        .run(reconcile, retry, ctx)
        .for_each(|outcome| async move { errors::log_outcome("tenant", outcome) })
        .await;
}

#[expect(clippy::needless_pass_by_value, reason = "the controller gives it so")]
fn retry(tenant: Arc<Collectivity>, error: &ReconcileError, ctx: Arc<Context>) -> Action {
    let failures = ctx.backoff.failed(&tenant.uid().unwrap_or_default());
    let unseen = matches!(error, ReconcileError::Observe(_));
    let wait = wait(failures, error.is_expected(), unseen);
    Action::requeue(if error.is_lost() {
        wait.min(LOST)
    } else {
        wait
    })
}

/// How long to wait after so many failures in a row. Watches tell of a pod that starts after all, so
/// a space that is stuck is looked at ever less often.
fn wait(failures: u32, expected: bool, unseen: bool) -> Duration {
    let longer = backoff::delay(failures);
    match (expected, unseen) {
        (true, _) if failures <= PATIENT => EXPECTED,
        (false, true) if failures <= PATIENT => longer.min(UNSEEN),
        (true, _) | (_, true) => longer.min(LONG_UNSEEN),
        _ => longer,
    }
}

/// Watches the metadata of everything that is made in a tenant's namespace.
fn owned(controller: Controller<Collectivity>, client: &Client) -> Controller<Collectivity> {
    controller
        .watches_stream(metadata::<Namespace>(client), owner)
        .watches_stream(metadata::<StatefulSet>(client), owner)
        .watches_stream(metadata::<Service>(client), owner)
        .watches_stream(named::<Secret>(client, &material::SECRETS), owner)
        .watches_stream(named::<ConfigMap>(client, &[mail::CONFIG_MAP]), owner)
        .watches_stream(metadata::<NetworkPolicy>(client), owner)
        .watches_stream(metadata::<ResourceQuota>(client), owner)
        .watches_stream(metadata::<LimitRange>(client), owner)
        .watches_stream(metadata::<ServiceAccount>(client), owner)
        .watches_stream(metadata::<RoleBinding>(client), owner)
        .watches_stream(metadata::<PersistentVolumeClaim>(client), owner)
}

/// Changes of the objects of one kind that belong to tenants: metadata only, nothing kept.
fn metadata<K>(
    client: &Client,
) -> impl Stream<Item = Result<PartialObjectMeta<K>, watcher::Error>> + Send + use<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    selected(client, config())
}

/// The same for objects of these names alone, each by a watch of its own. The right to list a kind is
/// the right to read it, and here it covers these names: one watch a name, however many tenants.
fn named<K>(
    client: &Client,
    names: &[&str],
) -> impl Stream<Item = Result<PartialObjectMeta<K>, watcher::Error>> + Send + use<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let one = |name: &&str| {
        let only = config().fields(&format!("metadata.name={name}"));
        selected(client, only).boxed()
    };
    stream::select_all(names.iter().map(one))
}

fn selected<K>(
    client: &Client,
    config: watcher::Config,
) -> impl Stream<Item = Result<PartialObjectMeta<K>, watcher::Error>> + Send + use<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let selector = format!(
        "{}={},{}",
        labels::MANAGED_BY,
        labels::MANAGER,
        labels::SIREN
    );
    let api: Api<PartialObjectMeta<K>> = Api::all(client.clone());
    watcher(api, config.labels(&selector))
        .default_backoff()
        .touched_objects()
}

/// Spec changes of a kind that tenants refer to.
fn changes<K>(client: &Client) -> impl Stream<Item = Result<K, watcher::Error>> + Send + use<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    watcher(Api::<K>::all(client.clone()), config())
        .default_backoff()
        .touched_objects()
        .predicate_filter(predicates::resource_version, PredicateConfig::default())
        .into_stream()
}

fn config() -> watcher::Config {
    watcher::Config::default().page_size(PAGE)
}

/// The tenant that an object belongs to, by its label.
#[expect(clippy::needless_pass_by_value, reason = "the controller gives it so")]
fn owner<K: Resource>(object: PartialObjectMeta<K>) -> Option<ObjectRef<Collectivity>> {
    let siren = object.metadata.labels.as_ref()?.get(labels::SIREN)?;
    Some(ObjectRef::new(&format!("col-{siren}")))
}

fn users(
    tenants: &Store<Collectivity>,
    uses: impl Fn(&Collectivity) -> bool,
) -> Vec<ObjectRef<Collectivity>> {
    let state = tenants.state();
    state
        .iter()
        .filter(|tenant| uses(tenant))
        .map(|tenant| ObjectRef::from_obj(tenant.as_ref()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stuck_space_is_looked_at_ever_less_often() {
        let in_an_hour = |expected| {
            let (mut spent, mut looks) = (Duration::ZERO, 0);
            while spent < Duration::from_hours(1) {
                looks += 1;
                spent += wait(looks, expected, true);
            }
            looks
        };
        assert!(in_an_hour(true) < 45, "{}", in_an_hour(true));
        assert!(in_an_hour(false) < 45, "{}", in_an_hour(false));
        assert_eq!(wait(3, true, true), EXPECTED);
        assert_eq!(wait(4, false, true), Duration::from_secs(8));
        assert_eq!(wait(30, false, true), LONG_UNSEEN);
        assert_eq!(wait(30, false, false), Duration::from_mins(5));
    }
}
