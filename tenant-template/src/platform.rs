//! What the operator itself creates in its own namespace before any tenant.

use std::fmt::Write;

use melouvert_api::labels::component;
use melouvert_domain::{MailDomain, NamespaceName};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    KeyPairPem, Object, certificates,
    certificates::tls_secret,
    meta::{Place, Strings},
};

/// The Secret with the region's root.
pub const REGION_CA_SECRET: &str = "melouvert-region-ca";
/// The ConfigMap with the region's root certificate, for everybody.
pub const TRUST_CONFIG_MAP: &str = "melouvert-trust";
/// The ConfigMap with the relays' maps.
pub const RELAY_MAPS: &str = "melouvert-relay-maps";
/// The Secret with the database administrator's name and password.
pub const DATABASE_SECRET: &str = "melouvert-postgresql";
/// The database administrator.
pub const DATABASE_USER: &str = "melouvert";

/// What the platform's objects are rendered from.
#[derive(Debug, Clone)]
pub struct PlatformSettings {
    /// The namespace of the operator, relays and database.
    pub system_namespace: String,
    /// The domain under which the region's own servers are named.
    pub base_domain: String,
    /// Whether the chart starts a PostgreSQL of its own. Otherwise its Secrets and configuration
    /// are not the operator's to write.
    pub embedded_database: bool,
    /// Where outgoing mail goes, `host` or `host::port`; the recipient's MX when absent.
    pub smarthost: Option<String>,
}

/// The platform's secrets and certificates.
#[derive(Debug, Clone)]
pub struct PlatformMaterial {
    /// The region's root: its chain is its own certificate.
    pub root: KeyPairPem,
    /// What PostgreSQL shows.
    pub database: KeyPairPem,
    /// What the inbound relay shows.
    pub relay_in: KeyPairPem,
    /// What the outbound relay shows to tenants.
    pub relay_out: KeyPairPem,
    /// What the outbound relay shows to other servers.
    pub relay_out_client: KeyPairPem,
    /// What the platform API shows.
    pub api: KeyPairPem,
    /// The database administrator's password.
    pub database_password: SecretString,
}

/// Which names the platform's certificates carry; common names of at most 64 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformNames {
    /// PostgreSQL's.
    pub database: Vec<String>,
    /// The inbound relay's: its Service and `mx.<base domain>`.
    pub relay_in: Vec<String>,
    /// The outbound relay's: its Service and `smtp-out.<base domain>`.
    pub relay_out: Vec<String>,
    /// The outbound relay's as a client.
    pub relay_out_client: Vec<String>,
    /// The platform API's; `localhost` too, for a port-forward.
    pub api: Vec<String>,
}

/// The DNS names of the platform's certificates, the first fit for a common name.
pub fn platform_names(settings: &PlatformSettings) -> PlatformNames {
    let system = &settings.system_namespace;
    let service = |name: &str| {
        vec![
            format!("{name}.{system}.svc"),
            format!("{name}.{system}.svc.cluster.local"),
            name.to_owned(),
        ]
    };
    let with = |mut names: Vec<String>, more: String| {
        names.push(more);
        names
    };
    let base = &settings.base_domain;
    PlatformNames {
        database: service("melouvert-postgresql"),
        relay_in: with(service("melouvert-relay-in"), format!("mx.{base}")),
        relay_out: with(service("melouvert-relay-out"), format!("smtp-out.{base}")),
        relay_out_client: vec![format!("melouvert-relay-out.{system}.svc")],
        api: with(service("melouvert-api"), "localhost".into()),
    }
}

/// Which tenant a mail domain belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// The domain.
    pub domain: MailDomain,
    /// The tenant's namespace.
    pub namespace: NamespaceName,
}

/// The ConfigMap by which the relays know tenants: `domains` says where a domain's mail goes,
/// `senders` which tenant may send from it. Sorted, so that the same tenants give the same object.
pub fn render_relay_maps(system_namespace: &str, routes: &[Route]) -> Object {
    let mut sorted: Vec<&Route> = routes.iter().collect();
    sorted.sort_unstable();
    sorted.dedup();
    let (mut domains, mut senders) = (String::new(), String::new());
    for Route { domain, namespace } in sorted {
        let host = certificates::mail_host(namespace);
        // Writing to a String cannot fail.
        let _ = writeln!(domains, "{domain}: {host}");
        let _ = writeln!(senders, "{domain}: {namespace}");
    }
    let data = Strings::from([("domains".into(), domains), ("senders".into(), senders)]);
    Object::of(&place(system_namespace, "relay").config_map(RELAY_MAPS, data))
}

/// Every object of the system namespace but [`render_relay_maps`]'s, which changes with tenants.
pub fn render_platform(settings: &PlatformSettings, material: &PlatformMaterial) -> Vec<Object> {
    let system = settings.system_namespace.as_str();
    let root = material.root.chain.as_str();
    let operator = place(system, component::OPERATOR);
    let relay_in = place(system, component::RELAY_IN);
    let relay_out = place(system, component::RELAY_OUT);
    let trust = Strings::from([("ca.crt".to_owned(), root.to_owned())]);
    let tls = |place: &Place<'_>, name: &str, pair| tls_secret(place, name, pair, root);
    let mut objects = vec![
        tls(&operator, REGION_CA_SECRET, &material.root),
        Object::of(&operator.config_map(TRUST_CONFIG_MAP, trust)),
        tls(&operator, "melouvert-api-tls", &material.api),
        tls(&relay_in, "melouvert-relay-in-tls", &material.relay_in),
        tls(&relay_out, "melouvert-relay-out-tls", &material.relay_out),
        tls(
            &relay_out,
            "melouvert-relay-out-client-tls",
            &material.relay_out_client,
        ),
    ];
    if settings.embedded_database {
        objects.extend(database(system, material));
    }
    objects
}

fn database(system: &str, material: &PlatformMaterial) -> [Object; 2] {
    let place = place(system, component::POSTGRES);
    let login = [
        ("username", DATABASE_USER),
        ("password", material.database_password.expose_secret()),
    ];
    [
        Object::of(&place.secret(DATABASE_SECRET, "Opaque", login)),
        tls_secret(
            &place,
            "melouvert-postgresql-tls",
            &material.database,
            &material.root.chain,
        ),
    ]
}

fn place<'a>(system: &'a str, component: &'a str) -> Place<'a> {
    Place {
        namespace: Some(system),
        siren: None,
        component,
        owner: None,
    }
}
