//! Heads of the tenants' chains, recorded in the platform's chain.

use melouvert_domain::Siren;
use sqlx::{PgConnection, types::Json};

use super::{PlatformStore, erase::ERASED};
use crate::{
    StoreError,
    journal::{self, Actor, Anchor, Entry},
};

const ANCHORED: &str = "journal.anchored";

/// An entry's `action` once somebody answered for a chain that is not the known one.
const ACCEPTED: &str = "journal.accepted";

/// What to do with a chain that does not hold the head that is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Otherwise {
    /// Say so, and keep what is known.
    Fail,
    /// Take it as it is, and write down that it was.
    Accept,
}

/// See [`PlatformStore::anchor_tenant`].
pub(super) async fn record(
    platform: &PlatformStore,
    siren: &Siren,
    actor: &Actor,
    otherwise: Otherwise,
) -> Result<Option<Anchor>, StoreError> {
    let tenant = platform.pools.of(siren, platform.database.server());
    let mut connection = tenant.acquire().await?;
    let mut transaction = platform.database.begin().await?;
    let known = latest(&mut transaction, siren).await?;
    let head = journal::head(&mut connection).await?;
    if head == known {
        return Ok(head);
    }
    if let Some(known) = known {
        match journal::confirm(&mut connection, &known).await {
            Err(StoreError::BrokenJournal(_)) if otherwise == Otherwise::Accept => {
                let detail = serde_json::json!({ "known": known, "head": head });
                let entry = Entry::new(actor, ACCEPTED, siren.as_str(), detail);
                journal::append(&mut transaction, &entry).await?;
            }
            other => other?,
        }
    }
    if let Some(head) = &head {
        let detail = serde_json::json!({ "seq": head.seq, "hash": head.hash });
        let entry = Entry::new(actor, ANCHORED, siren.as_str(), detail);
        journal::append(&mut transaction, &entry).await?;
    }
    transaction.commit().await?;
    Ok(head)
}

/// See [`PlatformStore::confirm_tenant`].
pub(super) async fn confirm(
    platform: &PlatformStore,
    siren: &Siren,
    beside: Option<&Anchor>,
) -> Result<(), StoreError> {
    let recorded = platform.anchor(siren).await?;
    let tenant = platform.pools.of(siren, platform.database.server());
    let mut connection = tenant.acquire().await?;
    for known in recorded.iter().chain(beside) {
        journal::confirm(&mut connection, known).await?;
    }
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
