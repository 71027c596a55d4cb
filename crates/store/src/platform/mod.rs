//! The platform's database: its journal and the inventory of tenants.

mod anchors;
mod erase;
mod guard;
mod hardening;
mod login;
mod open;
mod pools;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

pub use guard::{Bounds, Ended, Guarded};
pub use hardening::{Weakness, administrator_script};
use melouvert_domain::Siren;
use secrecy::SecretString;
use sqlx::{AssertSqlSafe, Connection, migrate::Migrator};

use self::{anchors::Otherwise, hardening::Powers, pools::Pools};
use crate::{
    Server, StoreError, TenantStore,
    database::Database,
    error::sql_state,
    journal::{self, Actor, Anchor, Entry, Sealed, Verified},
    names,
    server::close,
};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/platform");

/// Connections of the platform's pool: one per worker of the operator, and the API's.
const POOL_SIZE: u32 = 8;

/// What a tenant's database must be.
#[derive(Debug, Clone, Copy)]
pub struct TenantDb<'a> {
    /// Whose.
    pub siren: &'a Siren,
    /// The password of the mail servers' login: printable ASCII, random (at least 80 bits).
    pub reader_password: &'a SecretString,
    /// Whether it may be made.
    pub may_make: MayMake,
}

/// Whether a database that is absent may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MayMake {
    /// Unless the platform knows that it was made before.
    First,
    /// No: somebody saw it before. [`StoreError::Gone`] when it is absent or empty.
    Never,
    /// Yes, whatever was before: somebody answered for the loss.
    Anew,
}

/// The platform's database, and the door to the tenants'. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PlatformStore {
    database: Database,
    pools: Arc<Pools>,
    /// What the administrator's role may do on this server.
    powers: Powers,
    /// Databases that leave to everybody what PostgreSQL gives everybody.
    exposed: Arc<Mutex<BTreeSet<Siren>>>,
}

impl PlatformStore {
    /// Connects, creates the platform's database if it is absent, and brings its schema up to date.
    ///
    /// Fails within seconds when the server is away; the caller decides whether to try again.
    ///
    /// With [`MayMake::Never`] nothing is made: [`StoreError::Gone`] when it is absent or empty.
    pub async fn connect(server: &Server, may_make: MayMake) -> Result<Self, StoreError> {
        match server.connect(names::PLATFORM).await {
            Ok(mut connection) => {
                let filled = open::is_filled(&mut connection).await?;
                close(connection).await;
                if !filled && may_make == MayMake::Never {
                    return Err(open::lost(names::PLATFORM));
                }
            }
            // 3D000: no such database.
            Err(StoreError::Query(error)) if sql_state(&error).as_deref() == Some("3D000") => {
                if may_make == MayMake::Never {
                    return Err(open::lost(names::PLATFORM));
                }
                create_platform(server).await?;
            }
            Err(error) => return Err(error),
        }
        let database = server.pool(names::PLATFORM, None, POOL_SIZE);
        database.migrate(&MIGRATIONS).await?;
        let powers = hardening::server(&database).await?;
        Ok(Self {
            database,
            pools: Arc::default(),
            powers,
            exposed: Arc::default(),
        })
    }

    /// The role that acts for the platform.
    pub fn user(&self) -> &str {
        &self.database.server().user
    }

