//! `migrationreports`: what a migration's Job tells, and its proof.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use melouvert_api::{
    Migration,
    wire::{ProofMigration, PutProgress, PutReport, Report},
};
use melouvert_domain::ResourceName;
use melouvert_store::ReportKey;
use serde_json::json;
use uuid::Uuid;

use super::{
    authenticate::{User, Worker},
    authorize::Resource,
    error::ApiError,
    extract::Body,
    proof,
    state::Platform,
    tenant::Tenant,
};

/// The field manager of the figures: the controller owns the rest of the status.
const MANAGER: &str = "melouvert-platform-api";

/// `PUT /v1/tenants/{siren}/migrations/{name}/progress`.
pub async fn put_progress(
    State(platform): State<Arc<Platform>>,
    Path((siren, name)): Path<(String, String)>,
    Worker(user): Worker,
    Body(progress): Body<PutProgress>,
) -> Result<StatusCode, ApiError> {
    let tenant = enter(&platform, &user, "create", &siren, &name).await?;
    let under_way = UnderWay {
        run: progress.run,
        uid: progress.migration_uid.as_deref(),
    };
    current(&platform, &tenant, &name, &under_way).await?;
    let figures = json!({
        "apiVersion": format!("{}/{}", melouvert_api::GROUP, melouvert_api::VERSION),
        "kind": "Migration",
        "status": { "accounts": progress.accounts, "messages": progress.messages },
    });
    migrations(&platform, &tenant)
        .patch_status(
            &name,
            &PatchParams::apply(MANAGER).force(),
            &Patch::Apply(figures),
        )
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `PUT /v1/tenants/{siren}/migrations/{name}/report`.
pub async fn put_report(
    State(platform): State<Arc<Platform>>,
    Path((siren, name)): Path<(String, String)>,
    Worker(user): Worker,
    Body(report): Body<PutReport>,
) -> Result<StatusCode, ApiError> {
    let tenant = enter(&platform, &user, "create", &siren, &name).await?;
    let under_way = UnderWay {
        run: report.run,
        uid: report.migration_uid.as_deref(),
    };
    let uid = current(&platform, &tenant, &name, &under_way).await?;
    let key = ReportKey {
        migration: &parse(&name)?,
        uid,
        run: kept(report.run)?,
    };
    let subject = ProofMigration {
        name: name.clone(),
        uid: uid.to_string(),
        run: report.run,
    };
    let sealed = proof::seal(&platform, &tenant, subject, report).await?;
    let kept = tenant.store.report_put(key, sealed.as_new(), &tenant.actor);
    kept.await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /v1/tenants/{siren}/migrations/{name}/report`: the last run's; of the migration that bears
/// the name now, or of the last that bore it.
pub async fn get_report(
    State(platform): State<Arc<Platform>>,
    Path((siren, name)): Path<(String, String)>,
    Worker(user): Worker,
) -> Result<Json<Report>, ApiError> {
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

/// What a Job says it works for.
struct UnderWay<'a> {
    run: u32,
    /// The Migration's UID; a Job of an earlier release does not tell it.
    uid: Option<&'a str>,
}

/// The UID of the migration `name`, once it is the one the Job works for and the run is the one
/// under way: a Job that lingers, of an earlier run or of a deleted namesake, changes nothing.
async fn current(
    platform: &Platform,
    tenant: &Tenant,
    name: &str,
    job: &UnderWay<'_>,
) -> Result<Uuid, ApiError> {
    let found = migrations(platform, tenant)
        .get_opt(name)
        .await?
        .ok_or_else(|| absent(name))?;
    let uid = uid_of(&found)?;
    if job.uid.is_some_and(|told| told != uid.to_string()) {
        return Err(stale(
            "migration",
            (
                &format!("une autre migration porte maintenant le nom {name}"),
                &format!("another migration is named {name} now"),
            ),
        ));
    }
    if found.spec.run == job.run {
        return Ok(uid);
    }
    let (run, wanted) = (job.run, found.spec.run);
    Err(stale(
        "run",
        (
            &format!("passe {run} de {name} : la passe en cours est {wanted}"),
            &format!("run {run} of {name}: the run under way is {wanted}"),
        ),
    ))
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

/// The database counts runs from 1, the Migration's spec from 0.
fn kept(run: u32) -> Result<i32, ApiError> {
    i32::try_from(run)
        .ok()
        .and_then(|run| run.checked_add(1))
        .ok_or_else(|| {
            ApiError::invalid(
                "run",
                ("passe trop grande", "run too large"),
                ("corrigez ce champ", "correct this field"),
            )
        })
}
