//! The servers' configuration files: typed values in, text out.
//!
//! Owns: every setting of Dovecot, Exim and PostgreSQL, and the TLS policy.
//! Must not know: Kubernetes objects, and which volume a file is mounted from.
//!
//! Rendering cannot fail: the templates are checked at compile time and write into a `String`.

mod dovecot;
mod exim;
mod postgres;
mod text;
mod tls;

pub use dovecot::{DovecotConfig, DovecotSecrets, Logins};
pub use exim::{EximRelayInConfig, EximRelayOutConfig, EximSecrets, EximTenantConfig, domain_map};
pub use postgres::PostgresConfig;
pub use tls::TlsPolicy;

use text::filters;

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// A DNS name; its certificate must carry it.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

/// A database as its reader sees it; the password is in [`DovecotSecrets`] and [`EximSecrets`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// A DNS name; the server's certificate must carry it.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// The database's name.
    pub name: String,
    /// The role that may read `mail_login` and `mail_alias` and nothing else.
    pub user: String,
}

/// Ports that no Service shows.
mod ports {
    pub(super) use crate::mail::ports::{
        DOOR, DOVEADM, IMAPS, IMAPS_PROXIED, SIEVE, SIEVE_PROXIED, SMTP, SUBMISSION, SUBMISSIONS,
    };

    /// LMTP, inside the pod.
    pub(super) const LMTP: u16 = 1024;
    /// Automatic replies from Dovecot to Exim, inside the pod.
    pub(super) const INTERNAL_SUBMISSION: u16 = 1588;
    /// Exim asking itself about recipients, inside the pod.
    pub(super) const VERIFICATION: u16 = 1589;
    /// The inbound relay's door for the region's own servers.
    pub(super) const RELAY_IN_REGION: u16 = 1026;
    /// Dovecot's OpenMetrics.
    pub(super) const METRICS: u16 = 9900;
    /// PostgreSQL.
    pub(super) const POSTGRESQL: u16 = 5432;
}

/// Text of a template that was checked at compile time.
fn rendered<T: askama::Template>(template: &T) -> String {
    template
        .render()
        .expect("a template of this crate writes plain values into a String")
}

#[cfg(test)]
mod tests;
