//! One database: its pool, and the server's name for errors.

use sqlx::{
    PgPool, Postgres, Transaction,
    migrate::{MigrateError, Migrator},
    pool::PoolConnection,
};

use crate::{
    error::{StoreError, sql_state},
    journal,
    server::{Server, close},
};

/// A pool that knows which server it talks to. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    pool: PgPool,
    server: Server,
    name: String,
}

impl Database {
    pub(crate) fn new(pool: PgPool, server: Server, name: String) -> Self {
        Self { pool, server, name }
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

    /// A transaction that is the only writer of this database's journal until it ends.
    pub(crate) async fn write(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        let mut transaction = self.begin().await?;
        match journal::lock(&mut transaction).await {
            Ok(()) => Ok(transaction),
            Err(error) => {
                drop(transaction);
                Err(self.explain(error).await)
            }
        }
    }

    /// Says of a lock that was not had in time who has transactions open.
    pub(crate) async fn explain(&self, error: StoreError) -> StoreError {
        let StoreError::Locked { source, .. } = error else {
            return error;
        };
        let holders = match self.holders().await {
            Ok(found) if found.is_empty() => "its holder has ended".into(),
            Ok(found) => format!("held by {}", found.join("; ")),
            Err(error) => format!("by whom could not be read ({error})"),
        };
        StoreError::Locked { holders, source }
    }

    /// The oldest transactions of others in this database. Our own role asks: the owner, as which
    /// the pool acts, does not see what others do.
    async fn holders(&self) -> Result<Vec<String>, StoreError> {
        let mut connection = self.server.connect(&self.name).await?;
        let found = sqlx::query_scalar!(
            r#"select coalesce(usename, '?') || ' (' || coalesce(nullif(application_name, ''), '?')
                      || ', pid ' || pid || '), '
                      || extract(epoch from now() - xact_start)::int || ' s' as "holder!"
               from pg_stat_activity
               where datname = current_database() and pid <> pg_backend_pid()
                 and xact_start is not null
               order by xact_start limit 3"#
        )
        .fetch_all(&mut connection)
        .await?;
        close(connection).await;
        Ok(found)
    }

    /// Brings the schema up to date.
    pub(crate) async fn migrate(&self, migrations: &Migrator) -> Result<(), StoreError> {
        // First, so that an absent server is named as such.
        drop(self.acquire().await?);
        // By the pool: with a connection the future would be `Send` for one lifetime only.
        migrations
            .run(&self.pool)
            .await
            .map_err(|error| match error {
                MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _)
                    if sql_state(&source).as_deref() == Some("55P03") =>
                {
                    source.into()
                }
                other => other.into(),
            })
    }
}
