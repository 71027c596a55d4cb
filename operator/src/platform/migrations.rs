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
    wire::{PutProgress, PutReport, Report},
};
use melouvert_domain::ResourceName;
use serde_json::json;

use super::{
    authenticate::Worker, authorize::Resource, error::ApiError, extract::Body, state::Platform,
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
    let tenant = platform
        .enter_for(
            &user,
            "create",
            Resource::MigrationReports,
            &siren,
            Some(&name),
        )
        .await?;
    let migrations = current(&platform, &tenant, &name, progress.run).await?;
    let figures = json!({
        "apiVersion": format!("{}/{}", melouvert_api::GROUP, melouvert_api::VERSION),
        "kind": "Migration",
        "status": { "accounts": progress.accounts, "messages": progress.messages },
    });
    migrations
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
    let tenant = platform
        .enter_for(
            &user,
            "create",
            Resource::MigrationReports,
            &siren,
            Some(&name),
        )
        .await?;
    current(&platform, &tenant, &name, report.run).await?;
    tenant
        .store
        .report_put(
            &parse(&name)?,
            kept(report.run)?,
            &report.report,
            &report.hash,
            &tenant.actor,
        )
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /v1/tenants/{siren}/migrations/{name}/report`: the last run's.
pub async fn get_report(
    State(platform): State<Arc<Platform>>,
    Path((siren, name)): Path<(String, String)>,
    Worker(user): Worker,
) -> Result<Json<Report>, ApiError> {
    let tenant = platform
        .enter_for(
            &user,
            "get",
            Resource::MigrationReports,
            &siren,
            Some(&name),
        )
        .await?;
    let found = tenant.store.report_get(&parse(&name)?).await?;
    Ok(Json(Report {
        migration: found.migration.to_string(),
        run: found.run.unsigned_abs().saturating_sub(1),
        at: found.at.to_string(),
        hash: found.hash,
        report: found.report,
    }))
}

/// The tenant's migrations, once `name` exists and `run` is the one under way: a Job of an earlier
/// run that lingers changes nothing.
async fn current(
    platform: &Platform,
    tenant: &Tenant,
    name: &str,
    run: u32,
) -> Result<Api<Migration>, ApiError> {
    let migrations = Api::<Migration>::namespaced(platform.kube.clone(), tenant.namespace.as_str());
    let found = migrations.get_opt(name).await?.ok_or_else(|| {
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
    })?;
    if found.spec.run == run {
        return Ok(migrations);
    }
    let wanted = found.spec.run;
    Err(ApiError::conflict(
        "StaleRun",
        (
            &format!("passe {run} de {name} : la passe en cours est {wanted}"),
            &format!("run {run} of {name}: the run under way is {wanted}"),
        ),
        (
            "rien à faire : cette passe est finie",
            "nothing to do: this run is over",
        ),
    )
    .field("run"))
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
