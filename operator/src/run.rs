//! The process: what starts, in which order, and how it ends.

mod api;
mod chores;
mod guard;
mod tasks;

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use futures::FutureExt;
use kube::Client;
use tokio_util::sync::CancellationToken;

use crate::{
    access,
    alarms::Alarms,
    backoff::Backoff,
    bootstrap::{self, Bootstrap, CurrentRoot, Platform},
    cluster::Applier,
    database::{self, Database},
    deferred::Deferred,
    events::Events,
    heads::Heads,
    health::{self, Health},
    leader,
    metrics::Metrics,
    migration, offers,
    relays::Relays,
    rollout::Rollout,
    settings::Settings,
    tenant::{self, context::RsaKeys, controller},
    tolerant::Unreadable,
};
use tasks::{Stopped, Tasks};

/// How long the controllers wait for the first connection to the database.
const FIRST_CONNECTION: Duration = Duration::from_secs(15);

/// What all parts share.
struct Parts {
    client: Client,
    settings: Settings,
    metrics: Arc<Metrics>,
    events: Events,
    applier: Arc<Applier>,
    database: Database,
    alarms: Alarms,
}

/// Runs until SIGTERM (success) or until a part that must live ends (an error).
pub async fn run(settings: Settings) -> anyhow::Result<()> {
    let mut tasks = Tasks::new(CancellationToken::new());
    match start(&mut tasks, settings).await {
        Ok(()) => tasks.finish().await,
        Err(error) if error.is::<Stopped>() => Ok(()),
        Err(error) => Err(error),
    }
}

async fn start(tasks: &mut Tasks, settings: Settings) -> anyhow::Result<()> {
    let client = Client::try_default()
        .await
        .context("failed to find the cluster")?;
    let metrics = Arc::new(Metrics::default());
    let events = Events::new(client.clone(), &settings);
    let (database, connector) = database::channel(client.clone(), settings.clone());
    let applier = Applier::new(client.clone(), events.clone(), metrics.clone());
    let parts = Parts {
        client,
        settings,
        metrics,
        events,
        applier: Arc::new(applier),
        database,
        alarms: Alarms::default(),
    };
    lead(tasks, &parts).await?;
    let region = prepare(tasks, &parts).await?;
    let connecting = connector.run(parts.events.clone());
    tasks.spawn_once("database", connecting.map(Ok));
    api::start(tasks, &parts.client, &parts.settings, &parts.database);
    // Asked first, so that a restart of the operator alone does not tell working spaces as waiting.
    let database = parts.database.clone();
    let connected = tokio::time::timeout(FIRST_CONNECTION, database.connected());
    if tasks.alive_until(connected).await?.is_err() {
        tracing::warn!("the database is still away: starting without it");
    }
    reconcile(tasks, parts, region)
}

/// Serves health at once, then waits for the lease and guards it.
async fn lead(tasks: &mut Tasks, parts: &Parts) -> anyhow::Result<()> {
    let mut lease = leader::compete(parts.client.clone(), &parts.settings).await?;
    let health = Health {
        database: parts.database.clone(),
        leadership: lease.leadership(),
        metrics: parts.metrics.clone(),
        alarms: parts.alarms.clone(),
        embedded: parts.settings.embedded_database(),
    };
    let serving = health::serve(parts.settings.health_listen, health, tasks.stop.clone());
    tasks.spawn("health", async move {
        serving.await.context("failed to serve health")
    });
    tasks.spawn("signals", stop_on_signal(tasks.stop.clone()));
    tasks.alive_until(lease.acquired()).await??;
    tracing::info!(identity = parts.settings.identity(), "leading");
    let stop = tasks.stop.clone();
    tasks.spawn("lease", async move {
        tokio::select! {
            error = lease.lost() => Err(error.into()),
            () = stop.cancelled() => Ok(()),
        }
    });
    Ok(())
}

