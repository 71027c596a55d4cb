//! What the operator itself creates in its own namespace before any tenant.

use melouvert_api::labels::component;
use melouvert_domain::{Cidr, MailDomain, NamespaceName};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::{
    KeyPairPem, Object, certificates,
    certificates::tls_secret,
    config::{
        Endpoint, EximRelayInConfig, EximRelayOutConfig, PostgresConfig, TlsPolicy, domain_map,
    },
    mail::MESSAGE_BYTES,
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
/// Connections that the embedded database takes: a few for each tenant of a small region.
const DATABASE_CONNECTIONS: u32 = 400;
/// The embedded database's page cache, in mebibytes: an eighth of its pod's limit.
const DATABASE_BUFFERS_MEBI: u32 = 128;

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
    /// Where outgoing mail goes; the recipients' MX when absent.
    pub smarthost: Option<Endpoint>,
    /// Proxies that are believed when they tell a client's address.
    pub trusted_proxies: Vec<Cidr>,
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
        relay_out_client: vec![relay_out_client(system)],
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
    /// Whether the tenant wants forged mail in its agents' Junk folders rather than refused.
    pub junk: bool,
}

/// The ConfigMap by which the relays know tenants: `domains` says where a domain's mail goes,
/// `domains.sha256` that it is whole, `senders` which tenant may send from it, `names` which they are
/// and `unaligned` whose space wants forged mail in Junk. Sorted, so that the same tenants give the
/// same object.
pub fn render_relay_maps(system_namespace: &str, routes: &[Route]) -> Object {
    let mut sorted: Vec<&Route> = routes.iter().collect();
    sorted.sort_unstable();
    sorted.dedup();
    let hosts: Vec<String> = sorted
        .iter()
        .map(|r| certificates::mail_host(&r.namespace))
        .collect();
    let hosts = hosts.iter().map(String::as_str);
    let domains = domain_map(sorted.iter().map(|r| &r.domain).zip(hosts));
    let senders = domain_map(sorted.iter().map(|r| (&r.domain, r.namespace.as_str())));
    let names = domain_map(sorted.iter().map(|r| (&r.domain, r.domain.as_str())));
    let lenient = sorted.iter().filter(|r| r.junk);
    let unaligned = domain_map(lenient.map(|r| (&r.domain, "Junk")));
    let digest = hex::encode(Sha256::digest(&domains));
    let data = Strings::from([
        ("domains".into(), domains),
        ("domains.sha256".into(), digest),
        ("names".into(), names),
        ("senders".into(), senders),
        ("unaligned".into(), unaligned),
    ]);
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
    objects.extend(relays(settings, &relay_in, &relay_out));
    if settings.embedded_database {
        objects.extend(database(system, material));
    }
    objects
}

/// The relays' configuration; their maps are [`render_relay_maps`]'s.
fn relays(settings: &PlatformSettings, relay_in: &Place<'_>, relay_out: &Place<'_>) -> [Object; 2] {
    let system = &settings.system_namespace;
    let inbound = EximRelayInConfig {
        hostname: format!("mx.{}", settings.base_domain),
        relay_out_client: relay_out_client(system),
        trusted_proxies: settings.trusted_proxies.clone(),
        message_size_limit: MESSAGE_BYTES,
        tls: TlsPolicy,
    };
    let outbound = EximRelayOutConfig {
        hostname: format!("smtp-out.{}", settings.base_domain),
        relay_in: service("melouvert-relay-in", system, 26),
        smarthost: settings.smarthost.clone(),
        message_size_limit: MESSAGE_BYTES,
        tls: TlsPolicy,
    };
    let file = |text: String| Strings::from([("exim.conf".to_owned(), text)]);
    [
        Object::of(&relay_in.config_map("melouvert-relay-in", file(inbound.render()))),
        Object::of(&relay_out.config_map("melouvert-relay-out", file(outbound.render()))),
    ]
}

/// The name by which the inbound relay knows the outbound one.
fn relay_out_client(system_namespace: &str) -> String {
    format!("melouvert-relay-out.{system_namespace}.svc")
}

/// Where tenants hand over outgoing mail.
pub(crate) fn relay_out(system_namespace: &str) -> Endpoint {
    service("melouvert-relay-out", system_namespace, 587)
}

/// A Service of the system namespace by the name that its certificate carries.
fn service(name: &str, system_namespace: &str, port: u16) -> Endpoint {
    Endpoint {
        host: format!("{name}.{system_namespace}.svc.cluster.local"),
        port,
    }
}

fn database(system: &str, material: &PlatformMaterial) -> [Object; 3] {
    let place = place(system, component::POSTGRES);
    let login = [
        ("username", DATABASE_USER),
        ("password", material.database_password.expose_secret()),
    ];
    let config = PostgresConfig {
        max_connections: DATABASE_CONNECTIONS,
        shared_buffers_mb: DATABASE_BUFFERS_MEBI,
        tls: TlsPolicy,
    };
    let files = Strings::from([
        ("postgresql.conf".into(), config.render()),
        ("pg_hba.conf".into(), PostgresConfig::render_hba()),
    ]);
    [
        Object::of(&place.config_map("melouvert-postgresql", files)),
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
