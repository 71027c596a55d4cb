//! The process: what starts, in which order, and how it ends.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use futures::FutureExt;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client};
use secrecy::SecretString;
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    backoff::Backoff,
    bootstrap::{self, Bootstrap},
    cluster::{Applier, secret},
    database,
    events::Events,
    health::{self, Health},
    leader,
    metrics::Metrics,
    migration,
    platform::{self, TlsMaterial},
    relays::Relays,
    settings::Settings,
    tenant::{self, context::RsaKeys, controller},
};

/// How long tasks may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(15);
/// Between two readings of the platform API's certificate and of the cluster's client CA.
const RELOAD: Duration = Duration::from_mins(5);
/// How long the controllers wait for the first connection to the database.
const FIRST_CONNECTION: Duration = Duration::from_secs(15);
/// Between two counts for the metrics.
const COUNT: Duration = Duration::from_secs(15);

/// Runs until SIGTERM (success) or until a part that must live ends (an error).
pub async fn run(settings: Settings) -> anyhow::Result<()> {
    let client = Client::try_default()
        .await
        .context("failed to find the cluster")?;
    let stop = CancellationToken::new();
    let metrics = Arc::new(Metrics::default());
    let events = Events::new(client.clone(), &settings);
    let (database, connector) = database::channel(client.clone(), settings.clone());
    let mut tasks = Tasks::new(stop.clone());

    let mut lease = leader::compete(client.clone(), &settings).await?;
    let health = Health {
        database: database.clone(),
        leadership: lease.leadership(),
        metrics: metrics.clone(),
    };
    let listen = settings.health_listen;
    let serving = health::serve(listen, health, stop.clone());
    tasks.spawn("health", async move {
        serving.await.context("failed to serve health")
    });
    tasks.spawn("signals", stop_on_signal(stop.clone()));
    tasks.alive_until(lease.acquired()).await??;
    tracing::info!(identity = settings.pod_name, "leading");
    let guard = stop.clone();
    tasks.spawn("lease", async move {
        tokio::select! {
            error = lease.lost() => Err(error.into()),
            () = guard.cancelled() => Ok(()),
        }
    });

    let applier = Arc::new(Applier::new(
        client.clone(),
        events.clone(),
        metrics.clone(),
    ));
    let bootstrap = Bootstrap {
        client: client.clone(),
        settings: settings.clone(),
        applier: applier.clone(),
        own: events.own().clone(),
    };
    let region = tasks.alive_until(bootstrap.until_done(&events)).await?;
    tasks.spawn_once("database", connector.run(events.clone()).map(Ok));
    let renewal = bootstrap::keep(bootstrap, events.clone(), stop.clone());
    tasks.spawn("renewal", renewal.map(Ok));
    start_api(&mut tasks, &client, &settings, &database);

    // Asked first, so that a restart of the operator alone does not tell working spaces as waiting.
    let connected = tokio::time::timeout(FIRST_CONNECTION, database.connected());
    if tasks.alive_until(connected).await?.is_err() {
        tracing::warn!("the database is still away: starting without it");
    }
    let tenants = controller::tenants(&client);
    let (rsa, rsa_made) = RsaKeys::new();
    let context = Arc::new(tenant::Context {
        client: client.clone(),
        settings: settings.clone(),
        platform: region,
        database,
        tenants: tenants.store.clone(),
        applier: applier.clone(),
        events: events.clone(),
        metrics: metrics.clone(),
        backoff: Backoff::default(),
        rsa,
    });
    let relays = Relays {
        client,
        namespace: settings.namespace,
        tenants: tenants.store.clone(),
        applier,
        own: events.own().clone(),
    };
    let (ticks, guard) = (tenants.ticks, stop.clone());
    tasks.spawn("relays", async move {
        relays.keep(ticks, guard).await;
        Ok(())
    });
    let counting = count(tenants.store, metrics, stop.clone());
    tasks.spawn("metrics", counting.map(Ok));
    tasks.spawn(
        "migrations",
        migration::controller::run(context.clone(), stop.clone()).map(Ok),
    );
    let running = controller::run(context, tenants.trigger, rsa_made, stop.clone());
    tasks.spawn("tenants", running.map(Ok));
    tasks.finish().await
}

/// Starts the platform API once the database answers.
fn start_api(
    tasks: &mut Tasks,
    client: &Client,
    settings: &Settings,
    database: &database::Database,
) {
    let (kube, listen) = (client.clone(), settings.api_listen);
    let (database, stop) = (database.clone(), tasks.stop.clone());
    let namespace = settings.namespace.clone();
    tasks.spawn("platform API", async move {
        let store = tokio::select! {
            store = database.connected() => store.context("the database connector ended")?,
            () = stop.cancelled() => return Ok(()),
        };
        let first = tls_material(&kube, &namespace).await?;
        let (sender, tls) = watch::channel(first);
        let reloading = reload(kube.clone(), namespace, sender, stop.clone());
        let settings = platform::Settings {
            listen,
            tls,
            kube,
            store,
            shutdown: stop,
        };
        let serving = platform::serve(settings);
        let (served, ()) = futures::join!(serving, reloading);
        Ok(served?)
    });
}

