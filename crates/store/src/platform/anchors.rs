//! Heads of the tenants' chains, recorded in the platform's chain.

use melouvert_domain::Siren;
use sqlx::{PgConnection, types::Json};

use super::{PlatformStore, erase::ERASED};
use crate::{
    StoreError,
    journal::{self, Actor, Anchor, Entry},
};

const ANCHORED: &str = "journal.anchored";

/// See [`PlatformStore::anchor_tenant`].
pub(super) async fn record(
    platform: &PlatformStore,
    siren: &Siren,
    actor: &Actor,
) -> Result<(), StoreError> {
    let tenant = platform.pools.of(siren, platform.database.server());
    let Some(head) = journal::head(&mut *tenant.acquire().await?).await? else {
        return Ok(());
    };
    let mut transaction = platform.database.begin().await?;
    if latest(&mut transaction, siren).await?.as_ref() == Some(&head) {
        return Ok(());
    }
    let detail = serde_json::json!({ "seq": head.seq, "hash": head.hash });
    let entry = Entry::new(actor, ANCHORED, siren.as_str(), detail);
    journal::append(&mut transaction, &entry).await?;
    transaction.commit().await?;
    Ok(())
}

/// The last recorded head of the tenant's present chain: those before an erasure belong to another.
pub(super) async fn latest(
    connection: &mut PgConnection,
    siren: &Siren,
) -> Result<Option<Anchor>, StoreError> {
    let detail = sqlx::query_scalar!(
        r#"select detail as "detail: Json<Anchor>" from journal
           where action = $1 and subject = $2
             and seq > coalesce((select max(seq) from journal where action = $3 and subject = $2), 0)
           order by seq desc limit 1"#,
        ANCHORED,
        siren.as_str(),
        ERASED
    )
    .fetch_optional(connection)
    .await?;
    Ok(detail.map(|detail| detail.0))
}