    /// Whether the server answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.database.acquire().await?.ping().await?;
        Ok(())
    }

    /// Writes one entry of the platform's journal.
    pub async fn journal_append(&self, entry: Entry) -> Result<Sealed, StoreError> {
        let mut transaction = self.database.write().await?;
        let sealed = journal::append(&mut transaction, &entry).await?;
        transaction.commit().await?;
        Ok(sealed)
    }

    /// At most `limit` entries after `after_seq`, in order.
    pub async fn journal(&self, after_seq: i64, limit: i64) -> Result<Vec<Sealed>, StoreError> {
        journal::page(&mut *self.database.acquire().await?, after_seq, limit).await
    }

    /// Walks the platform's whole chain; [`StoreError::BrokenJournal`] names the first broken link.
    pub async fn journal_verify(&self) -> Result<Verified, StoreError> {
        journal::verify(&mut *self.database.acquire().await?, None).await
    }

    /// The store of a tenant whose database exists; [`StoreError::NotFound`] otherwise.
    pub async fn tenant(&self, siren: &Siren) -> Result<TenantStore, StoreError> {
        let open = sqlx::query_scalar!(
            r#"select exists (select from tenant where siren = $1 and erased_at is null) as "open!""#,
            siren.as_str()
        )
        .fetch_one(&mut *self.database.acquire().await?)
        .await?;
        if open {
            Ok(self.tenant_store(siren))
        } else {
            Err(StoreError::NotFound {
                what: "tenant",
                name: siren.to_string(),
            })
        }
    }

    /// The store of a tenant whose database is known to exist.
    fn tenant_store(&self, siren: &Siren) -> TenantStore {
        let database = self.pools.of(siren, self.database.server());
        TenantStore::new(siren.clone(), database, self.clone())
    }

    /// Erases a tenant's database and both roles; the platform's journal keeps the last head of its
    /// chain. Nothing to do when the tenant has no database; safe to call again after a failure.
    pub async fn erase_tenant(&self, siren: &Siren, actor: &Actor) -> Result<(), StoreError> {
        erase::erase(self, siren, actor).await
    }

    /// Creates or repairs a tenant's database, roles, grants and schema. One read when nothing is
    /// to be done; otherwise one entry in the platform's journal says what was changed.
    pub async fn ensure_tenant(
        &self,
        tenant: &TenantDb<'_>,
        actor: &Actor,
    ) -> Result<TenantStore, StoreError> {
        open::ensure(self, tenant, actor).await
    }

    /// Records the head of a tenant's chain in the platform's, so that a cut or rewritten tail
    /// shows, and returns it. Nothing is written when the head has not moved, nor when the chain
    /// does not hold the head that is known of it ([`StoreError::BrokenJournal`]), unless
    /// `accepted`: then it is taken as it is, and that is written down. Meant to be called daily.
    pub async fn anchor_tenant(
        &self,
        siren: &Siren,
        actor: &Actor,
        accepted: bool,
    ) -> Result<Option<Anchor>, StoreError> {
        let otherwise = if accepted {
            Otherwise::Accept
        } else {
            Otherwise::Fail
        };
        anchors::record(self, siren, actor, otherwise).await
    }

    /// What a mail server's login may still do to others on this server, since our own role cannot
    /// take it away.
    pub async fn weaknesses(&self) -> Result<Vec<Weakness>, StoreError> {
        hardening::weaknesses(self).await
    }

    /// Ends sessions of mail servers that take too long, and undoes what logins changed of
    /// themselves. Meant to be called every few seconds: what a session may set bounds nothing.
    pub async fn guard(&self, bounds: Bounds, actor: &Actor) -> Result<Guarded, StoreError> {
        guard::run(self, bounds, actor).await
    }

    /// Fails with [`StoreError::BrokenJournal`] when a tenant's chain does not hold the head that
    /// was last recorded of it, or one that was kept `beside`.
    pub async fn confirm_tenant(
        &self,
        siren: &Siren,
        beside: Option<&Anchor>,
    ) -> Result<(), StoreError> {
        anchors::confirm(self, siren, beside).await
    }

    /// The platform's own head, if its chain holds `known`; [`StoreError::BrokenJournal`] otherwise.
    pub async fn journal_head(&self, known: Option<&Anchor>) -> Result<Option<Anchor>, StoreError> {
        let mut connection = self.database.acquire().await?;
        if let Some(known) = known {
            journal::confirm(&mut connection, known).await?;
        }
        journal::head(&mut connection).await
    }

    pub(crate) async fn anchor(&self, siren: &Siren) -> Result<Option<Anchor>, StoreError> {
        anchors::latest(&mut *self.database.acquire().await?, siren).await
    }
}

async fn create_platform(server: &Server) -> Result<(), StoreError> {
    let mut connection = server.connect("postgres").await?;
    // Two first starts at once would change the database's rights at once, which PostgreSQL refuses
    // ("tuple concurrently updated"). The lock ends with the connection. No mail server has a login
    // yet that could take it before us.
    sqlx::raw_sql("select pg_advisory_lock(hashtext('melouvert_platform'))")
        .execute(&mut connection)
        .await?;
    let create = format!(
        "create database {} template template0 encoding 'UTF8' locale 'C'",
        names::PLATFORM
    );
    match sqlx::raw_sql(AssertSqlSafe(create))
        .execute(&mut connection)
        .await
    {
        // 42P04, 23505: another process was faster.
        Err(error) if !matches!(sql_state(&error).as_deref(), Some("42P04" | "23505")) => {
            return Err(error.into());
        }
        _ => {}
    }
    let revoke = format!("revoke all on database {} from public", names::PLATFORM);
    sqlx::raw_sql(AssertSqlSafe(revoke))
        .execute(&mut connection)
        .await?;
    close(connection).await;
    Ok(())
}
