//! Opening and repairing a tenant's database.

use std::sync::{LazyLock, PoisonError};

use melouvert_domain::Siren;
use secrecy::ExposeSecret;
use serde_json::json;
use sqlx::{AssertSqlSafe, PgConnection, migrate::Migrator};

use super::{
    MayMake, PlatformStore, TenantDb,
    hardening::{self, Inside, Powers, TEMPLATE, WORKER},
    login,
};
use crate::{
    StoreError, TenantStore,
    journal::{self, Actor, Entry},
    names::{self, TenantNames},
    scram,
    server::close,
};

/// Without sqlx's own lock, an advisory one in the tenant's database, where its mail servers could
/// take it: [`repair`] has a lock of the platform's.
static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrator = sqlx::migrate!("migrations/tenant");
    migrator.set_locking(false);
    migrator
});

/// First key of the advisory locks that keep two workers from opening one tenant at a time. They are
/// of the platform's database, where no mail server may connect.
const LOCK_CLASS: i32 = 0x6d65_6c74;

/// What stands of a tenant.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one row of facts that do not depend on one another"
)]
struct State {
    database: bool,
    owner: bool,
    reader: bool,
    /// Whether everybody may connect.
    public: bool,
    /// Whether the reader may.
    connect: bool,
    /// Whether the reader may log in, within its number of sessions.
    login: bool,
    /// What is set for the reader.
    settings: Vec<String>,
    /// Whether something is set for the reader in one database only, which we never do.
    local_settings: bool,
    /// Whether the owner inherits what everybody had.
    worker: bool,
    /// What the platform recorded, unless erased.
    verifier: Option<String>,
    version: Option<i64>,
}

/// What stands, and what is wrong with it.
struct Found {
    state: State,
    missing: Vec<&'static str>,
    exposed: bool,
}

impl State {
    /// What must be done, by name; empty when nothing.
    fn missing(&self, powers: Powers, password: bool, inside: Option<Inside>) -> Vec<&'static str> {
        let reads = inside.is_some_and(|inside| inside.reads);
        let exposed = powers.superuser && inside.is_none_or(|inside| inside.exposed);
        [
            (
                "roles",
                !self.owner || !self.reader || (powers.worker && !self.worker),
            ),
            ("database", !self.database),
            ("grants", self.public || !self.connect || !reads),
            ("password", !password),
            (
                "login",
                !self.login || self.local_settings || !login::as_set(&self.settings, powers),
            ),
            ("public", exposed),
            ("schema", self.version != Some(latest())),
        ]
        .into_iter()
        .filter_map(|(name, wrong)| wrong.then_some(name))
        .collect()
    }
}

fn latest() -> i64 {
    MIGRATIONS
        .iter()
        .map(|step| step.version)
        .max()
        .unwrap_or(0)
}

/// See [`PlatformStore::ensure_tenant`].
pub(super) async fn ensure(
    platform: &PlatformStore,
    tenant: &TenantDb<'_>,
    actor: &Actor,
) -> Result<TenantStore, StoreError> {
    let password = tenant.reader_password.expose_secret();
    // Others would need SASLprep (RFC 4013) before SCRAM.
    if password.len() < 16 || !password.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(StoreError::Invalid {
            field: "reader_password",
            expected: "at least 16 printable ASCII characters without spaces",
        });
    }
    let names = TenantNames::of(tenant.siren);
    let state = state(
        &mut *platform.database.acquire().await?,
        tenant.siren,
        &names,
    )
    .await?;
    let mut found = look(platform, tenant, &names, state).await?;
    if !found.missing.is_empty() {
        found.exposed = repair(platform, tenant, &names, actor).await?;
    }
    let mut exposed = platform
        .exposed
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if found.exposed {
        exposed.insert(tenant.siren.clone());
    } else {
        exposed.remove(tenant.siren);
    }
    Ok(platform.tenant_store(tenant.siren))
}

