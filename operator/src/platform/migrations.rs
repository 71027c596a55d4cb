//! `migrationreports`: what a migration's Job tells, and its proof.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use kube::Api;
use melouvert_api::{
    Migration,
    migration::MessageCounts,
    wire::{PutPassProgress, PutPassReport, Report as Kept},
};
use melouvert_domain::ResourceName;
use melouvert_migration::{Outcome, Report, proof::FolderProof};
use melouvert_store::{AccountKey, EndedPass, StoreError};
use melouvert_waves::{Done, Ending};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::migration::{Begun, Ended, Moved};

use super::{
    authenticate::{User, Worker},
    authorize::Resource,
    error::ApiError,
    proof,
    state::Platform,
    tenant::Tenant,
    unread::{self, Unread},
};

/// `PUT /v1/tenants/{siren}/migrations/{name}/accounts/{account}/progress`.
pub async fn put_progress(
    State(platform): State<Arc<Platform>>,
    Path((siren, name, account)): Path<(String, String, String)>,
    Worker(user): Worker,
    body: Unread,
) -> Result<StatusCode, ApiError> {
    let tenant = enter(&platform, &user, "create", &siren, &name).await?;
    let told: PutPassProgress = platform.read(body, &tenant, unread::ORDINARY).await?;
    let uid = current(&platform, &tenant, &name, &told.migration_uid).await?;
    let key = AccountKey {
        uid,
        account: &account,
    };
    let moved = json!(Moved {
        messages: told.messages,
        bytes_per_second: told.bytes_per_second,
    });
    let progress = tenant.store.pass_progress(key, number(told.pass)?, &moved);
    progress.await.map_err(superseded)?;
    Ok(StatusCode::NO_CONTENT)
}

