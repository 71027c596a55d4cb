//! The tenant controller: a `Collectivity` becomes a running space and stays one.

mod adopt;
mod contested;
pub mod context;
pub mod controller;
pub mod dereference;
pub mod erase;
pub mod error;
pub mod finalizer;
pub mod footing;
pub mod journal;
pub mod lost;
pub mod material;
pub mod observe;
pub mod ownership;
mod provision;
pub mod status;
mod stuck;
pub mod terminate;
pub mod validate;
pub mod volume;
mod waves;

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{Api, ResourceExt, runtime::controller::Action};
use melouvert_api::{
    Collectivity,
    condition::{READY, holds},
};
use tracing::Instrument;

use crate::offers;
pub use context::Context;
use dereference::References;
pub use error::ReconcileError;
use error::kube_error;
use observe::NotSeen;
use ownership::Ownership;
use provision::Provisioned;
use status::{Account, Apart, Facts, Progress};
use terminate::End;
use validate::{Refusal, Valid};

/// The controller's name in metrics and spans.
const NAME: &str = "tenant";
/// Between two looks at a space that works: drift is watched, this is the safety net.
const REST: Duration = Duration::from_mins(30);
/// Between two looks at a refused spec: a domain may become free without an event for this object.
const REFUSED: Duration = Duration::from_mins(1);

/// One reconciliation, in its own root span.
pub async fn reconcile(
    tenant: Arc<Collectivity>,
    ctx: Arc<Context>,
) -> Result<Action, ReconcileError> {
    let trace_id = uuid_like();
    let span = tracing::info_span!(
        parent: None,
        "tenant.reconcile",
        tenant = tenant.name_any(),
        generation = tenant.metadata.generation,
        trace_id,
    );
    let started = std::time::Instant::now();
    let result = attempt(&tenant, &ctx).instrument(span).await;
    ctx.metrics.reconciled(NAME, started.elapsed());
    result
}

/// Runs the steps; a failure is told in the status before it is passed on.
async fn attempt(tenant: &Collectivity, ctx: &Context) -> Result<Action, ReconcileError> {
    let uid = tenant.uid().unwrap_or_default();
    // Read anew: what this operator wrote a moment ago may not have reached the cache yet.
    let api: Api<Collectivity> = Api::all(ctx.client.clone());
    let live = api
        .get_opt(&tenant.name_any())
        .await
        .map_err(kube_error("read the object"))?;
    let Some(live) = live.filter(|live| live.metadata.uid == tenant.metadata.uid) else {
        ctx.backoff.succeeded(&uid);
        return Ok(Action::await_change());
    };
    let error = match steps(&live, ctx).await {
        Ok(action) => {
            ctx.backoff.succeeded(&uid);
            return Ok(action);
        }
        Err(error) => error,
    };
    let (reason, text) = (error.reason(), crate::errors::chain(&error));
    if error.is_expected() {
        tracing::debug!(reason = reason.as_str(), error = text, "waiting");
    } else {
        ctx.metrics.failed(NAME, reason.as_str());
        tracing::warn!(
            reason = reason.as_str(),
            error = text,
            "reconciliation failed"
        );
    }
    Err(error)
}

/// The table of contents.
async fn steps(tenant: &Collectivity, ctx: &Context) -> Result<Action, ReconcileError> {
    let now = Timestamp::now();
    if tenant.metadata.deletion_timestamp.is_some() {
        return erase::reconcile(tenant, ctx, now).await; // client required
    }
    let mut references = dereference::fetch(&ctx.client, tenant).await?; // client required
    references.serve_from(&ctx.settings.database_host, ctx.settings.database_port);
    match ownership::of(
        tenant,
        references.namespace.as_ref(),
        &ctx.settings.namespace,
    ) {
        Ownership::Elsewhere { installation } => {
            return contested::tell(tenant, ctx, &installation).await; // client required
        }
        Ownership::Adopted { from } => adopt::journal(tenant, ctx, &from).await?, // client required
        _ => {}
    }
    finalizer::ensure(&ctx.client, tenant)
        .await
        .map_err(kube_error("add the finalizer"))?;
    let end = terminate::decide(tenant, now);
    let valid = match check(tenant, &references, ctx) {
        Ok(valid) => valid,
        Err(refusals) => {
            let empty = erase::is_empty(tenant, references.namespace.as_ref());
            return refuse(tenant, ctx, refusals, end, empty).await; // client required
        }
    };
    for refusal in &valid.kept {
        tell_refusal(tenant, ctx, refusal).await;
    }
    let mut apart = Apart {
        kept: valid.kept.clone(),
        waits: valid.waits.clone(),
    };
    let under = offers::under(tenant, &references, &valid.footing);
    let provisioned = provision::run(ctx, tenant, &valid.tenant, &references, &under, now).await; // client required
    let provisioned = told(ctx, tenant, account(None, &end, &apart), provisioned).await?;
    apart.kept.extend(provisioned.kept.iter().cloned());
    let facts = Facts::of_applied(&valid, &provisioned.keys)?.under(under);
    let account = account(Some(facts.clone()), &end, &apart);
    if facts.routes_changed(tenant) {
        // The relays serve a tenant once its status tells a namespace: before the test delivery.
        let progress = Progress::Waiting {
            reason: NotSeen::Pod.reason(),
            message: "everything was applied; the mail pod starts".into(),
        };
        report(ctx, tenant, &account.at(progress)).await?;
    }
    let root = ctx.platform.root.get();
    let subject = observe::Subject {
        object: tenant,
        tenant: &valid.tenant,
        keys: &provisioned.keys,
        root_pem: root.certificate_pem(),
        template: &provisioned.template,
    };
    let seen = observe::look(&ctx.client, &subject)
        .await
        .map_err(Into::into); // client required
    let seen = told(ctx, tenant, account.clone(), seen).await?;
    report(ctx, tenant, &account.at(Progress::Done(seen))).await?;
    Ok(Action::requeue(rest(&provisioned, &end, &apart, now)))
}