/// Compares what stands with what must be: the password by using it, the rest by reading.
async fn look(
    platform: &PlatformStore,
    tenant: &TenantDb<'_>,
    names: &TenantNames,
    state: State,
) -> Result<Found, StoreError> {
    let recorded = |verifier: &String| scram::matches(verifier, tenant.reader_password);
    let server = platform.database.server();
    let password = state.verifier.as_ref().is_some_and(recorded)
        && state.database
        && login::password_works(server, names, tenant.reader_password, tenant.siren).await?;
    let inside = if state.database && state.owner {
        let database = platform.pools.of(tenant.siren, server);
        Some(hardening::inside(&database, names).await?)
    } else {
        None
    };
    Ok(Found {
        missing: state.missing(platform.powers, password, inside),
        exposed: inside.is_none_or(|inside| inside.exposed),
        state,
    })
}

async fn state(
    connection: &mut PgConnection,
    siren: &Siren,
    names: &TenantNames,
) -> Result<State, StoreError> {
    Ok(sqlx::query_as!(
        State,
        r#"select exists (select from pg_database where datname = $1) as "database!",
                  exists (select from pg_roles where rolname = $2) as "owner!",
                  exists (select from pg_roles where rolname = $3) as "reader!",
                  coalesce((select has_database_privilege('public', oid, 'CONNECT')
                            from pg_database where datname = $1), true) as "public!",
                  coalesce((select has_database_privilege(r.oid, d.oid, 'CONNECT')
                            from pg_roles r, pg_database d
                            where r.rolname = $3 and d.datname = $1), false) as "connect!",
                  coalesce((select rolcanlogin and rolconnlimit = $5
                            from pg_roles where rolname = $3), false) as "login!",
                  coalesce((select s.setconfig from pg_db_role_setting s
                            join pg_roles r on r.oid = s.setrole
                            where r.rolname = $3 and s.setdatabase = 0), '{}') as "settings!",
                  exists (select from pg_db_role_setting s join pg_roles r on r.oid = s.setrole
                          where r.rolname = $3 and s.setdatabase <> 0) as "local_settings!",
                  exists (select from pg_auth_members m
                          join pg_roles o on o.oid = m.member
                          join pg_roles w on w.oid = m.roleid
                          where o.rolname = $2 and w.rolname = $6) as "worker!",
                  t.reader_verifier as "verifier?", t.schema_version as "version?"
           from (values (1)) one
           left join tenant t on t.siren = $4 and t.erased_at is null"#,
        names.database,
        names.owner,
        names.reader,
        siren.as_str(),
        login::CONNECTIONS,
        WORKER
    )
    .fetch_one(connection)
    .await?)
}

