//! Opening and repairing a tenant's database.

use melouvert_domain::Siren;
use secrecy::ExposeSecret;
use serde_json::json;
use sqlx::{AssertSqlSafe, PgConnection, migrate::Migrator};

use super::{MayMake, PlatformStore, TenantDb, close};
use crate::{
    StoreError, TenantStore,
    journal::{self, Actor, Entry},
    names::{self, TenantNames},
    scram,
};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/tenant");

/// Sessions of one tenant's mail servers.
const READER_CONNECTIONS: u32 = 20;
/// First key of the advisory locks that keep two workers from opening one tenant at a time.
pub(super) const LOCK_CLASS: i32 = 0x6d65_6c74;

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
    /// What the platform recorded, unless erased.
    verifier: Option<String>,
    version: Option<i64>,
}

impl State {
    /// What must be done, by name; empty when nothing.
    fn missing(&self, tenant: &TenantDb<'_>) -> Vec<&'static str> {
        let same = |verifier: &String| scram::matches(verifier, tenant.reader_password);
        [
            ("roles", !self.owner || !self.reader),
            ("database", !self.database),
            ("grants", self.public),
            ("password", !self.verifier.as_ref().is_some_and(same)),
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
    if !state.missing(tenant).is_empty() {
        repair(platform, tenant, &names, actor).await?;
    }
    Ok(platform.tenant_store(tenant.siren))
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
                  t.reader_verifier as "verifier?", t.schema_version as "version?"
           from (values (1)) one
           left join tenant t on t.siren = $4 and t.erased_at is null"#,
        names.database,
        names.owner,
        names.reader,
        siren.as_str()
    )
    .fetch_one(connection)
    .await?)
}

async fn repair(
    platform: &PlatformStore,
    tenant: &TenantDb<'_>,
    names: &TenantNames,
    actor: &Actor,
) -> Result<(), StoreError> {
    let mut transaction = platform.database.begin().await?;
    sqlx::query!(
        "select pg_advisory_xact_lock($1, $2)",
        LOCK_CLASS,
        names::lock_key(tenant.siren)
    )
    .execute(&mut *transaction)
    .await?;
    // Another worker may have done it while this one waited.
    let state = state(&mut transaction, tenant.siren, names).await?;
    let missing = state.missing(tenant);
    if missing.is_empty() {
        return Ok(());
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
        return Err(lost(&names.database));
    }
    migrate(platform, tenant.siren, names).await?;
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
    Ok(())
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
    let alter = format!(
        "alter role {reader} login connection limit {READER_CONNECTIONS} password '{verifier}';
         alter role {reader} set default_transaction_read_only = on;
         grant {owner}, {reader} to current_user"
    );
    run(&mut connection, alter).await?;
    if !state.database {
        let create = format!(
            "create database {database} owner {owner} template template0 encoding 'UTF8' locale 'C'"
        );
        run(&mut connection, create).await?;
    }
    let grants = format!(
        "revoke all on database {database} from public;
         grant connect on database {database} to {reader}"
    );
    run(&mut connection, grants).await?;
    close(connection).await;
    Ok(())
}

/// The schema, and what the reader may read of it.
async fn migrate(
    platform: &PlatformStore,
    siren: &Siren,
    names: &TenantNames,
) -> Result<(), StoreError> {
    let pool = platform.pools.of(siren, platform.database.server());
    pool.migrate(&MIGRATIONS).await?;
    let mut connection = pool.acquire().await?;
    let reader = &names.reader;
    let grants = format!(
        "revoke all on schema public from public;
         grant usage on schema public to {reader};
         grant select on mail_login, mail_alias to {reader}"
    );
    run(&mut connection, grants).await
}

/// Runs statements that take no parameter; `sql` is made of [`TenantNames`] and of a verifier.
pub(super) async fn run(connection: &mut PgConnection, sql: String) -> Result<(), StoreError> {
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(connection)
        .await?;
    Ok(())
}
