//! What a region needs before its first tenant: keys, certificates, passwords, settings.
//!
//! Keys and passwords are created when absent and never replaced, leaves are renewed when due,
//! settings are applied on difference. Run at start and then daily by [`keep`].

mod configuration;
mod random;
mod root;
mod store;
pub mod tls;

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::{apps::v1::StatefulSet, core::v1::ObjectReference};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, Patch, PatchParams},
    runtime::{PredicateConfig, WatchStreamExt, predicates, watcher},
};
use melouvert_api::{Region, RegionSpec, alarm::AlarmKind, labels};
use melouvert_domain::cidr::CidrError;
use melouvert_pki::PkiError;
use melouvert_tenant_template::{
    KeyPairPem, PlatformMaterial, PlatformSettings, config::Endpoint, platform, platform_names,
    render_platform,
};
use secrecy::SecretString;
use serde_json::json;
use tokio_util::sync::CancellationToken;

pub use random::hex_secret;
pub use root::{CurrentRoot, RegionRoot, RootAway, has_spaces};
use tls::Kept;

use crate::{
    alarms::Alarms,
    backoff,
    cluster::{Applier, ApplyError},
    events::Events,
    settings::Settings,
};

/// Between two looks at the root.
const LOOK: Duration = Duration::from_mins(1);
/// Between two looks at what is due.
const DAY: Duration = Duration::from_hours(24);

/// Why the region could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The API server refused.
    #[error("failed to {verb} {object}")]
    Api {
        /// What was tried.
        verb: &'static str,
        /// On which object.
        object: String,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
    /// An object could not be applied.
    #[error("failed to apply the region's own objects")]
    Apply(#[from] ApplyError),
    /// A stored value cannot be used.
    #[error("failed to use Secret {secret}; restore it from a backup")]
    Stored {
        /// Which one.
        secret: String,
        /// Why.
        #[source]
        source: crate::cluster::secret::SecretError,
    },
    /// A certificate could not be read or made.
    #[error("failed to prepare the certificate in Secret {secret}")]
    Pki {
        /// Which one.
        secret: String,
        /// Why.
        #[source]
        source: PkiError,
    },
    /// The root was made once and nobody knows it any more.
    #[error(
        "failed to find the region's root ({why}); spaces were opened under one: restore Secret melouvert-region-ca from a backup"
    )]
    RootLost {
        /// What was seen.
        why: String,
    },
    /// A certificate must be made and the root's key is away.
    #[error("failed to make the certificate in Secret {secret}")]
    RootNeeded {
        /// Which one.
        secret: String,
        /// Why.
        #[source]
        source: RootAway,
    },
    /// The region names a proxy that cannot be read.
    #[error("failed to read the region's trustedProxies")]
    Proxies(#[from] CidrError),
    /// The region is not described yet.
    #[error("failed to find a Region object; create one (the chart does)")]
    NoRegion,
}

/// What tenants are issued under.
#[derive(Debug, Clone)]
pub struct Platform {
    /// The region's root.
    pub root: CurrentRoot,
}

/// Prepares the region.
#[derive(Clone)]
pub struct Bootstrap {
    /// The API.
    pub client: Client,
    /// The operator's settings.
    pub settings: Settings,
    /// Writes objects.
    pub applier: Arc<Applier>,
    /// About whom Events are.
    pub own: ObjectReference,
}

