//! Fetching what a `Collectivity` refers to. Needs the API server; decides nothing.

use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim, Secret};
use kube::{Api, Client, ResourceExt};
use melouvert_api::{Collectivity, Plan, Region};
use melouvert_tenant_template::mail;

use super::{
    material::{self, Existing},
    volume::Claim,
};

/// What a `Collectivity` refers to and what exists of it.
#[derive(Debug, Default)]
pub struct References {
    /// The region that it names.
    pub region: Option<Region>,
    /// The plan that it names.
    pub plan: Option<Plan>,
    /// Its namespace.
    pub namespace: Option<Namespace>,
    /// The claim of its mail volume.
    pub claim: Option<Claim>,
}

impl References {
    /// A space's database is on the server where this operator makes it, whatever the Region says:
    /// another installation's chart may have written its own there.
    pub fn serve_from(&mut self, host: &str, port: u16) {
        if let Some(region) = &mut self.region {
            host.clone_into(&mut region.spec.database.host);
            region.spec.database.port = port;
        }
    }
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

/// Fetches the region, the plan, the namespace and the volume's claim.
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
    let claim = match &namespace {
        Some(_) => claim(client, &name).await?,
        None => None,
    };
    Ok(References {
        region: region.map_err(failed(format!("region {}", tenant.spec.region)))?,
        plan: plan.map_err(failed(format!("plan {}", tenant.spec.plan)))?,
        namespace,
        claim,
    })
}

/// The claim of the mail volume; `None` when there is none, or no right to look yet (the RoleBinding
/// comes after the namespace).
async fn claim(client: &Client, namespace: &str) -> Result<Option<Claim>, DereferenceError> {
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), namespace);
    let claim = match claims.get_opt(mail::CLAIM).await {
        Err(error) if crate::cluster::apply::is_forbidden(&error) => None,
        other => other.map_err(failed(format!("volume claim {namespace}/{}", mail::CLAIM)))?,
    };
    Ok(claim.as_ref().and_then(Claim::of))
}

/// Whether a space has its mail volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Volume {
    /// Nobody could look.
    Unknown,
    /// It is not there.
    Absent,
    /// It is.
    There,
}

/// Whether the space has its mail volume, asked once the right to look is there.
pub async fn volume(client: &Client, namespace: &str) -> Result<Volume, DereferenceError> {
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), namespace);
    match claims.get_metadata_opt(mail::CLAIM).await {
        Err(error) if crate::cluster::apply::is_forbidden(&error) => Ok(Volume::Unknown),
        Ok(Some(_)) => Ok(Volume::There),
        Ok(None) => Ok(Volume::Absent),
        Err(error) => Err(failed(format!("volume claim {namespace}/{}", mail::CLAIM))(
            error,
        )),
    }
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
