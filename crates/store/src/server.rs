//! The region's PostgreSQL server and how it is reached.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    Connection, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions, PgSslMode},
};

use crate::{
    database::Database,
    error::{StoreError, is_outage, sql_state},
};

/// How long a caller waits for a connection.
pub(crate) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a statement waits for a lock: who holds one longer is told, not waited for. In
/// milliseconds, as PostgreSQL reads it.
const LOCK_TIMEOUT: &str = "5000";

/// The region's server, always reached with TLS and a verified name.
#[derive(Debug, Clone)]
pub struct Server {
    /// Name or address, which must be in the server's certificate.
    pub host: String,
    /// TCP port, normally 5432.
    pub port: u16,
    /// Administrator role: a superuser, or one with `CREATEDB CREATEROLE`.
    pub user: String,
    /// Its password.
    pub password: SecretString,
    /// The authority of the server's certificate, PEM.
    pub ca_pem: String,
}

impl Server {
    /// Options for one database; `role` is taken by each session (`SET ROLE`).
    pub(crate) fn options(&self, database: &str, role: Option<&str>) -> PgConnectOptions {
        let options = PgConnectOptions::new_without_pgpass()
            .host(&self.host)
            .port(self.port)
            .username(&self.user)
            .password(self.password.expose_secret())
            .database(database)
            .ssl_mode(PgSslMode::VerifyFull)
            .ssl_root_cert_from_pem(self.ca_pem.clone().into_bytes())
            .application_name("melouvert")
            .options([("lock_timeout", LOCK_TIMEOUT)]);
        match role {
            Some(role) => options.options([("role", role)]),
            None => options,
        }
    }

    /// One connection outside any pool, within [`ACQUIRE_TIMEOUT`].
    pub(crate) async fn connect(&self, database: &str) -> Result<PgConnection, StoreError> {
        let options = self.options(database, None);
        tokio::time::timeout(ACQUIRE_TIMEOUT, PgConnection::connect_with(&options))
            .await
            .unwrap_or(Err(sqlx::Error::PoolTimedOut))
            .map_err(|source| self.connect_error(source))
    }

    /// A pool that opens its first connection when first used.
    pub(crate) fn pool(&self, database: &str, role: Option<&str>, size: u32) -> Database {
        let pool: PgPool = PgPoolOptions::new()
            .max_connections(size)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .idle_timeout(Duration::from_secs(30))
            .connect_lazy_with(self.options(database, role));
        Database::new(pool, self.clone(), database.to_owned())
    }

    /// Names what kept a connection from being opened.
    pub(crate) fn connect_error(&self, source: sqlx::Error) -> StoreError {
        let (host, port) = (self.host.clone(), self.port);
        if is_tls(&source) {
            return StoreError::Tls { host, port, source };
        }
        if is_outage(&source) {
            return StoreError::Unreachable { host, port, source };
        }
        // 28xxx: authentication; 42501: no CONNECT privilege.
        match sql_state(&source) {
            Some(code) if code.starts_with("28") || code == "42501" => StoreError::Refused {
                host,
                port,
                user: self.user.clone(),
                source,
            },
            _ => StoreError::Query(source),
        }
    }
}

/// Says goodbye; the server notices a cut connection as well, so a failure only merits a line.
pub(crate) async fn close(connection: PgConnection) {
    if let Err(error) = connection.close().await {
        tracing::debug!(%error, "failed to close a database connection");
    }
}

/// A handshake's failure, which reaches us as TLS's own error or wrapped by the socket.
fn is_tls(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Tls(_) => true,
        sqlx::Error::Io(io) => io.kind() == std::io::ErrorKind::InvalidData,
        _ => false,
    }
}
