//! The finalizer that keeps a `Collectivity` until its data are erased.

use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
};
use melouvert_api::{Collectivity, labels::FINALIZER};
use serde_json::json;

/// Adds the finalizer when it is missing.
pub async fn ensure(client: &Client, tenant: &Collectivity) -> Result<(), kube::Error> {
    if tenant.finalizers().iter().any(|name| name == FINALIZER) {
        return Ok(());
    }
    let mut all = tenant.finalizers().to_vec();
    all.push(FINALIZER.into());
    set(client, tenant, &all).await
}

/// Removes it: the object goes.
pub async fn remove(client: &Client, tenant: &Collectivity) -> Result<(), kube::Error> {
    let rest: Vec<String> = tenant
        .finalizers()
        .iter()
        .filter(|name| *name != FINALIZER)
        .cloned()
        .collect();
    if rest.len() == tenant.finalizers().len() {
        return Ok(());
    }
    set(client, tenant, &rest).await
}

/// Refused by the API server when the object changed since it was read.
async fn set(client: &Client, tenant: &Collectivity, all: &[String]) -> Result<(), kube::Error> {
    let api: Api<Collectivity> = Api::all(client.clone());
    let patch = json!({"metadata": {
        "uid": tenant.metadata.uid,
        "resourceVersion": tenant.metadata.resource_version,
        "finalizers": all,
    }});
    api.patch(
        &tenant.name_any(),
        &PatchParams::default(),
        &Patch::Merge(&patch),
    )
    .await
    .map(drop)
}
