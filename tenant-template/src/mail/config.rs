//! The servers' files: what anybody may read in a ConfigMap, what must stay secret in a Secret.

use melouvert_domain::Lifecycle;
use secrecy::ExposeSecret;

use crate::{
    Material, Object, ValidatedTenant, certificates,
    config::{
        Database, DovecotConfig, DovecotSecrets, EximSecrets, EximTenantConfig, Logins, TlsPolicy,
        domain_map,
    },
    meta::{Place, Strings},
    platform,
};

/// The ConfigMap with `dovecot.conf`, `exim.conf`, `domains`, `verdict.sieve` and `database-ca.pem`.
pub const CONFIG_MAP: &str = "mail-config";
/// The Secret with the servers' own secrets.
pub const SERVERS_SECRET: &str = "mail-db";
/// The key of [`SERVERS_SECRET`] with Dovecot's part of its configuration.
pub(super) const DOVECOT_SECRETS: &str = "dovecot-secrets.conf";
/// The key of [`SERVERS_SECRET`] with Exim's.
pub(super) const EXIM_SECRETS: &str = "exim-secrets.conf";
/// The key of [`SERVERS_SECRET`] with the password of the database's reader role.
pub const READER_PASSWORD: &str = "reader-password";
/// The key of [`SERVERS_SECRET`] with the key of Dovecot's administration interface.
pub const DOVEADM_API_KEY: &str = "doveadm-api-key";
/// The key of [`SERVERS_SECRET`] with what the passwords of the migrations' door are made of.
pub const DOOR_KEY: &str = "door-key";
/// The Secret with the mail-signing keys.
pub const DKIM_SECRET: &str = "mail-dkim";
/// The largest message that any server of the region takes, in bytes.
pub(crate) const MESSAGE_BYTES: u64 = 50 << 20;
/// Connections of one agent from one address: a phone, a laptop and a webmail with several folders
/// each, all coming from the edge's address.
const CONNECTIONS_PER_AGENT: u32 = 50;

/// What is done with mail that the inbound relay marked.
const VERDICT_SIEVE: &str = include_str!("../../templates/verdict.sieve");

/// The ConfigMap and Secrets that the mail pod mounts beside its certificates.
pub(crate) fn objects(
    tenant: &ValidatedTenant,
    material: &Material,
    place: &Place<'_>,
) -> [Object; 3] {
    let [dovecot, exim] = secret_files(tenant, material);
    let servers = [
        (DOVECOT_SECRETS, dovecot.as_str()),
        (EXIM_SECRETS, exim.as_str()),
        // Alone too: the operator reads back what it keeps.
        (READER_PASSWORD, material.reader_password.expose_secret()),
        (DOVEADM_API_KEY, material.doveadm_api_key.expose_secret()),
        (DOOR_KEY, material.door_key.expose_secret()),
    ];
    let rsa = material.dkim_rsa.as_ref();
    let keys = std::iter::once(("ed25519.pem", material.dkim_ed25519.expose_secret()))
        .chain(rsa.map(|key| ("rsa.pem", key.expose_secret())));
    [
        Object::of(&place.config_map(CONFIG_MAP, public_files(tenant, material))),
        Object::of(&place.secret(SERVERS_SECRET, "Opaque", servers)),
        Object::of(&place.secret(DKIM_SECRET, "Opaque", keys)),
    ]
}

fn public_files(tenant: &ValidatedTenant, material: &Material) -> Strings {
    let dovecot = DovecotConfig {
        hostname: certificates::mail_host(&tenant.namespace),
        main_domain: tenant.main_domain.clone(),
        database: database(tenant),
        logins: logins(tenant.lifecycle),
        door: tenant.region.migration_door,
        trusted_proxies: tenant.trusted_proxies.clone(),
        default_quota_bytes: tenant.quota.mailbox.bytes(),
        max_connections_per_user: CONNECTIONS_PER_AGENT,
        tls: TlsPolicy,
    };
    let exim = EximTenantConfig {
        hostname: certificates::mail_host(&tenant.namespace),
        main_domain: tenant.main_domain.clone(),
        relay_out: platform::relay_out(&tenant.system_namespace),
        trusted_proxies: tenant.trusted_proxies.clone(),
        message_size_limit: MESSAGE_BYTES,
        tls: TlsPolicy,
    };
    let namespace = tenant.namespace.as_str();
    let domains = domain_map(tenant.domains().map(|domain| (domain, namespace)));
    Strings::from([
        ("dovecot.conf".into(), dovecot.render()),
        ("exim.conf".into(), exim.render()),
        ("domains".into(), domains),
        ("verdict.sieve".into(), VERDICT_SIEVE.into()),
        ("database-ca.pem".into(), material.database_ca_pem.clone()),
    ])
}

fn secret_files(tenant: &ValidatedTenant, material: &Material) -> [String; 2] {
    let database = database(tenant);
    let door = tenant.region.migration_door && tenant.lifecycle == Lifecycle::Active;
    let dovecot = DovecotSecrets {
        database_host: database.host.clone(),
        database_password: material.reader_password.clone(),
        doveadm_api_key: material.doveadm_api_key.clone(),
        door_key: door.then(|| material.door_key.clone()),
    };
    let exim = EximSecrets {
        database,
        database_password: material.reader_password.clone(),
    };
    [dovecot.render(), exim.render()]
}

/// The tenant's own database, as its reader role.
fn database(tenant: &ValidatedTenant) -> Database {
    let siren = &tenant.siren;
    let server = &tenant.region.database;
    Database {
        host: server.host.clone(),
        port: server.port,
        name: format!("col_{siren}"),
        user: format!("col_{siren}_reader"),
    }
}

fn logins(lifecycle: Lifecycle) -> Logins {
    let reason = match lifecycle {
        Lifecycle::Active => return Logins::Allowed,
        Lifecycle::Suspended => "Espace suspendu : adressez-vous à votre collectivité",
        Lifecycle::Terminating => "Espace en cours de fermeture",
    };
    Logins::Refused {
        reason: reason.into(),
    }
}