impl Bootstrap {
    /// Prepares everything once and returns what tenants are issued under.
    pub async fn run(&self, now: Timestamp) -> Result<RegionRoot, BootstrapError> {
        let root = self.region_root(now).await?;
        let settings = self.platform_settings(&self.region().await?)?;
        let database_password = if settings.embedded_database {
            self.database_password().await?
        } else {
            // The hoster's own: the connector reads it, nothing renders it.
            SecretString::default()
        };
        let servers = tls::servers(platform_names(&settings));
        let mut pairs = Vec::with_capacity(servers.len());
        let mut restarts = Vec::new();
        for server in &servers {
            let (pair, kept) = self.certificate(server, &root, now).await?;
            pairs.push(pair);
            restarts.extend(server.workload.filter(|_| kept == Kept::Renewed));
        }
        // Its Secret is only ever created, so nothing renders the key.
        let root_pair = KeyPairPem {
            chain: root.certificate_pem().into(),
            key: SecretString::default(),
        };
        // As many as `servers` names.
        let [database, relay_in, relay_out, relay_out_client, api] =
            <[KeyPairPem; 5]>::try_from(pairs).map_err(|_| BootstrapError::NoRegion)?;
        let material = PlatformMaterial {
            root: root_pair,
            database,
            relay_in,
            relay_out,
            relay_out_client,
            api,
            database_password,
        };
        self.apply(&settings, &material, now).await?;
        for workload in restarts {
            self.restart(workload, now).await?;
        }
        Ok(root)
    }

    /// Prepares everything, trying again with growing waits until it succeeds.
    pub async fn until_done(&self, events: &Events) -> RegionRoot {
        let mut failures = 0_u32;
        loop {
            match self.run(Timestamp::now()).await {
                Ok(root) => return root,
                Err(error) => {
                    failures = failures.saturating_add(1);
                    let wait = backoff::delay(failures).min(Duration::from_secs(30));
                    let text = crate::errors::chain(&error);
                    tracing::warn!(failures, retry_in = ?wait, error = text, "the region is not prepared");
                    events.own_warning("BootstrapFailed", &text).await;
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    async fn region(&self) -> Result<RegionSpec, BootstrapError> {
        served_region(&self.client, self.settings.region.as_deref())
            .await
            .map_err(api("list", "regions"))?
            .ok_or(BootstrapError::NoRegion)
    }

    fn platform_settings(&self, region: &RegionSpec) -> Result<PlatformSettings, BootstrapError> {
        Ok(PlatformSettings {
            system_namespace: self.settings.namespace.clone(),
            base_domain: region.base_domain.clone(),
            embedded_database: self.settings.embedded_database(),
            smarthost: self.settings.smarthost.as_deref().and_then(smarthost),
            trusted_proxies: region.proxies()?,
        })
    }

    /// Applies everything but what is only ever created.
    async fn apply(
        &self,
        settings: &PlatformSettings,
        material: &PlatformMaterial,
        now: Timestamp,
    ) -> Result<(), BootstrapError> {
        let created_once = [platform::REGION_CA_SECRET, platform::DATABASE_SECRET];
        let objects: Vec<_> = render_platform(settings, material)
            .into_iter()
            .filter(|object| {
                object.resource.kind != "Secret" || !created_once.contains(&object.name.as_str())
            })
            .collect();
        let outcomes = self.applier.wave(&objects, &self.own).await?;
        self.follow(&objects, &outcomes, now).await
    }

    /// Rolls a workload so that it reads its new certificate.
    async fn restart(&self, workload: &str, now: Timestamp) -> Result<(), BootstrapError> {
        let sets: Api<StatefulSet> = Api::namespaced(self.client.clone(), &self.settings.namespace);
        let stamp = json!({"melouvert.fr/restarted-at": now.to_string()});
        let patch = json!({"spec": {"template": {"metadata": {"annotations": stamp}}}});
        let manager = Some(labels::MANAGER.into());
        let params = PatchParams {
            field_manager: manager,
            ..PatchParams::default()
        };
        match sets.patch(workload, &params, &Patch::Merge(&patch)).await {
            // An external database has no workload here.
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(source) => Err(api("restart", workload)(source)),
            Ok(_) => {
                tracing::info!(workload, "restarted for its new certificate");
                Ok(())
            }
        }
    }
}

/// The region that an operator serves: the one that its installation names, else the first by name,
/// so that a region made beside it takes nothing over.
pub async fn served_region(
    client: &Client,
    named: Option<&str>,
) -> Result<Option<RegionSpec>, kube::Error> {
    let regions: Api<Region> = Api::all(client.clone());
    let found = regions.list(&ListParams::default()).await?;
    let rank = |region: &Region| (Some(region.name_any().as_str()) != named, region.name_any());
    Ok(found
        .items
        .into_iter()
        .min_by_key(rank)
        .map(|region| region.spec))
}

/// Port to which mail servers speak.
const SMTP_PORT: u16 = 25;

/// Reads `host`, `host:port` or Exim's `host::port`; `None` for an empty setting.
fn smarthost(text: &str) -> Option<Endpoint> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host.trim_end_matches(':'), port.parse().ok()?),
        None => (text, SMTP_PORT),
    };
    (!host.is_empty()).then(|| Endpoint {
        host: host.into(),
        port,
    })
}

fn api(verb: &'static str, object: &str) -> impl FnOnce(kube::Error) -> BootstrapError + use<> {
    let object = object.to_owned();
    move |source| BootstrapError::Api {
        verb,
        object,
        source: Box::new(source),
    }
}

/// Looks at what is due daily and whenever the region changes, and every minute at the root, until
/// `stop`. A failure is reported and tried again.
pub async fn keep(
    bootstrap: Bootstrap,
    platform: Platform,
    alarms: Alarms,
    events: Events,
    stop: CancellationToken,
) {
    let regions: Api<Region> = Api::all(bootstrap.client.clone());
    let changes = watcher(regions, watcher::Config::default())
        .default_backoff()
        .touched_objects()
        .predicate_filter(predicates::generation, PredicateConfig::default());
    let mut changes = std::pin::pin!(changes);
    let mut next = tokio::time::Instant::now() + DAY;
    loop {
        let seen = bootstrap.look_at_root().await;
        watch_root(&platform, &seen, &alarms, &events).await;
        let back = platform.root.get().authority().is_ok();
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            // A failed watch is tried again by itself, with growing waits.
            Some(change) = changes.next() => {
                if change.is_err() {
                    continue;
                }
                next = tokio::time::Instant::now();
            }
            () = stop.cancelled() => return,
        }
        if tokio::time::Instant::now() < next && back == platform.root.get().authority().is_ok() {
            continue;
        }
        next = tokio::time::Instant::now() + DAY;
        tokio::select! {
            root = bootstrap.until_done(&events) => platform.root.see(&root),
            () = stop.cancelled() => return,
        }
    }
}

