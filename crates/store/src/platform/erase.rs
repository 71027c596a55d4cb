//! Erasing a tenant's database and roles.

use melouvert_domain::Siren;
use serde_json::json;
use sqlx::PgConnection;

use super::{PlatformStore, anchors, open};
use crate::{
    StoreError,
    journal::{self, Actor, Anchor, Entry},
    names::{self, TenantNames},
    server::close,
};

/// What an entry's `action` is once the data are gone.
pub(super) const ERASED: &str = "tenant.erased";

/// See [`PlatformStore::erase_tenant`].
pub(super) async fn erase(
    platform: &PlatformStore,
    siren: &Siren,
    actor: &Actor,
) -> Result<(), StoreError> {
    let names = TenantNames::of(siren);
    let mut transaction = platform.database.begin().await?;
    open::lock(platform, &mut transaction, siren).await?;
    let standing = standing(&mut transaction, siren, &names).await?;
    if !standing.known && !standing.database && !standing.roles {
        return Ok(());
    }
    if standing.database {
        // Committed before anything is dropped, so that the head outlives a crash in between. A
        // chain that is not the known one is no reason to keep the data.
        anchors::record(platform, siren, actor, anchors::Otherwise::Accept).await?;
    }
    let head: Option<Anchor> = anchors::latest(&mut transaction, siren).await?;
    platform.pools.close(siren).await;
    drop_all(platform, &names).await?;
    sqlx::query!(
        "update tenant set erased_at = now() where siren = $1",
        siren.as_str()
    )
    .execute(&mut *transaction)
    .await?;
    let entry = Entry::new(
        actor,
        ERASED,
        siren.as_str(),
        json!({ "journal_head": head }),
    );
    journal::append(&mut transaction, &entry).await?;
    transaction.commit().await?;
    Ok(())
}

struct Standing {
    known: bool,
    database: bool,
    roles: bool,
}

async fn standing(
    connection: &mut PgConnection,
    siren: &Siren,
    names: &TenantNames,
) -> Result<Standing, StoreError> {
    Ok(sqlx::query_as!(
        Standing,
        r#"select exists (select from tenant where siren = $1 and erased_at is null) as "known!",
                  exists (select from pg_database where datname = $2) as "database!",
                  exists (select from pg_roles where rolname in ($3, $4)) as "roles!""#,
        siren.as_str(),
        names.database,
        names.owner,
        names.reader
    )
    .fetch_one(connection)
    .await?)
}

/// `DROP DATABASE` runs outside any transaction; each statement bears being repeated.
async fn drop_all(platform: &PlatformStore, names: &TenantNames) -> Result<(), StoreError> {
    let mut connection = platform.database.server().connect(names::PLATFORM).await?;
    for statement in [
        format!("drop database if exists {} with (force)", names.database),
        format!("drop role if exists {}", names.reader),
        format!("drop role if exists {}", names.owner),
    ] {
        open::run(&mut connection, statement).await?;
    }
    close(connection).await;
    Ok(())
}
