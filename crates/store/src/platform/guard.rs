//! What must hold in spite of all that a session may set: how long its transactions last, and what a
//! login is.

use std::time::Duration;

use serde_json::json;
use sqlx::PgConnection;

use super::{PlatformStore, login};
use crate::{
    StoreError,
    journal::{self, Actor, Entry},
    names::TenantNames,
};

/// An entry's `action` for sessions that were ended.
const ENDED: &str = "tenant.sessions.ended";

/// What the mail servers' sessions may take. Their lookups take milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The longest transaction, hence the longest statement.
    pub transaction: Duration,
    /// Between two entries of the journal about the same tenant's sessions.
    pub told: Duration,
}

/// Sessions of one tenant that were ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Whose.
    pub siren: String,
    /// How many.
    pub sessions: i64,
}

/// What a round did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Guarded {
    /// Sessions over the bounds.
    pub ended: Vec<Ended>,
    /// Tenants whose login was changed by somebody else.
    pub repaired: Vec<String>,
}

/// See [`PlatformStore::guard`].
pub(super) async fn run(
    platform: &PlatformStore,
    bounds: Bounds,
    actor: &Actor,
) -> Result<Guarded, StoreError> {
    let ended = end(platform, bounds, actor).await?;
    // Only a superuser sees what a password has become; elsewhere the next pass tries it.
    let repaired = if platform.powers.superuser {
        repair(platform, actor).await?
    } else {
        Vec::new()
    };
    Ok(Guarded { ended, repaired })
}

/// Ends what takes too long.
async fn end(
    platform: &PlatformStore,
    bounds: Bounds,
    actor: &Actor,
) -> Result<Vec<Ended>, StoreError> {
    let ended = sqlx::query_as!(
        Ended,
        r#"select substr(usename, 5, 9) as "siren!",
                  count(*) filter (where pg_terminate_backend(pid)) as "sessions!"
           from pg_stat_activity
           where usename ~ '^col_[0-9]{9}_reader$'
             and xact_start < clock_timestamp() - make_interval(secs => $1)
           group by usename"#,
        bounds.transaction.as_secs_f64()
    )
    .fetch_all(&mut *platform.database.acquire().await?)
    .await?;
    for tenant in &ended {
        let mut transaction = platform.database.write().await?;
        if !told(&mut transaction, &tenant.siren, bounds.told).await? {
            let seconds = bounds.transaction.as_secs();
            let detail = json!({ "sessions": tenant.sessions, "longer_than_seconds": seconds });
            let entry = Entry::new(actor, ENDED, &tenant.siren, detail);
            journal::append(&mut transaction, &entry).await?;
            transaction.commit().await?;
        }
    }
    Ok(ended)
}

/// Whether the journal tells of this tenant's sessions already: who is ended often must not fill it.
async fn told(
    connection: &mut PgConnection,
    siren: &str,
    within: Duration,
) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"select exists (select from journal
                          where action = $1 and subject = $2
                            and at > clock_timestamp() - make_interval(secs => $3)) as "told!""#,
        ENDED,
        siren,
        within.as_secs_f64()
    )
    .fetch_one(connection)
    .await?)
}

struct Changed {
    siren: String,
    verifier: String,
    password: bool,
}

/// Sets logins as they were.
async fn repair(platform: &PlatformStore, actor: &Actor) -> Result<Vec<String>, StoreError> {
    let settings = login::settings(platform.powers);
    let changed = sqlx::query_as!(
        Changed,
        r#"select t.siren, t.reader_verifier as verifier,
                  a.rolpassword is distinct from t.reader_verifier as "password!"
           from tenant t
           join pg_authid a on a.rolname = 'col_' || t.siren || '_reader'
           where t.erased_at is null
             and (a.rolpassword is distinct from t.reader_verifier
                  or $1::text[] is distinct from
                     (select array_agg(setting order by setting collate "C")
                      from pg_db_role_setting s, unnest(s.setconfig) setting
                      where s.setrole = a.oid))"#,
        &settings
    )
    .fetch_all(&mut *platform.database.acquire().await?)
    .await?;
    let mut repaired = Vec::new();
    for tenant in changed {
        let Ok(siren) = tenant.siren.parse() else {
            continue;
        };
        let names = TenantNames::of(&siren);
        let mut transaction = platform.database.write().await?;
        login::restore(&mut transaction, &names, &tenant.verifier, platform.powers).await?;
        let what = if tenant.password {
            "password"
        } else {
            "settings"
        };
        let detail = json!({ "changed": [what] });
        let entry = Entry::new(actor, "tenant.login.repaired", &tenant.siren, detail);
        journal::append(&mut transaction, &entry).await?;
        transaction.commit().await?;
        repaired.push(tenant.siren);
    }
    Ok(repaired)
}
