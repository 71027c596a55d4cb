//! What PostgreSQL gives everybody, taken away: by us where our role is a superuser, elsewhere by a
//! script for the server's administrator.

use std::sync::PoisonError;

use serde::Serialize;
use sqlx::PgConnection;

use super::{PlatformStore, open::run};
use crate::{
    StoreError,
    database::Database,
    names::{self, TenantNames},
    server::close,
};

const SERVER: &str = include_str!("../../sql/server.sql");
const PUBLIC: &str = include_str!("../../sql/public.sql");
const ADMINISTRATOR: &str = include_str!("../../sql/administrator.sql");
/// Made by the administrator's script: a database without what everybody has.
pub(super) const TEMPLATE: &str = "melouvert_template";
/// Inherits what everybody had.
pub(super) const WORKER: &str = "melouvert_worker";
/// Not immutable, and left to everybody: they join texts (the list is in `sql/public.sql`, too).
const HARMLESS: [&str; 7] = [
    "anytextcat",
    "textanycat",
    "concat",
    "concat_ws",
    "array_to_string",
    "convert_to",
    "now",
];
/// First key of the advisory lock that keeps two operators from hardening a server at a time. In the
/// platform's database, where no mail server may connect.
const LOCK: i64 = 0x6d65_6c75;

/// What our role may do on this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one row of facts that do not depend on one another"
)]
pub(super) struct Powers {
    /// Everything.
    pub(super) superuser: bool,
    /// Let owners inherit what everybody had.
    pub(super) worker: bool,
    /// Bound logins by settings that they cannot lift.
    pub(super) settings: bool,
    /// Start databases from the administrator's template.
    pub(super) template: bool,
}

/// What a mail server's login may still do to others, or see of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "weakness", rename_all = "camelCase")]
pub enum Weakness {
    /// It may connect to these databases, which are nobody's.
    Connect {
        /// Which.
        databases: Vec<String>,
    },
    /// Neither temporary files nor what it writes into the server's log is bounded.
    Settings,
    /// It may take locks, write large objects and read the other spaces' names, in this many
    /// spaces' databases.
    Exposed {
        /// How many of those seen since the start.
        spaces: usize,
    },
}

/// What the administrator of an external server runs with `psql`, as a superuser; `user` is the role
/// given to Melouvert.
pub fn administrator_script(user: &str) -> String {
    ADMINISTRATOR
        .replace("{{user}}", &user.replace('"', "\"\""))
        .replace("{{server}}", SERVER)
        .replace("{{public}}", PUBLIC)
}

/// Hardens the server as far as our role may, and tells how far that is.
pub(super) async fn server(database: &Database) -> Result<Powers, StoreError> {
    let mut transaction = database.begin().await?;
    sqlx::query!("select pg_advisory_xact_lock($1)", LOCK)
        .execute(&mut *transaction)
        .await?;
    let found = powers(&mut transaction).await?;
    if found.superuser && !(found.worker && open_databases(&mut transaction).await?.is_empty()) {
        run(&mut transaction, SERVER.to_owned()).await?;
    }
    let found = powers(&mut transaction).await?;
    transaction.commit().await?;
    Ok(found)
}

async fn powers(connection: &mut PgConnection) -> Result<Powers, StoreError> {
    Ok(sqlx::query_as!(
        Powers,
        r#"select rolsuper as "superuser!",
                  exists (select from pg_roles w
                          where w.rolname = $1
                            and (me.rolsuper or pg_has_role(w.oid, 'MEMBER WITH ADMIN OPTION')))
                  as "worker!",
                  me.rolsuper or (has_parameter_privilege('temp_file_limit', 'SET')
                                  and has_parameter_privilege('log_min_messages', 'SET')
                                  and has_parameter_privilege('log_min_error_statement', 'SET'))
                  as "settings!",
                  exists (select from pg_database where datname = $2 and datistemplate)
                  as "template!"
           from pg_roles me where me.rolname = current_user"#,
        WORKER,
        TEMPLATE
    )
    .fetch_one(connection)
    .await?)
}

/// Databases that are not ours and that everybody may enter.
async fn open_databases(connection: &mut PgConnection) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"select datname::text as "name!" from pg_database
           where datallowconn and datname <> $1 and datname !~ '^col_[0-9]{9}$'
             and has_database_privilege('public', oid, 'CONNECT')
           order by datname"#,
        names::PLATFORM
    )
    .fetch_all(connection)
    .await?)
}

/// See [`PlatformStore::weaknesses`].
pub(super) async fn weaknesses(platform: &PlatformStore) -> Result<Vec<Weakness>, StoreError> {
    let mut found = Vec::new();
    let databases = open_databases(&mut *platform.database.acquire().await?).await?;
    if !databases.is_empty() {
        found.push(Weakness::Connect { databases });
    }
    if !platform.powers.settings {
        found.push(Weakness::Settings);
    }
    let spaces = platform
        .exposed
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .len();
    if spaces > 0 {
        found.push(Weakness::Exposed { spaces });
    }
    Ok(found)
}

/// What stands inside a tenant's database.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inside {
    /// Whether everybody still has what PostgreSQL gives everybody.
    pub(super) exposed: bool,
    /// Whether the login reads its two views.
    pub(super) reads: bool,
}

/// Looks inside a tenant's database.
pub(super) async fn inside(database: &Database, names: &TenantNames) -> Result<Inside, StoreError> {
    let harmless = HARMLESS.map(String::from);
    Ok(sqlx::query_as!(
        Inside,
        r#"select exists (select from pg_proc
                          where pronamespace = 'pg_catalog'::regnamespace and provolatile <> 'i'
                            and proname <> all($2::text[])
                            and has_function_privilege('public', oid, 'EXECUTE'))
                  or exists (select from pg_class
                             where relnamespace = 'pg_catalog'::regnamespace
                               and relkind in ('r', 'v')
                               and has_table_privilege('public', oid, 'SELECT'))
                  as "exposed!",
                  coalesce(has_schema_privilege($1, 'public', 'USAGE')
                           and has_table_privilege($1, to_regclass('public.mail_login'), 'SELECT')
                           and has_table_privilege($1, to_regclass('public.mail_alias'), 'SELECT'),
                           false)
                  as "reads!""#,
        names.reader,
        &harmless
    )
    .fetch_one(&mut *database.acquire().await?)
    .await?)
}

/// Takes from everybody, in one tenant's database, what only a superuser can take.
pub(super) async fn strip(platform: &PlatformStore, names: &TenantNames) -> Result<(), StoreError> {
    let server = platform.database.server();
    let mut connection = server.connect(&names.database).await?;
    run(&mut connection, PUBLIC.to_owned()).await?;
    close(connection).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_whole_and_names_our_role() {
        let script = administrator_script("heber\"geur");
        assert!(script.contains("\"heber\"\"geur\""), "{script}");
        assert!(!script.contains("{{"), "{script}");
        for harmless in HARMLESS {
            assert!(PUBLIC.contains(&format!("'{harmless}'")), "{harmless}");
        }
    }
}