/// What the platform API shows and whom it trusts.
async fn tls_material(client: &Client, namespace: &str) -> anyhow::Result<TlsMaterial> {
    const SECRET: &str = "melouvert-api-tls";
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let read = async |key| {
        secret::text(&secrets, SECRET, key)
            .await
            .with_context(|| format!("failed to read Secret {SECRET}"))
    };
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "kube-system");
    let authorities = maps
        .get("extension-apiserver-authentication")
        .await
        .context("failed to read the cluster's client CA")?;
    let client_ca_pem = authorities
        .data
        .and_then(|mut data| data.remove("client-ca-file"))
        .context("the cluster publishes no client CA: client-ca-file is missing")?;
    Ok(TlsMaterial {
        certificate_pem: read("tls.crt").await?,
        key_pem: SecretString::from(read("tls.key").await?),
        region_ca_pem: read("ca.crt").await?,
        client_ca_pem,
    })
}

/// Hands renewed certificates to the platform API.
async fn reload(
    client: Client,
    namespace: String,
    sender: watch::Sender<TlsMaterial>,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(RELOAD) => {}
            () = stop.cancelled() => return,
        }
        match tls_material(&client, &namespace).await {
            Ok(material) => {
                sender.send_if_modified(|known| {
                    let changed = known.certificate_pem != material.certificate_pem
                        || known.client_ca_pem != material.client_ca_pem;
                    if changed {
                        *known = material;
                    }
                    changed
                });
            }
            Err(error) => tracing::warn!(
                error = format!("{error:#}"),
                "the API's certificate was not read"
            ),
        }
    }
}

/// Counts tenants by condition for the metrics.
async fn count(
    tenants: kube::runtime::reflector::Store<melouvert_api::Collectivity>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) {
    use melouvert_api::condition::{READY, STALLED, holds};
    loop {
        let (mut ready, mut reconciling, mut stalled) = (0, 0, 0);
        let mut first_expiry = i64::MAX;
        for tenant in tenants.state() {
            let status = tenant.status.clone().unwrap_or_default();
            let place = if holds(&status.conditions, READY) {
                &mut ready
            } else if holds(&status.conditions, STALLED) {
                &mut stalled
            } else {
                &mut reconciling
            };
            *place += 1;
            for certificate in &status.certificates {
                if let Ok(end) = certificate.not_after.parse::<jiff::Timestamp>() {
                    first_expiry = first_expiry.min(end.as_second());
                }
            }
        }
        metrics.tenants(ready, reconciling, stalled);
        metrics.first_expiry(if first_expiry == i64::MAX {
            0
        } else {
            first_expiry
        });
        tokio::select! {
            () = tokio::time::sleep(COUNT) => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn stop_on_signal(stop: CancellationToken) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("failed to listen to SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("failed to listen to SIGINT")?;
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
        _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
        () = stop.cancelled() => return Ok(()),
    }
    stop.cancel();
    Ok(())
}

/// Tasks that must all live: the first that ends before the stop, or fails, ends the process.
struct Tasks {
    set: JoinSet<(&'static str, bool, anyhow::Result<()>)>,
    stop: CancellationToken,
}

impl Tasks {
    fn new(stop: CancellationToken) -> Self {
        Self {
            set: JoinSet::new(),
            stop,
        }
    }

    fn spawn(
        &mut self,
        name: &'static str,
        task: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        self.set.spawn(async move { (name, false, task.await) });
    }

    /// A task that may end; it is dropped at the stop.
    fn spawn_once(
        &mut self,
        name: &'static str,
        task: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        let stop = self.stop.clone();
        self.set.spawn(async move {
            tokio::select! {
                result = task => (name, true, result),
                () = stop.cancelled() => (name, true, Ok(())),
            }
        });
    }

    /// Awaits `step` while all tasks live.
    async fn alive_until<T>(&mut self, step: impl Future<Output = T>) -> anyhow::Result<T> {
        let mut step = std::pin::pin!(step);
        loop {
            tokio::select! {
                done = &mut step => return Ok(done),
                () = self.stop.cancelled() => anyhow::bail!("stopped before it was ready"),
                Some(ended) = self.set.join_next() => self.check(ended)?,
            }
        }
    }

    /// Waits for the stop or the first death, then for the others.
    async fn finish(mut self) -> anyhow::Result<()> {
        let mut result = Ok(());
        while let Some(ended) = self.set.join_next().await {
            if let Err(error) = self.check(ended) {
                tracing::error!(error = format!("{error:#}"), "a task died: stopping");
                result = Err(error);
                self.stop.cancel();
            }
            if self.stop.is_cancelled() {
                break;
            }
        }
        let rest = async {
            while let Some(ended) = self.set.join_next().await {
                if let Err(error) = self.check(ended) {
                    tracing::warn!(error = format!("{error:#}"), "a task failed while stopping");
                }
            }
        };
        if tokio::time::timeout(GRACE, rest).await.is_err() {
            tracing::warn!("tasks still run after the grace period: leaving");
        }
        result
    }

    fn check(
        &self,
        ended: Result<(&'static str, bool, anyhow::Result<()>), tokio::task::JoinError>,
    ) -> anyhow::Result<()> {
        let (name, may_end, result) = ended.context("a task panicked")?;
        result.with_context(|| format!("{name} failed"))?;
        if may_end || self.stop.is_cancelled() {
            return Ok(());
        }
        anyhow::bail!("{name} ended although it must not")
    }
}
