//! One database: its pool, and the server's name for errors.

use sqlx::{PgPool, Postgres, Transaction, migrate::Migrator, pool::PoolConnection};

use crate::{error::StoreError, server::Server};

/// A pool that knows which server it talks to. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    pool: PgPool,
    server: Server,
}

impl Database {
    pub(crate) fn new(pool: PgPool, server: Server) -> Self {
        Self { pool, server }
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// A connection for reads.
    pub(crate) async fn acquire(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        self.pool
            .acquire()
            .await
            .map_err(|source| self.server.connect_error(source))
    }

    /// A transaction, rolled back unless committed.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        self.pool
            .begin()
            .await
            .map_err(|source| self.server.connect_error(source))
    }

    /// Brings the schema up to date.
    pub(crate) async fn migrate(&self, migrations: &Migrator) -> Result<(), StoreError> {
        // First, so that an absent server is named as such.
        drop(self.acquire().await?);
        // By the pool: with a connection the future would be `Send` for one lifetime only.
        Ok(migrations.run(&self.pool).await?)
    }
}
