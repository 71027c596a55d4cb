//! Fetching what a `Collectivity` refers to. Needs the API server; decides nothing.

use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim, Secret};
use kube::{Api, Client, ResourceExt};
use melouvert_api::{Collectivity, Plan, Region};
use melouvert_domain::StorageSize;
use melouvert_tenant_template::mail;

use super::material::{self, Existing};

/// What a `Collectivity` refers to and what exists of it.
#[derive(Debug, Default)]
pub struct References {
    /// The region that it names.
    pub region: Option<Region>,
    /// The plan that it names.
    pub plan: Option<Plan>,
    /// Its namespace.
    pub namespace: Option<Namespace>,
    /// The size of its mail volume.
    pub storage: Option<StorageSize>,
}

/// Why something could not be fetched.
#[derive(Debug, thiserror::Error)]
#[error("failed to read {what}")]
pub struct DereferenceError {
    /// What was asked for.
    pub what: String,
    /// Why.
    #[source]
    pub source: Box<kube::Error>,
}

fn failed(what: impl Into<String>) -> impl FnOnce(kube::Error) -> DereferenceError {
    let what = what.into();
    move |source| DereferenceError {
        what,
        source: Box::new(source),
    }
}

/// Fetches the region, the plan, the namespace and the volume's size.
pub async fn fetch(client: &Client, tenant: &Collectivity) -> Result<References, DereferenceError> {
    let name = tenant.name_any();
    let regions: Api<Region> = Api::all(client.clone());
    let plans: Api<Plan> = Api::all(client.clone());
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let (region, plan, namespace) = futures::join!(
        regions.get_opt(&tenant.spec.region),
        plans.get_opt(&tenant.spec.plan),
        namespaces.get_opt(&name),
    );
    let namespace = namespace.map_err(failed(format!("namespace {name}")))?;
    let storage = match &namespace {
        Some(_) => storage(client, &name).await?,
        None => None,
    };
    Ok(References {
        region: region.map_err(failed(format!("region {}", tenant.spec.region)))?,
        plan: plan.map_err(failed(format!("plan {}", tenant.spec.plan)))?,
        namespace,
        storage,
    })
}

/// What the mail volume was asked to hold; `None` when there is no volume, or no right to look yet
/// (the RoleBinding comes after the namespace).
async fn storage(
    client: &Client,
    namespace: &str,
) -> Result<Option<StorageSize>, DereferenceError> {
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), namespace);
    let claim = match claims.get_opt(mail::CLAIM).await {
        Err(error) if crate::cluster::apply::is_forbidden(&error) => None,
        other => other.map_err(failed(format!("volume claim {namespace}/{}", mail::CLAIM)))?,
    };
    let requested = claim
        .and_then(|claim| claim.spec)
        .and_then(|spec| spec.resources)
        .and_then(|resources| resources.requests)
        .and_then(|mut requests| requests.remove("storage"));
    Ok(requested.and_then(|quantity| quantity.0.parse().ok()))
}

/// Fetches the tenant's Secrets. A refusal is an error, never an absence: keys would be made anew.
pub async fn secrets(client: &Client, namespace: &str) -> Result<Existing, DereferenceError> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let mut existing = Existing::new();
    let found = futures::future::join_all(material::SECRETS.map(|name| {
        let secrets = secrets.clone();
        async move { (name, secrets.get_opt(name).await) }
    }))
    .await;
    for (name, secret) in found {
        let secret = secret.map_err(failed(format!("Secret {namespace}/{name}")))?;
        if let Some(secret) = secret {
            existing.insert(name.into(), secret.data.unwrap_or_default());
        }
    }
    Ok(existing)
}