/// Prepares the region, and keeps its certificates.
async fn prepare(tasks: &mut Tasks, parts: &Parts) -> anyhow::Result<Platform> {
    let bootstrap = Bootstrap {
        client: parts.client.clone(),
        settings: parts.settings.clone(),
        applier: parts.applier.clone(),
        own: parts.events.own().clone(),
    };
    let root = tasks
        .alive_until(bootstrap.until_done(&parts.events))
        .await?;
    let platform = Platform {
        root: CurrentRoot::new(root),
    };
    let renewal = bootstrap::keep(
        bootstrap,
        platform.clone(),
        parts.alarms.clone(),
        parts.events.clone(),
        tasks.stop.clone(),
    );
    tasks.spawn("renewal", renewal.map(Ok));
    Ok(platform)
}

/// Starts the controllers and what follows all tenants.
fn reconcile(tasks: &mut Tasks, parts: Parts, region: Platform) -> anyhow::Result<()> {
    let stop = tasks.stop.clone();
    let tenants = controller::tenants(&parts.client);
    let relays = Relays {
        client: parts.client.clone(),
        namespace: parts.settings.namespace.clone(),
        tenants: tenants.store.clone(),
        listed: tenants.listed.clone(),
        unreadable: tenants.unreadable.clone(),
        applier: parts.applier.clone(),
        events: parts.events.clone(),
        alarms: parts.alarms.clone(),
    };
    let (ticks, guard) = (tenants.ticks, stop.clone());
    tasks.spawn("relays", async move {
        relays.keep(ticks, guard).await;
        Ok(())
    });
    let (rsa, rsa_made) = RsaKeys::new();
    let rollout = Rollout::new(rsa.waker());
    let context = Arc::new(tenant::Context {
        client: parts.client,
        settings: parts.settings,
        platform: region,
        database: parts.database,
        tenants: tenants.store.clone(),
        unreadable: tenants.unreadable,
        unreadable_migrations: Unreadable::default(),
        applier: parts.applier,
        events: parts.events,
        metrics: parts.metrics.clone(),
        backoff: Backoff::default(),
        rsa,
        rollout,
    });
    let asking = chores::room(tenants.store.clone(), context.rsa.waker(), stop.clone());
    tasks.spawn("room", asking.map(Ok));
    let (database, actor) = (context.database.clone(), context.own_actor()?);
    let guarding = guard::keep(database, parts.metrics.clone(), actor, stop.clone());
    tasks.spawn("guard", guarding.map(Ok));
    let counting = chores::count(tenants.store.clone(), parts.metrics, stop.clone());
    tasks.spawn("metrics", counting.map(Ok));
    let deferred = Deferred {
        client: context.client.clone(),
        namespace: context.settings.namespace.clone(),
        tenants: tenants.store.clone(),
        listed: tenants.listed.clone(),
        unreadable: context.unreadable.clone(),
        platform: context.platform.clone(),
        alarms: parts.alarms.clone(),
        events: context.events.clone(),
    };
    tasks.spawn("deferred", deferred.keep(stop.clone()).map(Ok));
    let heads = Heads {
        client: context.client.clone(),
        namespace: context.settings.namespace.clone(),
        tenants: tenants.store,
        listed: tenants.listed,
        database: context.database.clone(),
        actor: context.own_actor()?,
        alarms: parts.alarms,
        events: context.events.clone(),
    };
    tasks.spawn("heads", heads.keep(stop.clone()).map(Ok));
    let migrating = migration::controller::run(context.clone(), stop.clone());
    tasks.spawn("migrations", migrating.map(Ok));
    let granting = access::controller::run(context.clone(), stop.clone());
    tasks.spawn("access", granting.map(Ok));
    let following = offers::run(context.clone(), stop.clone());
    tasks.spawn("offers", following.map(Ok));
    let running = controller::run(context, tenants.trigger, rsa_made, stop);
    tasks.spawn("tenants", running.map(Ok));
    Ok(())
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
