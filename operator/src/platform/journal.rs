//! `journal`: a tenant's chain and the platform's.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use melouvert_api::wire::{BrokenLink, JOURNAL_PAGE_MAX, JournalEntry, JournalPage, Verification};
use melouvert_store::{Sealed, StoreError, Verified};
use serde::Deserialize;

use super::{
    authenticate::User,
    authorize::{Resource, Right},
    error::ApiError,
    extract::Params,
    state::Platform,
};

/// Which part of a journal.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    #[serde(default)]
    after: i64,
    #[serde(default = "default_limit")]
    limit: u32,
}

fn default_limit() -> u32 {
    100
}

impl Page {
    fn limit(&self) -> i64 {
        self.limit.clamp(1, JOURNAL_PAGE_MAX).into()
    }
}

/// `GET /v1/tenants/{siren}/journal`.
pub async fn tenant(
    State(platform): State<Arc<Platform>>,
    Path(siren): Path<String>,
    Params(page): Params<Page>,
    user: User,
) -> Result<Json<JournalPage>, ApiError> {
    let tenant = platform
        .enter(&user, "list", Resource::Journal, &siren)
        .await?;
    let entries = tenant.store.journal(page.after, page.limit()).await?;
    Ok(Json(wire(entries, page.limit())))
}

/// `GET /v1/tenants/{siren}/journal/verification`.
pub async fn tenant_verification(
    State(platform): State<Arc<Platform>>,
    Path(siren): Path<String>,
    user: User,
) -> Result<Json<Verification>, ApiError> {
    let tenant = platform
        .enter(&user, "list", Resource::Journal, &siren)
        .await?;
    verification(tenant.store.journal_verify().await)
}

/// `GET /v1/journal`.
pub async fn platform(
    State(platform): State<Arc<Platform>>,
    Params(page): Params<Page>,
    user: User,
) -> Result<Json<JournalPage>, ApiError> {
    let _admitted = platform.admit(&user, &PLATFORM).await?;
    let entries = platform.store.journal(page.after, page.limit()).await?;
    Ok(Json(wire(entries, page.limit())))
}

/// `GET /v1/journal/verification`.
pub async fn platform_verification(
    State(platform): State<Arc<Platform>>,
    user: User,
) -> Result<Json<Verification>, ApiError> {
    let _admitted = platform.admit(&user, &PLATFORM).await?;
    verification(platform.store.journal_verify().await)
}

const PLATFORM: Right<'static> = Right {
    verb: "list",
    resource: Resource::Journal,
    namespace: None,
    name: None,
};

fn wire(entries: Vec<Sealed>, limit: i64) -> JournalPage {
    let full = i64::try_from(entries.len()).is_ok_and(|length| length == limit);
    JournalPage {
        next: entries.last().filter(|_| full).map(|entry| entry.seq),
        entries: entries.into_iter().map(entry).collect(),
    }
}

fn entry(sealed: Sealed) -> JournalEntry {
    JournalEntry {
        seq: sealed.seq,
        at: sealed.at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
        actor: sealed.actor,
        action: sealed.action,
        subject: sealed.subject,
        detail: sealed.detail,
        previous: sealed.previous,
        hash: sealed.hash,
    }
}

fn verification(outcome: Result<Verified, StoreError>) -> Result<Json<Verification>, ApiError> {
    Ok(Json(match outcome {
        Ok(verified) => Verification {
            intact: true,
            entries: i64::try_from(verified.entries).unwrap_or(i64::MAX),
            head: verified.head.map(|head| head.hash),
            broken: None,
        },
        Err(StoreError::BrokenJournal(link)) => Verification {
            intact: false,
            entries: link.seq - 1,
            head: None,
            broken: Some(BrokenLink {
                seq: link.seq,
                reason: link.to_string(),
            }),
        },
        Err(error) => return Err(error.into()),
    }))
}
