//! Dovecot 2.4: IMAP, LMTP, ManageSieve, and the passwords for Exim.

use askama::Template;
use melouvert_domain::{Cidr, MailDomain};
use secrecy::{ExposeSecret, SecretString};

use super::{Database, TlsPolicy, filters, ports, rendered};
use crate::mail::paths;

/// Whether agents may log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Logins {
    /// With their password.
    Allowed,
    /// Never, by any protocol; mail is still received.
    Refused {
        /// Why, in the words that the agent's mail program shows.
        reason: String,
    },
}

/// `dovecot.conf` of a tenant.
#[derive(Debug, Clone, Template)]
#[template(path = "dovecot.conf", escape = "none")]
pub struct DovecotConfig {
    /// The server's DNS name.
    pub hostname: String,
    /// The domain of `postmaster`.
    pub main_domain: MailDomain,
    /// Where agents and aliases are.
    pub database: Database,
    /// Whether agents may log in.
    pub logins: Logins,
    /// Whether migrations have a listener of their own.
    pub door: bool,
    /// Proxies that are believed when they tell a client's address.
    pub trusted_proxies: Vec<Cidr>,
    /// The quota of a mailbox whose account names none, in bytes.
    pub default_quota_bytes: u64,
    /// Connections of one agent from one address.
    pub max_connections_per_user: u32,
    /// The TLS policy.
    pub tls: TlsPolicy,
}

impl DovecotConfig {
    /// The file's text.
    pub fn render(&self) -> String {
        rendered(self)
    }
}

/// `dovecot-secrets.conf` of a tenant: what must not be in a ConfigMap.
#[derive(Debug, Clone)]
pub struct DovecotSecrets {
    /// The host of [`DovecotConfig::database`]: names the block that gets the password.
    pub database_host: String,
    /// The reader role's password: letters, digits, `-` and `_` only.
    pub database_password: SecretString,
    /// The key of the administration interface, of the same alphabet.
    pub doveadm_api_key: SecretString,
    /// What the passwords of the migrations' door are made of, of the same alphabet; nobody comes
    /// through the door without.
    pub door_key: Option<SecretString>,
}

#[derive(Template)]
#[template(path = "dovecot-secrets.conf", escape = "none")]
struct SecretsFile<'a> {
    host: &'a str,
    password: &'a str,
    api_key: &'a str,
    door_key: Option<&'a str>,
}

impl DovecotSecrets {
    /// The file's text, itself a secret.
    pub fn render(&self) -> String {
        rendered(&SecretsFile {
            host: &self.database_host,
            password: self.database_password.expose_secret(),
            api_key: self.doveadm_api_key.expose_secret(),
            door_key: self.door_key.as_ref().map(ExposeSecret::expose_secret),
        })
    }
}
