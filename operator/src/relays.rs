//! Which pod takes a domain's mail, and who may send as it: the relays' maps, kept from all
//! accepted tenants.
//!
//! A domain that leaves the maps is refused for good at the MX. So they are written only from a
//! complete list, and what no object tells any more stays until it is known to be over.

pub mod routes;

use std::{sync::Arc, time::Duration};

use futures::{Stream, StreamExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, PartialObjectMeta, Patch, PatchParams},
    runtime::reflector::Store,
};
use melouvert_api::{
    Collectivity,
    alarm::AlarmKind,
    labels::{self, component},
};
use melouvert_tenant_template::{Route, platform::RELAY_MAPS, render_relay_maps};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{
    alarms::Alarms,
    backoff,
    cluster::{Applier, ApplyError, Outcome},
    errors,
    events::Events,
    tolerant::{Found, Listed, Unreadable},
};
use routes::Fate;

/// On relay pods: a new value makes the kubelet look at the ConfigMap at once.
const MAPS_HASH: &str = "melouvert.fr/maps-hash";
/// How long changes are gathered before the maps are written.
const DEBOUNCE: Duration = Duration::from_millis(200);
/// Between two looks at maps that nothing changed: relay pods come and go.
const REST: Duration = Duration::from_secs(30);

/// Why the maps could not be written.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The maps could not be applied.
    #[error("failed to write the relay maps")]
    Apply(#[from] ApplyError),
    /// The API server refused.
    #[error("failed to {verb}")]
    Api {
        /// What was tried.
        verb: &'static str,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
}

/// Keeps the maps.
pub struct Relays {
    /// The API.
    pub client: Client,
    /// The operator's namespace.
    pub namespace: String,
    /// All tenants, as last seen.
    pub tenants: Store<Collectivity>,
    /// Whether these are all.
    pub listed: Listed,
    /// Those that cannot be read.
    pub unreadable: Unreadable<Collectivity>,
    /// Writes objects.
    pub applier: Arc<Applier>,
    /// About whom Events are, and how.
    pub events: Events,
    /// Where what cannot be told is told.
    pub alarms: Alarms,
}

impl Relays {
    /// Writes the maps whenever `changes` says that tenants changed, until `stop`.
    pub async fn keep(&self, changes: impl Stream<Item = ()>, stop: CancellationToken) {
        let mut changes = std::pin::pin!(changes);
        // A table made before the first list is complete would leave domains out.
        tokio::select! {
            () = stop.cancelled() => return,
            complete = self.listed.complete() => if !complete { return },
        }
        let mut last = None;
        let mut failures = 0;
        loop {
            let wait = if failures == 0 {
                REST
            } else {
                backoff::delay(failures)
            };
            tokio::select! {
                () = stop.cancelled() => return,
                change = changes.next() => if change.is_none() { return },
                () = tokio::time::sleep(wait) => {}
            }
            // Gathers what comes together.
            tokio::time::sleep(DEBOUNCE).await;
            match self.write(&mut last).await {
                Ok(()) => failures = 0,
                Err(error) => {
                    failures += 1;
                    tracing::warn!(
                        failures,
                        error = errors::chain(&error),
                        "relay maps not written"
                    );
                }
            }
        }
    }

    /// Applies the maps when they differ and lets the relays' pods take them up at once.
    async fn write(&self, last: &mut Option<Vec<Route>>) -> Result<(), RelayError> {
        let before = match last.take() {
            Some(known) => known,
            None => self.written().await?,
        };
        let now = self.routes(&before).await;
        // Kept also when it cannot be written: what was served must not be forgotten.
        let routes: &[Route] = last.insert(now);
        let maps = render_relay_maps(&self.namespace, routes);
        let outcome = self.applier.object(&maps, self.events.own()).await?;
        if outcome != Outcome::Unchanged {
            tracing::info!(domains = routes.len(), "wrote the relay maps");
        }
        self.announce(&maps.hash).await
    }

    /// The routes of the table as it stands, also one that an earlier operator wrote.
    async fn written(&self) -> Result<Vec<Route>, RelayError> {
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.namespace);
        let found = maps
            .get_opt(RELAY_MAPS)
            .await
            .map_err(api("read the relay maps"))?;
        let mut data = found.and_then(|map| map.data).unwrap_or_default();
        let mut file = |name: &str| data.remove(name).unwrap_or_default();
        Ok(routes::read(&file("senders"), &file("unaligned")))
    }

    /// What objects tell, and what stands of `before`.
    async fn routes(&self, before: &[Route]) -> Vec<Route> {
        let state = self.tenants.state();
        let unreadable = self.unreadable.all();
        let shadows = unreadable.iter().map(|found| &found.shadow);
        let tenants: Vec<&Collectivity> = state.iter().map(AsRef::as_ref).chain(shadows).collect();
        let mut all = routes::told(tenants.iter().copied());
        let mut orphans = Vec::new();
        for route in before {
            if all.iter().any(|told| told.domain == route.domain) {
                continue;
            }
            let stands = match routes::fate(route, &tenants) {
                Fate::Over => false,
                Fate::Stands => true,
                Fate::Orphan => self.namespace_stands(route).await,
            };
            if stands {
                all.push(route.clone());
            }
            if stands && routes::fate(route, &tenants) == Fate::Orphan {
                orphans.push(route.clone());
            }
        }
        self.tell(&unreadable, &orphans).await;
        all
    }

    /// Whether the space's namespace is there; yes when nobody can say.
    async fn namespace_stands(&self, route: &Route) -> bool {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        match namespaces.get_metadata_opt(route.namespace.as_str()).await {
            Ok(found) => found.is_some(),
            Err(error) => {
                let (namespace, error) = (&route.namespace, errors::chain(&error));
                tracing::warn!(%namespace, error, "a route stands: its namespace cannot be read");
                true
            }
        }
    }

    async fn tell(&self, unreadable: &[Found<Collectivity>], orphans: &[Route]) {
        let now = Timestamp::now();
        let unread = unreadable
            .iter()
            .map(|found| (found.shadow.name_any(), now, found.why.clone()));
        let kind = AlarmKind::UnreadableObject;
        self.alarms.tell(&self.events, kind, unread).await;
        let gone = orphans.iter().map(|route| {
            let detail = format!("its mail still goes to namespace {}", route.namespace);
            (route.domain.to_string(), now, detail)
        });
        let kind = AlarmKind::RouteWithoutObject;
        self.alarms.tell(&self.events, kind, gone).await;
    }

    async fn announce(&self, hash: &str) -> Result<(), RelayError> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let relays = format!(
            "{} in ({},{})",
            labels::COMPONENT,
            component::RELAY_IN,
            component::RELAY_OUT
        );
        let found = pods
            .list_metadata(&ListParams::default().labels(&relays))
            .await
            .map_err(api("list the relays' pods"))?;
        let stale = |pod: &&PartialObjectMeta<Pod>| {
            pod.annotations().get(MAPS_HASH).map(String::as_str) != Some(hash)
        };
        for pod in found.items.iter().filter(stale) {
            let patch = json!({"metadata": {"annotations": {MAPS_HASH: hash}}});
            let params = PatchParams::default();
            match pods
                .patch_metadata(&pod.name_any(), &params, &Patch::Merge(&patch))
                .await
            {
                // The pod went away: the next one mounts the new maps at start.
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(source) => return Err(api("announce the relay maps")(source)),
                Ok(_) => {}
            }
        }
        Ok(())
    }
}

fn api(verb: &'static str) -> impl FnOnce(kube::Error) -> RelayError {
    move |source| RelayError::Api {
        verb,
        source: Box::new(source),
    }
}
