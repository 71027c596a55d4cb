//! Which pod takes a domain's mail, and who may send as it: the relays' maps, kept from all
//! accepted tenants.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::{ObjectReference, Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, PartialObjectMeta, Patch, PatchParams},
    runtime::reflector::Store,
};
use melouvert_api::{
    Collectivity,
    collectivity::LifecycleSchema,
    labels::{self, component},
};
use melouvert_domain::NamespaceName;
use melouvert_tenant_template::{Route, render_relay_maps};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{
    backoff,
    cluster::{Applier, ApplyError, Outcome},
    errors,
    tenant::validate,
};

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

/// Which domain belongs to which tenant: the domains that tenants were accepted with, of those that
/// are not ending nor on their way out. A domain that two of them have goes to the older one.
pub fn routes<'a>(tenants: impl IntoIterator<Item = &'a Collectivity>) -> Vec<Route> {
    let mut served: Vec<&Collectivity> = tenants.into_iter().filter(|t| is_served(t)).collect();
    served.sort_by_key(|tenant| validate::seniority(tenant));
    let mut owners = BTreeMap::new();
    for tenant in served {
        let Some(namespace) = NamespaceName::parse(&tenant.name_any()) else {
            continue;
        };
        for domain in validate::served(tenant) {
            owners.entry(domain).or_insert_with(|| namespace.clone());
        }
    }
    owners
        .into_iter()
        .map(|(domain, namespace)| Route { domain, namespace })
        .collect()
}

fn is_served(tenant: &Collectivity) -> bool {
    tenant.spec.lifecycle != LifecycleSchema::Terminating
        && tenant.metadata.deletion_timestamp.is_none()
}

/// Keeps the maps.
pub struct Relays {
    /// The API.
    pub client: Client,
    /// The operator's namespace.
    pub namespace: String,
    /// All tenants, as last seen.
    pub tenants: Store<Collectivity>,
    /// Writes objects.
    pub applier: Arc<Applier>,
    /// About whom Events are.
    pub own: ObjectReference,
}

impl Relays {
    /// Writes the maps whenever `changes` says that tenants changed, until `stop`.
    pub async fn keep(&self, changes: impl Stream<Item = ()>, stop: CancellationToken) {
        let mut changes = std::pin::pin!(changes);
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
            match self.write().await {
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
    async fn write(&self) -> Result<(), RelayError> {
        let tenants = self.tenants.state();
        let routes = routes(tenants.iter().map(AsRef::as_ref));
        let maps = render_relay_maps(&self.namespace, &routes);
        let outcome = self.applier.object(&maps, &self.own).await?;
        if outcome != Outcome::Unchanged {
            tracing::info!(domains = routes.len(), "wrote the relay maps");
        }
        self.announce(&maps.hash).await
    }

    async fn announce(&self, hash: &str) -> Result<(), RelayError> {
        let api = |verb| {
            move |source| RelayError::Api {
                verb,
                source: Box::new(source),
            }
        };
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

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(siren: &str, domain: &str, created: i64, lifecycle: &str) -> Collectivity {
        serde_json::from_value(json!({
            "apiVersion": "melouvert.fr/v1alpha1", "kind": "Collectivity",
            "metadata": {"name": format!("col-{siren}"), "uid": siren,
                "creationTimestamp": jiff::Timestamp::from_second(created).unwrap().to_string()},
            "spec": {"siren": siren, "legalName": "x", "kind": "Commune", "population": 1,
                "region": "r", "plan": "p", "domains": [domain], "lifecycle": lifecycle},
            "status": {"dnsRecords": [{"name": format!("{domain}."), "type": "MX", "value": "10 mx.r."}]},
        }))
        .unwrap()
    }

    #[test]
    fn a_domain_goes_to_its_first_holder_and_ending_spaces_get_none() {
        let mut pending = tenant("200054781", "pending.example", 1, "Active");
        pending.status = None;
        let tenants = [
            tenant("217605401", "caen.example", 20, "Active"),
            tenant("211401187", "caen.example", 10, "Active"),
            tenant("356000000", "rouen.example", 10, "Suspended"),
            tenant("552100554", "ended.example", 10, "Terminating"),
            pending,
        ];
        let told = |tenants: &[Collectivity]| -> Vec<String> {
            let routes = routes(tenants);
            routes
                .iter()
                .map(|route| format!("{} {}", route.domain, route.namespace))
                .collect()
        };
        let expected = ["caen.example col-211401187", "rouen.example col-356000000"];
        assert_eq!(told(&tenants), expected);
        let reversed: Vec<_> = tenants.iter().rev().cloned().collect();
        assert_eq!(
            told(&reversed),
            expected,
            "the order of the list does not matter"
        );
    }
}
