//! A space that the operator of another installation keeps: it is left alone, and the object says so
//! beside what that other operator tells.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
    runtime::controller::Action,
};
use melouvert_api::{
    Collectivity, Reason,
    condition::{CONTESTED, Verdict, merge},
    labels,
};
use serde_json::json;

use super::{Context, REST, ReconcileError, context, error::kube_error};

/// Tells it, once.
pub(super) async fn tell(
    tenant: &Collectivity,
    ctx: &Context,
    installation: &str,
) -> Result<Action, ReconcileError> {
    let own = &ctx.settings.namespace;
    let message = format!(
        "the space is kept by the installation in namespace {installation}; the operator in {own} leaves it \
         alone: remove one of the two installations"
    );
    let conditions = tenant
        .status
        .as_ref()
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default();
    let now = k8s_openapi::jiff::Timestamp::now();
    let verdict = Verdict {
        kind: CONTESTED,
        holds: true,
        reason: Reason::NamespaceTaken,
        message: message.clone(),
    };
    let told = merge(conditions, vec![verdict], tenant.metadata.generation, now);
    if conditions.iter().any(|old| told.contains(old)) {
        return Ok(Action::requeue(REST));
    }
    tracing::warn!(tenant = tenant.name_any(), installation, "left alone");
    ctx.metrics
        .failed(super::NAME, Reason::NamespaceTaken.as_str());
    ctx.events
        .own_warning(Reason::NamespaceTaken.as_str(), &message)
        .await;
    let about = context::reference(tenant);
    ctx.events
        .warning(&about, Reason::NamespaceTaken.as_str(), &message)
        .await;
    let others = conditions.iter().filter(|old| old.type_ != CONTESTED);
    let all: Vec<Condition> = others.cloned().chain(told).collect();
    let patch = json!({
        "metadata": {"uid": tenant.metadata.uid, "resourceVersion": tenant.metadata.resource_version},
        "status": {"conditions": all},
    });
    let params = PatchParams {
        field_manager: Some(format!("{}-{own}", labels::MANAGER)),
        ..PatchParams::default()
    };
    let api: Api<Collectivity> = Api::all(ctx.client.clone());
    api.patch_status(&tenant.name_any(), &params, &Patch::Merge(&patch))
        .await
        .map_err(kube_error("write the status"))?;
    Ok(Action::requeue(REST))
}
