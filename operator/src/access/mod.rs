//! Who has which role in a space: its `Access` becomes bindings, and each change is in the space's
//! journal with its author.
//!
//! A controller of its own: a right that is withdrawn goes at once, also while the space's spec is
//! refused or the database is away; a new one waits until its author is written down.

pub mod controller;

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
    runtime::controller::Action,
};
use melouvert_api::{
    Access, Reason,
    access::{self, AccessStatus, Grant, difference},
    labels,
};
use melouvert_domain::{NamespaceName, Siren};
use melouvert_store::StoreError;
use melouvert_tenant_template::render_access;
use serde_json::json;

use crate::{
    cluster::ApplyError,
    database::DatabaseError,
    tenant::{Context, journal},
};

/// The controller's name in metrics and spans.
const NAME: &str = "access";
/// Between two looks at bindings that nothing changed: drift is watched, this is the safety net.
const REST: Duration = Duration::from_mins(30);
/// The field manager of statuses.
const MANAGER: &str = "melouvert-status";
/// Somebody changed who has which role.
pub const CHANGED: &str = "access.changed";

/// Why a reconciliation stopped; all of it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The API server refused.
    #[error("failed to {verb}")]
    Kube {
        /// What was tried.
        verb: &'static str,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
    /// A binding could not be applied.
    #[error("failed to apply the bindings")]
    Apply(#[from] ApplyError),
    /// The database was not reached yet.
    #[error("failed to use the database")]
    NoDatabase(#[from] DatabaseError),
    /// The database refused or broke off.
    #[error("failed to write the change into the space's journal")]
    Journal(#[from] StoreError),
}

impl AccessError {
    fn reason(&self) -> Reason {
        match self {
            Self::Kube { .. } => Reason::ApiServerRefused,
            Self::Apply(_) => Reason::ApplyRefused,
            Self::NoDatabase(_) => Reason::DatabaseUnreachable,
            // The space is still being opened.
            Self::Journal(StoreError::NotFound { .. }) => Reason::TenantNotReady,
            Self::Journal(error) if error.is_transient() => Reason::DatabaseUnreachable,
            Self::Journal(_) => Reason::DatabaseRefused,
        }
    }
}

fn kube_error(verb: &'static str) -> impl FnOnce(kube::Error) -> AccessError {
    move |source| AccessError::Kube {
        verb,
        source: Box::new(source),
    }
}

/// One reconciliation.
pub async fn reconcile(access: Arc<Access>, ctx: Arc<Context>) -> Result<Action, AccessError> {
    let started = std::time::Instant::now();
    let result = steps(&access, &ctx).await;
    ctx.metrics.reconciled(NAME, started.elapsed());
    match &result {
        Ok(_) => ctx.backoff.succeeded(&access.uid().unwrap_or_default()),
        Err(error) => {
            let (reason, namespace) = (error.reason().as_str(), access.namespace());
            ctx.metrics.failed(NAME, reason);
            let error = crate::errors::chain(error);
            tracing::warn!(namespace, reason, error, "access not settled");
        }
    }
    result
}

async fn steps(access: &Access, ctx: &Context) -> Result<Action, AccessError> {
    let namespace = access.namespace().unwrap_or_default();
    let api: Api<Access> = Api::namespaced(ctx.client.clone(), &namespace);
    // Read anew: the cache may be older than the status written a moment ago.
    let live = api
        .get_opt(&access.name_any())
        .await
        .map_err(kube_error("read the object"))?;
    let Some(live) = live.filter(|live| live.metadata.uid == access.metadata.uid) else {
        return Ok(Action::await_change());
    };
    let Some(siren) = space(ctx, &namespace).await? else {
        let note = format!("{namespace} is no open space: nobody is given a role there");
        let about = live.object_ref(&());
        let reason = Reason::NotATenant.as_str();
        ctx.events.warning(&about, reason, &note).await;
        return Ok(Action::requeue(REST));
    };
    let status = live.status.clone().unwrap_or_default();
    let fresh = status.observed_generation != live.metadata.generation;
    if fresh {
        let change = difference(&live.spec.grants, &status.grants);
        bind(ctx, &live, &siren, &change.kept).await?;
        let detail = json!({
            "uid": live.metadata.uid,
            "generation": live.metadata.generation,
            "granted": change.granted,
            "revoked": change.revoked,
            "grants": live.spec.grants,
        });
        let store = ctx.database.get()?.tenant(&siren).await?;
        let observed = status.observed_generation;
        journal::changed(&store, &live, (CHANGED, &namespace), observed, detail).await?;
    }
    bind(ctx, &live, &siren, &live.spec.grants).await?;
    if fresh {
        tell(&api, &live).await?;
    }
    Ok(Action::requeue(REST))
}

/// The SIREN of the space that a namespace is; `None` for any other namespace.
async fn space(ctx: &Context, name: &str) -> Result<Option<Siren>, AccessError> {
    let namespaces: Api<Namespace> = Api::all(ctx.client.clone());
    let namespace = namespaces
        .get_metadata_opt(name)
        .await
        .map_err(kube_error("read the namespace"))?;
    let Some(namespace) = namespace.filter(|n| n.metadata.deletion_timestamp.is_none()) else {
        return Ok(None);
    };
    let label = |key| namespace.labels().get(key).map(String::as_str);
    if label(labels::MANAGED_BY) != Some(labels::MANAGER) {
        return Ok(None);
    }
    let siren = label(labels::SIREN).and_then(|text| text.parse::<Siren>().ok());
    Ok(siren.filter(|siren| NamespaceName::of(siren).as_str() == name))
}

async fn bind(
    ctx: &Context,
    access: &Access,
    siren: &Siren,
    grants: &[Grant],
) -> Result<(), AccessError> {
    let bindings = render_access(siren, grants);
    let about = access.object_ref(&());
    ctx.applier.wave(&bindings, &about).await?;
    Ok(())
}

/// Tells what is in force now.
async fn tell(api: &Api<Access>, access: &Access) -> Result<(), AccessError> {
    let status = AccessStatus {
        observed_generation: access.metadata.generation,
        grants: access.spec.grants.clone(),
    };
    // The UID: a new object of the same name must not inherit this status.
    let patch = json!({
        "apiVersion": format!("{}/{}", melouvert_api::GROUP, melouvert_api::VERSION),
        "kind": "Access",
        "metadata": {"name": access::NAME, "uid": access.metadata.uid},
        "status": status,
    });
    let params = PatchParams::apply(MANAGER).force();
    api.patch_status(access::NAME, &params, &Patch::Apply(&patch))
        .await
        .map(drop)
        .map_err(kube_error("write the status"))
}
