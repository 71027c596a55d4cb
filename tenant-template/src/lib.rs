//! Renders a validated tenant into the Kubernetes objects that make its space.
//!
//! Owns: every object of a tenant's namespace, of a migration and of the platform, the order in
//! which they are applied, and the configuration of the servers inside.
//! Must not know: whether an object exists already, how it is applied, the clock, randomness. What
//! it is given was checked, so rendering is pure and cannot fail.

pub mod certificates;
pub mod config;
mod dns;
pub mod mail;
mod meta;
mod migration;
mod namespace;
mod network;
mod object;
pub mod platform;
mod pod;
mod quota;
mod rights;
mod tenant;

use melouvert_api::labels::component;
use melouvert_domain::Lifecycle;

pub use dns::{DKIM_ED25519_SELECTOR, DKIM_RSA_SELECTOR, DkimPublic, dns_records};
pub use migration::{
    ACCOUNT_LENGTH, MIGRATION_NAME_MAXIMUM, Pass, SourceRange, TOKEN_AUDIENCE, ValidatedMigration,
    render_migration, render_pass,
};
pub use namespace::COLLECTIVITY_UID;
pub use network::EDGE;
pub use object::{Object, Wave, hash};
pub use platform::{
    PlatformMaterial, PlatformNames, PlatformSettings, Route, platform_names, render_platform,
    render_relay_maps,
};
pub use rights::render_access;
pub use tenant::{
    KeyPairPem, Material, TenantQuota, TenantResources, TenantVolume, ValidatedTenant,
};

use meta::Place;

/// The name of the wave with the ResourceQuota.
const QUOTA_WAVE: &str = "quota";

/// A tenant's objects in the order in which they are applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// The waves. The ResourceQuota is last: while it has no status yet, the API server refuses
    /// every pod and claim.
    pub waves: Vec<Wave>,
}

impl Rendered {
    /// Every object, in order.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.waves.iter().flat_map(|wave| &wave.objects)
    }

    /// The same with the quota before the workload: needed whenever the namespace already has a
    /// ResourceQuota, since a space that grows would be refused under its old quota.
    #[must_use]
    pub fn quota_before_workload(mut self) -> Self {
        let is_quota = |wave: &Wave| wave.name == QUOTA_WAVE;
        if let Some(place) = self.waves.iter().position(is_quota) {
            let quota = self.waves.remove(place);
            let before = self.waves.len().saturating_sub(1);
            self.waves.insert(before, quota);
        }
        self
    }
}

/// The first three waves of [`render`], which need neither keys nor a database: the namespace, the
/// operator's right to read in it the keys that it made before, and the border.
pub fn frontier(tenant: &ValidatedTenant) -> [Wave; 3] {
    let place = |component| Place {
        namespace: Some(tenant.namespace.as_str()),
        siren: Some(&tenant.siren),
        component,
        owner: None,
    };
    let (space, mail) = (place("tenant"), place(component::MAIL));
    let mut border = rights::accounts(&space).to_vec();
    border.push(rights::worker_binding(tenant, &space));
    border.push(rights::migrators_binding(tenant, &space));
    border.extend([
        quota::limits(&space),
        network::default_deny(&space),
        network::mail(tenant, &mail),
    ]);
    [
        ("namespace", vec![namespace::render(tenant)]),
        ("rights", vec![rights::binding(tenant, &space)]),
        ("border", border),
    ]
    .map(|(name, objects)| Wave { name, objects })
}

/// Renders a tenant: pure and infallible.
pub fn render(tenant: &ValidatedTenant, material: &Material) -> Rendered {
    let place = |component| Place {
        namespace: Some(tenant.namespace.as_str()),
        siren: Some(&tenant.siren),
        component,
        owner: None,
    };
    let (space, mail) = (place("tenant"), place(component::MAIL));
    let mut content = mail::content(tenant, material, &mail);
    let content_hash = mail::content_hash(&content);
    content.insert(0, certificates::authority(material, &space));
    let mut workload = vec![mail::service(
        tenant.region.migration_door,
        !tenant.trusted_proxies.is_empty(),
        &mail,
    )];
    // A claim that no pod binds costs the cluster an endless stream of events.
    if tenant.lifecycle != Lifecycle::Terminating {
        workload.push(mail::volume(tenant, &mail));
    }
    workload.push(mail::statefulset(tenant, &mail, &content_hash));
    let waves = [
        ("content", content),
        ("workload", workload),
        (QUOTA_WAVE, vec![quota::quota(tenant, &space)]),
    ];
    let waves = waves.map(|(name, objects)| Wave { name, objects });
    Rendered {
        waves: frontier(tenant).into_iter().chain(waves).collect(),
    }
}
