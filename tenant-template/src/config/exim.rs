//! Exim: the tenant's mail transfer agent and the region's two relays.

use std::fmt::Write as _;

use askama::Template;
use melouvert_domain::{Cidr, MailDomain};
use secrecy::{ExposeSecret as _, SecretString};

use super::{Database, Endpoint, TlsPolicy, ports, rendered};
use crate::{DKIM_ED25519_SELECTOR, DKIM_RSA_SELECTOR, mail::paths};

/// Recipients of one message of an agent: a mailing to a whole town hall goes by a list.
const RECIPIENTS_PER_MESSAGE: u32 = 200;
/// Recipients of one agent within an hour.
const RECIPIENTS_PER_HOUR: u32 = 1000;

/// `exim.conf` of a tenant. Beside it stands `domains`, a [`domain_map`] whose keys are the
/// tenant's domains.
#[derive(Debug, Clone, Template)]
#[template(path = "exim-tenant.conf", escape = "none")]
pub struct EximTenantConfig {
    /// The server's DNS name.
    pub hostname: String,
    /// The domain of local senders without one, and of bounces.
    pub main_domain: MailDomain,
    /// Where everything goes that is not local.
    pub relay_out: Endpoint,
    /// Proxies that are believed when they tell a client's address.
    pub trusted_proxies: Vec<Cidr>,
    /// The largest message, in bytes.
    pub message_size_limit: u64,
    /// The TLS policy.
    pub tls: TlsPolicy,
}

/// `exim-secrets.conf` of a tenant: the database that answers for aliases.
#[derive(Debug, Clone)]
pub struct EximSecrets {
    /// The same database as Dovecot's.
    pub database: Database,
    /// The reader role's password: letters, digits, `-` and `_` only.
    pub database_password: SecretString,
}

#[derive(Template)]
#[template(path = "exim-secrets.conf", escape = "none")]
struct SecretsFile<'a> {
    host: &'a str,
    port: u16,
    name: &'a str,
    user: &'a str,
    password: &'a str,
}

/// `exim.conf` of the region's inbound relay (MX). Beside it stands `domains`: a [`domain_map`]
/// from each hosted domain to the DNS name of its tenant's mail Service; it is read anew for
/// each connection. `names` maps each of these domains to itself, and `unaligned` those to `Junk` whose
/// space wants to see mail that is forged in the name of a hosted domain.
#[derive(Debug, Clone, Template)]
#[template(path = "exim-relay-in.conf", escape = "none")]
pub struct EximRelayInConfig {
    /// The relay's DNS name.
    pub hostname: String,
    /// The name in the certificate of the outbound relay as a client.
    pub relay_out_client: String,
    /// Proxies that are believed when they tell a client's address.
    pub trusted_proxies: Vec<Cidr>,
    /// The largest message, in bytes.
    pub message_size_limit: u64,
    /// The TLS policy.
    pub tls: TlsPolicy,
}

/// `exim.conf` of the region's outbound relay. Beside it stand `domains`, as for the inbound
/// relay, and `senders`: a [`domain_map`] from each hosted domain to the common name of the only
/// client certificate that may send for it.
#[derive(Debug, Clone, Template)]
#[template(path = "exim-relay-out.conf", escape = "none")]
pub struct EximRelayOutConfig {
    /// The relay's DNS name.
    pub hostname: String,
    /// Where mail for hosted domains goes.
    pub relay_in: Endpoint,
    /// Where all other mail goes; without one, to the recipients' MX.
    pub smarthost: Option<Endpoint>,
    /// The largest message, in bytes.
    pub message_size_limit: u64,
    /// The TLS policy.
    pub tls: TlsPolicy,
}

impl EximTenantConfig {
    /// The doors that proxies lead to.
    fn proxied() -> &'static [u16] {
        &[ports::SUBMISSIONS, ports::SUBMISSION]
    }

    /// The file's text.
    pub fn render(&self) -> String {
        rendered(self)
    }
}

impl EximSecrets {
    /// The file's text, itself a secret.
    pub fn render(&self) -> String {
        rendered(&SecretsFile {
            host: &self.database.host,
            port: self.database.port,
            name: &self.database.name,
            user: &self.database.user,
            password: self.database_password.expose_secret(),
        })
    }
}

impl EximRelayInConfig {
    /// The doors that proxies lead to.
    fn proxied() -> &'static [u16] {
        &[ports::SMTP]
    }

    /// The file's text.
    pub fn render(&self) -> String {
        rendered(self)
    }
}

impl EximRelayOutConfig {
    /// The file's text.
    pub fn render(&self) -> String {
        rendered(self)
    }
}

/// A file of `domain: value` lines, as Exim's `lsearch` reads it.
pub fn domain_map<'a>(entries: impl IntoIterator<Item = (&'a MailDomain, &'a str)>) -> String {
    entries
        .into_iter()
        .fold(String::new(), |mut text, (domain, value)| {
            writeln!(text, "{domain}: {value}").expect("a String takes any text");
            text
        })
}