/// Takes what was seen of the root and tells what is wrong with it.
async fn watch_root(
    platform: &Platform,
    seen: &Result<RegionRoot, BootstrapError>,
    alarms: &Alarms,
    events: &Events,
) {
    let away = match seen {
        Ok(root) => {
            platform.root.see(root);
            root.authority().err()
        }
        Err(BootstrapError::RootLost { why }) => Some(RootAway::Lost(why.clone())),
        Err(error) => {
            let error = crate::errors::chain(error);
            tracing::warn!(error, "the region's root was not looked at");
            return;
        }
    };
    let now = Timestamp::now();
    let told = |wanted| {
        let away = away
            .as_ref()
            .filter(|away| wanted == matches!(away, RootAway::Offline));
        away.map(|away| (platform::REGION_CA_SECRET.to_owned(), now, away.to_string()))
    };
    alarms
        .tell(events, AlarmKind::RegionRootLost, told(false))
        .await;
    alarms
        .tell(events, AlarmKind::RegionRootOffline, told(true))
        .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smarthost_may_name_its_port() {
        let read = |text| smarthost(text).map(|end| (end.host, end.port));
        for text in ["relay.example:587", "relay.example::587"] {
            assert_eq!(read(text), Some(("relay.example".into(), 587)));
        }
        assert_eq!(read("relay.example"), Some(("relay.example".into(), 25)));
        assert_eq!(read(""), None);
    }
}
