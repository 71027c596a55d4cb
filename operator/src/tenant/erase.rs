//! Erasing a tenant, once its object is being deleted and the notice is over.
//!
//! Every step compares UIDs, and the object was just read anew: a cached, older view of it must
//! never erase anything.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Preconditions},
    runtime::controller::Action,
};
use melouvert_api::{Collectivity, Reason};
use melouvert_domain::Siren;

use super::{
    Context, ReconcileError, contested, context,
    error::kube_error,
    finalizer,
    ownership::{self, Ownership},
    report,
    status::{Account, Apart, Progress},
    terminate::{self, End},
};

/// Between two looks at a namespace that is going away; a watch usually tells earlier.
const NAMESPACE_POLL: Duration = Duration::from_secs(2);
/// The longest wait for the end of a notice: clocks may be set.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// Erases what is due, or says why the data are kept.
pub async fn reconcile(
    tenant: &Collectivity,
    ctx: &Context,
    now: Timestamp,
) -> Result<Action, ReconcileError> {
    let namespaces: Api<Namespace> = Api::all(ctx.client.clone());
    let namespace = namespaces
        .get_opt(&tenant.name_any())
        .await
        .map_err(kube_error("read the namespace"))?;
    let system = &ctx.settings.namespace;
    let standing = ownership::of(tenant, namespace.as_ref(), system);
    if let Ownership::Elsewhere { installation } = &standing {
        return contested::tell(tenant, ctx, installation).await;
    }
    let own = namespace.filter(|_| standing == Ownership::Own);
    let end = terminate::decide(tenant, now);
    let empty = is_empty(tenant, own.as_ref());
    if !end.is_due() && !empty {
        return keep(tenant, ctx, end, now).await;
    }
    if let Some(namespace) = own {
        return delete_namespace(tenant, &namespaces, &namespace, ctx, end).await;
    }
    if !empty {
        erase_database(tenant, ctx).await?;
    }
    finalizer::remove(&ctx.client, tenant)
        .await
        .map_err(kube_error("remove the finalizer"))?;
    forget(tenant, ctx);
    tracing::info!(tenant = tenant.name_any(), "erased");
    Ok(Action::await_change())
}

/// Whether nothing was ever made for this object.
pub fn is_empty(tenant: &Collectivity, own_namespace: Option<&Namespace>) -> bool {
    let told = tenant
        .status
        .as_ref()
        .is_some_and(|status| status.namespace.is_some());
    !told && own_namespace.is_none()
}

async fn keep(
    tenant: &Collectivity,
    ctx: &Context,
    end: End,
    now: Timestamp,
) -> Result<Action, ReconcileError> {
    let wait = match &end {
        End::Notice { erasure_after, .. } => {
            Duration::try_from(erasure_after.duration_since(now)).unwrap_or_default()
        }
        _ => LONGEST_WAIT,
    };
    let account = Account {
        facts: None,
        progress: Progress::DeletionTooEarly,
        apart: Apart::default(),
        end,
        empty: false,
        journaled: false,
    };
    report(ctx, tenant, &account).await?;
    Ok(Action::requeue(
        wait.clamp(Duration::from_secs(1), LONGEST_WAIT),
    ))
}

async fn delete_namespace(
    tenant: &Collectivity,
    namespaces: &Api<Namespace>,
    namespace: &Namespace,
    ctx: &Context,
    end: End,
) -> Result<Action, ReconcileError> {
    let message = "the namespace is being deleted, then the database".to_owned();
    let progress = Progress::Waiting {
        reason: Reason::Erasing,
        message,
    };
    let account = Account {
        facts: None,
        progress,
        apart: Apart::default(),
        end,
        empty: false,
        journaled: false,
    };
    report(ctx, tenant, &account).await?;
    if namespace.metadata.deletion_timestamp.is_none() {
        let preconditions = Preconditions {
            uid: namespace.metadata.uid.clone(),
            resource_version: None,
        };
        let params = DeleteParams::background().preconditions(preconditions);
        namespaces
            .delete(&namespace.name_any(), &params)
            .await
            .map_err(kube_error("delete the namespace"))?;
        let note = format!(
            "the notice is over: namespace {} is deleted",
            namespace.name_any()
        );
        ctx.events
            .normal(&context::reference(tenant), Reason::Erasing.as_str(), &note)
            .await;
    }
    Ok(Action::requeue(NAMESPACE_POLL))
}

async fn erase_database(tenant: &Collectivity, ctx: &Context) -> Result<(), ReconcileError> {
    let siren: Siren = tenant
        .spec
        .siren
        .parse()
        .map_err(|_| ReconcileError::Unnamed {
            found: tenant.spec.siren.clone(),
        })?;
    let store = ctx.database.get()?;
    // Writes the last head of the tenant's chain into the platform's: who, what, when.
    store.erase_tenant(&siren, &ctx.own_actor()?).await?;
    Ok(())
}

fn forget(tenant: &Collectivity, ctx: &Context) {
    let uid = tenant.uid().unwrap_or_default();
    ctx.applier.forget(&tenant.name_any());
    ctx.rollout.forget(&tenant.name_any());
    ctx.backoff.succeeded(&uid);
    ctx.rsa.stored(&uid);
}