/// Does what is missing; returns whether everybody still has there what PostgreSQL gives everybody.
async fn repair(
    platform: &PlatformStore,
    tenant: &TenantDb<'_>,
    names: &TenantNames,
    actor: &Actor,
) -> Result<bool, StoreError> {
    let mut transaction = platform.database.begin().await?;
    lock(platform, &mut transaction, tenant.siren).await?;
    // Another worker may have done it while this one waited.
    let state = state(&mut transaction, tenant.siren, names).await?;
    let Found {
        state,
        missing,
        exposed,
    } = look(platform, tenant, names, state).await?;
    if missing.is_empty() {
        return Ok(exposed);
    }
    let verifier = match &state.verifier {
        Some(known) if scram::matches(known, tenant.reader_password) => known.clone(),
        _ => {
            let salt = sqlx::query_scalar!(r#"select uuid_send(gen_random_uuid()) as "salt!""#)
                .fetch_one(&mut *transaction)
                .await?;
            scram::verifier(tenant.reader_password, &salt)
        }
    };
    let made = match tenant.may_make {
        MayMake::First => state.verifier.is_some(),
        MayMake::Never => true,
        MayMake::Anew => false,
    };
    if made && !state.database {
        return Err(lost(&names.database));
    }
    create(platform, names, &state, &verifier).await?;
    if made && !has_schema(platform, names).await? {
        // Whoever restores it may want to drop it first.
        platform.pools.close(tenant.siren).await;
        return Err(lost(&names.database));
    }
    if missing.contains(&"public") {
        hardening::strip(platform, names).await?;
    }
    let exposed = migrate(platform, tenant.siren, names).await?;
    sqlx::query!(
        "insert into tenant (siren, reader_verifier, schema_version) values ($1, $2, $3)
         on conflict (siren) do update
         set reader_verifier = excluded.reader_verifier, schema_version = excluded.schema_version,
             opened_at = case when tenant.erased_at is null then tenant.opened_at else now() end,
             erased_at = null",
        tenant.siren.as_str(),
        verifier,
        latest()
    )
    .execute(&mut *transaction)
    .await?;
    let detail = json!({ "changed": missing });
    let entry = Entry::new(
        actor,
        "tenant.database.ensured",
        tenant.siren.as_str(),
        detail,
    );
    journal::append(&mut transaction, &entry).await?;
    transaction.commit().await?;
    Ok(exposed)
}

/// Keeps other workers from opening or erasing the tenant until the transaction ends.
pub(super) async fn lock(
    platform: &PlatformStore,
    transaction: &mut PgConnection,
    siren: &Siren,
) -> Result<(), StoreError> {
    // The holder creates a database, which takes longer than any other change.
    sqlx::query!("set local lock_timeout = '30s'")
        .execute(&mut *transaction)
        .await?;
    let locked = sqlx::query!(
        "select pg_advisory_xact_lock($1, $2)",
        LOCK_CLASS,
        names::lock_key(siren)
    )
    .execute(&mut *transaction)
    .await;
    match locked {
        Ok(_) => Ok(()),
        Err(error) => Err(platform.database.explain(error.into()).await),
    }
}

/// Whether the tenant's database has its schema: an empty one was made by hand, to restore into.
async fn has_schema(platform: &PlatformStore, names: &TenantNames) -> Result<bool, StoreError> {
    let mut connection = platform.database.server().connect(&names.database).await?;
    let filled = is_filled(&mut connection).await?;
    close(connection).await;
    Ok(filled)
}

/// Whether the database has its schema.
pub(super) async fn is_filled(connection: &mut PgConnection) -> Result<bool, StoreError> {
    Ok(
        sqlx::query_scalar!(r#"select to_regclass('public.journal') is not null as "filled!""#)
            .fetch_one(connection)
            .await?,
    )
}

pub(super) fn lost(database: &str) -> StoreError {
    StoreError::Gone {
        database: database.into(),
    }
}

/// Roles, database and who may connect. `CREATE DATABASE` runs outside any transaction, hence a
/// connection of its own; the caller's lock keeps others out.
async fn create(
    platform: &PlatformStore,
    names: &TenantNames,
    state: &State,
    verifier: &str,
) -> Result<(), StoreError> {
    let TenantNames {
        database,
        owner,
        reader,
    } = names;
    let mut connection = platform.database.server().connect(names::PLATFORM).await?;
    if !state.owner {
        run(&mut connection, format!("create role {owner} nologin")).await?;
    }
    if !state.reader {
        run(&mut connection, format!("create role {reader} nologin")).await?;
    }
    run(
        &mut connection,
        format!("grant {owner}, {reader} to current_user"),
    )
    .await?;
    if platform.powers.worker {
        run(&mut connection, format!("grant {WORKER} to {owner}")).await?;
    }
    if !state.database {
        let template = if platform.powers.template {
            TEMPLATE
        } else {
            "template0"
        };
        let create = format!(
            "create database {database} owner {owner} template {template} encoding 'UTF8' locale 'C'"
        );
        run(&mut connection, create).await?;
    }
    login::restore(&mut connection, names, verifier, platform.powers).await?;
    let grants = format!(
        "revoke all on database {database} from public;
         grant connect on database {database} to {reader}"
    );
    run(&mut connection, grants).await?;
    close(connection).await;
    Ok(())
}

/// The schema, and what the reader may read of it; returns whether everybody still has there what
/// PostgreSQL gives everybody.
async fn migrate(
    platform: &PlatformStore,
    siren: &Siren,
    names: &TenantNames,
) -> Result<bool, StoreError> {
    let pool = platform.pools.of(siren, platform.database.server());
    if let Err(error) = pool.migrate(&MIGRATIONS).await {
        return Err(pool.explain(error).await);
    }
    let mut connection = pool.acquire().await?;
    let reader = &names.reader;
    let grants = format!(
        "revoke all on schema public from public;
         grant usage on schema public to {reader};
         grant select on mail_login, mail_alias to {reader}"
    );
    run(&mut connection, grants).await?;
    drop(connection);
    Ok(hardening::inside(&pool, names).await?.exposed)
}

/// Runs statements that take no parameter; `sql` is made of [`TenantNames`] and of a verifier.
pub(super) async fn run(connection: &mut PgConnection, sql: String) -> Result<(), StoreError> {
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(connection)
        .await?;
    Ok(())
}
