//! PostgreSQL 17: the region's embedded database server.

use askama::Template;

use super::{TlsPolicy, ports, rendered};
use crate::mail::paths;

/// `postgresql.conf` and `pg_hba.conf`.
#[derive(Debug, Clone, Template)]
#[template(path = "postgresql.conf", escape = "none")]
pub struct PostgresConfig {
    /// Connections of all tenants' servers and the operator together.
    pub max_connections: u32,
    /// Memory for pages, in mebibytes.
    pub shared_buffers_mb: u32,
    /// The TLS policy.
    pub tls: TlsPolicy,
}

#[derive(Template)]
#[template(path = "pg_hba.conf", escape = "none")]
struct HostBasedAccess;

impl PostgresConfig {
    /// The text of `postgresql.conf`.
    pub fn render(&self) -> String {
        rendered(self)
    }

    /// The text of `pg_hba.conf`: TLS and a password, for whoever comes.
    pub fn render_hba() -> String {
        rendered(&HostBasedAccess)
    }
}