fn check(
    tenant: &Collectivity,
    references: &References,
    ctx: &Context,
) -> Result<Valid, Vec<Refusal>> {
    let (all, unreadable) = (ctx.tenants.state(), ctx.unreadable.all());
    // What cannot be read holds its domains all the same.
    let others = || {
        let shadows = unreadable.iter().map(|found| &found.shadow);
        all.iter().map(AsRef::as_ref).chain(shadows)
    };
    let chosen = footing::choose(tenant, references, |shared, wanted| {
        ctx.rollout.ask(shared, tenant, wanted, others())
    });
    let namespace = &ctx.settings.namespace;
    let mut valid = validate::validate(tenant, references, chosen, others(), namespace)?;
    let migrators = &ctx.settings.migrators.0;
    valid.tenant.migrators.clone_from(migrators);
    Ok(valid)
}

/// Tells a failed step in the status, then passes it on.
async fn told<T>(
    ctx: &Context,
    tenant: &Collectivity,
    mut account: Account,
    step: Result<T, ReconcileError>,
) -> Result<T, ReconcileError> {
    if let Err(error) = &step {
        let (reason, message) = (error.reason(), crate::errors::chain(error));
        account.progress = if error.is_lost() {
            Progress::Lost { reason, message }
        } else {
            Progress::Waiting { reason, message }
        };
        account.journaled = account.facts.is_some();
        report(ctx, tenant, &account).await?;
    }
    step
}

/// What is told of a space that is kept; how far it came is set by who tells it.
fn account(facts: Option<Facts>, end: &End, apart: &Apart) -> Account {
    Account {
        facts,
        progress: Progress::Refused(Vec::new()),
        apart: apart.clone(),
        end: end.clone(),
        empty: false,
        journaled: true,
    }
}

async fn tell_refusal(tenant: &Collectivity, ctx: &Context, refusal: &Refusal) {
    let Refusal {
        field,
        reason,
        message,
        hoster_only,
    } = refusal;
    let reason = reason.as_str();
    tracing::info!(field, reason, message, hoster_only, "spec refused");
    if let Some(note) = hoster_only {
        ctx.events
            .own_warning(reason, &format!("{}: {field}: {note}", tenant.name_any()))
            .await;
    }
}

async fn refuse(
    tenant: &Collectivity,
    ctx: &Context,
    refusals: Vec<Refusal>,
    end: End,
    empty: bool,
) -> Result<Action, ReconcileError> {
    for refusal in &refusals {
        tell_refusal(tenant, ctx, refusal).await;
    }
    // A space that runs keeps its last good state; the refused change is still somebody's act.
    let journaled = if empty {
        true
    } else {
        provision::journal_refused(ctx, tenant).await?
    };
    let progress = Progress::Refused(refusals);
    report(
        ctx,
        tenant,
        &Account {
            facts: None,
            progress,
            apart: Apart::default(),
            end,
            empty,
            journaled,
        },
    )
    .await?;
    Ok(Action::requeue(REFUSED))
}

/// Writes the status on difference, with an Event when the readiness or its reason changes.
async fn report(
    ctx: &Context,
    tenant: &Collectivity,
    account: &Account,
) -> Result<(), ReconcileError> {
    // What an earlier step of this reconciliation wrote is newer than the cached object.
    let status = status::compute(tenant, account, Timestamp::now());
    let wrote = status::write(&ctx.client, tenant, &status)
        .await
        .map_err(kube_error("write the status"))?;
    let (name, ready) = (tenant.name_any(), holds(&status.conditions, READY));
    let all = ctx.tenants.state();
    let others = all.iter().map(AsRef::as_ref);
    ctx.rollout
        .note(&name, status.footing.as_ref(), ready, others);
    let before = tenant
        .status
        .as_ref()
        .and_then(|status| status.conditions.first());
    let same = |now: &Condition| {
        before.is_some_and(|before| before.status == now.status && before.reason == now.reason)
    };
    let news = status.conditions.first().filter(|now| wrote && !same(now));
    if let Some(now) = news {
        let about = context::reference(tenant);
        let starting = now.reason == NotSeen::Pod.reason().as_str();
        if now.status == "True" || starting || account.end.record().is_some() {
            ctx.events.normal(&about, &now.reason, &now.message).await;
        } else {
            ctx.events.warning(&about, &now.reason, &now.message).await;
        }
    }
    Ok(())
}

/// How long nothing is due: the next renewal, the end of a notice, or the safety net.
fn rest(provisioned: &Provisioned, end: &End, apart: &Apart, now: Timestamp) -> Duration {
    let renewal = provisioned.keys.first_renewal();
    let next = match end {
        End::Notice { erasure_after, .. } => renewal.min(*erasure_after),
        _ => renewal,
    };
    let until = Duration::try_from(next.duration_since(now)).unwrap_or_default();
    // What is kept apart may resolve itself elsewhere, without an event for this object.
    let longest = if *apart == Apart::default() {
        REST
    } else {
        REFUSED
    };
    until.clamp(Duration::from_secs(1), longest)
}

/// 128 random bits in hexadecimal (W3C Trace Context).
fn uuid_like() -> String {
    hex::encode(rand::random::<[u8; 16]>())
}