/// `PUT /v1/tenants/{siren}/migrations/{name}/accounts/{account}/report`: how a pass ended.
pub async fn put_report(
    State(platform): State<Arc<Platform>>,
    Path((siren, name, account)): Path<(String, String, String)>,
    Worker(user): Worker,
    body: Unread,
) -> Result<StatusCode, ApiError> {
    let tenant = enter(&platform, &user, "create", &siren, &name).await?;
    let _place = platform.reading.place(tenant.store.siren()).await?;
    let told: PutPassReport = platform.read(body, &tenant, unread::REPORT).await?;
    let uid = current(&platform, &tenant, &name, &told.migration_uid).await?;
    let pass = number(told.pass)?;
    let rows = tenant.store.passes(uid).await?;
    let row = rows
        .iter()
        .find(|row| row.account == account && row.pass == pass)
        .ok_or_else(|| stale("pass", OVER))?;
    let begun: Begun = read(&row.begun)?;
    let before: Option<Ended> = row.done.as_ref().map(read).transpose()?;
    let report: Report =
        serde_json::from_value(told.report.clone()).map_err(|error| not_a_report(&error))?;
    let ended = json!(ended(&report, told.pass, &begun, before.as_ref())?);
    let key = AccountKey {
        uid,
        account: &account,
    };
    let pass = EndedPass {
        pass,
        done: &ended,
        report: Some(&told.report),
    };
    tenant
        .store
        .pass_end(key, &pass, (&name, &tenant.actor))
        .await
        .map_err(superseded)?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a report of one account amounts to.
fn ended(
    report: &Report,
    pass: u32,
    begun: &Begun,
    before: Option<&Ended>,
) -> Result<Ended, ApiError> {
    let ending = match report.outcome {
        Outcome::Complete => Ending::Complete,
        Outcome::Partial => Ending::Partial,
        Outcome::Failed => Ending::Failed,
        Outcome::Stopped => return Err(not_a_report(&"a stopped pass has not ended")),
    };
    let [account] = report.accounts.as_slice() else {
        return Err(not_a_report(&"expected one account"));
    };
    let changed = account.written_messages
        + account.matched_messages
        + account.flag_changes
        + account.vanished_messages;
    let before_done = before.map(|ended| ended.done);
    let absent = account
        .exceptions
        .iter()
        .filter(|e| !e.reason.is_only_metadata())
        .count();
    let sum = |of: fn(&FolderProof) -> u64| account.folders.iter().map(of).sum();
    let messages = MessageCounts {
        source: sum(|folder| folder.source_messages),
        copied: sum(|folder| folder.copied_messages),
        absent: absent as u64,
        bytes: sum(|folder| folder.copied_bytes),
        source_bytes: sum(|folder| folder.copied_bytes),
    };
    Ok(Ended {
        done: Done::after(before_done.as_ref(), pass, begun.goal, ending, changed),
        // One that could not be reached tells nothing: what was copied before still is.
        messages: match (&account.failure, before) {
            (Some(_), Some(before)) => before.messages.clone(),
            _ => messages,
        },
        reason: account
            .failure
            .as_ref()
            .map(|failure| failure.reason.clone()),
    })
}

/// `GET /v1/tenants/{siren}/migrations/{name}/report`: the last run's; of the migration that bears
/// the name now, or of the last that bore it.
pub async fn get_report(
    State(platform): State<Arc<Platform>>,
    Path((siren, name)): Path<(String, String)>,
    Worker(user): Worker,
) -> Result<Json<Kept>, ApiError> {
    let tenant = enter(&platform, &user, "get", &siren, &name).await?;
    let uid = match migrations(&platform, &tenant).get_opt(&name).await? {
        Some(migration) => Some(uid_of(&migration)?),
        None => None,
    };
    let found = tenant.store.report_get(&parse(&name)?, uid).await?;
    proof::open(found).map(Json)
}

/// Lets a caller act upon the reports of one migration.
async fn enter(
    platform: &Platform,
    user: &User,
    verb: &'static str,
    siren: &str,
    name: &str,
) -> Result<Tenant, ApiError> {
    let resource = Resource::MigrationReports;
    platform
        .enter_for(user, verb, resource, siren, Some(name))
        .await
}

fn migrations(platform: &Platform, tenant: &Tenant) -> Api<Migration> {
    Api::namespaced(platform.kube.clone(), tenant.namespace.as_str())
}

/// The UID of the migration `name`, once it is the one that the Job works for: a Job of a deleted
/// namesake that lingers changes nothing.
async fn current(
    platform: &Platform,
    tenant: &Tenant,
    name: &str,
    told: &str,
) -> Result<Uuid, ApiError> {
    let found = migrations(platform, tenant)
        .get_opt(name)
        .await?
        .ok_or_else(|| absent(name))?;
    let uid = uid_of(&found)?;
    if told == uid.to_string() {
        return Ok(uid);
    }
    Err(stale(
        "migration",
        (
            &format!("une autre migration porte maintenant le nom {name}"),
            &format!("another migration is named {name} now"),
        ),
    ))
}

/// What is said of a pass that is no longer under way.
const OVER: (&str, &str) = (
    "ce passage n'est plus celui en cours",
    "this pass is no longer the one under way",
);

fn superseded(error: StoreError) -> ApiError {
    match error {
        StoreError::Conflict { field: "pass", .. } => stale("pass", OVER),
        other => other.into(),
    }
}

fn not_a_report(why: &dyn std::fmt::Display) -> ApiError {
    ApiError::invalid(
        "report",
        ("compte rendu illisible", &format!("unusable report: {why}")),
        (
            "vérifiez que le Job a la version de la plateforme",
            "check that the Job has the platform's version",
        ),
    )
}

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T, ApiError> {
    serde_json::from_value(value.clone()).map_err(|error| ApiError::internal(&error))
}

fn absent(name: &str) -> ApiError {
    ApiError::not_found(
        "MigrationNotFound",
        "migration",
        (
            &format!("aucune migration {name}"),
            &format!("no migration {name}"),
        ),
        (
            "à voir par : melouvert migrate status",
            "see: melouvert migrate status",
        ),
    )
}

fn stale(field: &str, message: (&str, &str)) -> ApiError {
    ApiError::conflict(
        "StaleRun",
        message,
        (
            "rien à faire : cette passe est finie",
            "nothing to do: this run is over",
        ),
    )
    .field(field)
}

fn uid_of(migration: &Migration) -> Result<Uuid, ApiError> {
    let uid = migration.metadata.uid.as_deref().unwrap_or_default();
    Uuid::parse_str(uid).map_err(|error| ApiError::internal(&error))
}

fn parse(name: &str) -> Result<ResourceName, ApiError> {
    name.parse().map_err(|error| {
        ApiError::invalid(
            "migration",
            (
                &format!("{name:?} n'est pas un nom de migration"),
                &format!("{error}"),
            ),
            ("vérifiez le nom", "check the name"),
        )
    })
}

fn number(pass: u32) -> Result<i32, ApiError> {
    i32::try_from(pass).map_err(|_| {
        ApiError::invalid(
            "pass",
            ("passage trop grand", "pass too large"),
            ("corrigez ce champ", "correct this field"),
        )
    })
}
