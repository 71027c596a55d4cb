//! What follows once waves are over: the proof, the cut-over's dates, the passwords' deletion.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Preconditions},
};
use melouvert_api::{Migration, labels, wire::ProofMigration};
use melouvert_store::{Entry, ReportKey, StoreError, TenantStore};
use melouvert_tenant_template::certificates;
use melouvert_waves::{Phase, Stage, Work, phase, wave_phase};
use serde_json::json;
use uuid::Uuid;

use super::{
    MigrationError, accounts, kube_error,
    members::Member,
    prove, sign,
    validate::{Plan, PlannedWave},
};
use crate::tenant::{Context, journal};

/// What a status keeps besides what can be seen anew.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The last proof's hash.
    pub proof_hash: Option<String>,
    /// Which passes it rests on.
    pub proof_rests_on: Option<String>,
    /// When every account was cut over.
    pub cut_over_at: Option<String>,
    /// Until when it may be rolled back.
    pub rollback_until: Option<String>,
    /// When each wave's passwords were deleted.
    pub credentials_deleted: BTreeMap<String, String>,
}

impl Facts {
    /// What the status said before.
    pub fn of(migration: &Migration) -> Self {
        let Some(status) = &migration.status else {
            return Self::default();
        };
        let deleted = status
            .waves
            .iter()
            .filter_map(|wave| Some((wave.name.clone(), wave.credentials_deleted_at.clone()?)));
        Self {
            proof_hash: status.proof_hash.clone(),
            proof_rests_on: status.proof_rests_on.clone(),
            cut_over_at: status.cut_over_at.clone(),
            rollback_until: status.rollback_until.clone(),
            credentials_deleted: deleted.collect(),
        }
    }
}

/// Everything that a conclusion rests on.
pub struct Case<'a> {
    /// The object.
    pub migration: &'a Migration,
    /// What it says, checked.
    pub plan: &'a Plan,
    /// Its accounts.
    pub members: &'a [Member],
    /// The same for the scheduler.
    pub work: &'a Work,
    /// The tenant's database.
    pub store: &'a TenantStore,
    /// The migration's UID.
    pub uid: Uuid,
    /// Now.
    pub now: Timestamp,
}

/// Draws the conclusions that are due.
pub async fn conclude(case: &Case<'_>, ctx: &Context) -> Result<Facts, MigrationError> {
    let mut facts = Facts::of(case.migration);
    proof(case, &mut facts, ctx).await?;
    dates(case, &mut facts, ctx).await?;
    for index in 0..case.plan.waves.len() {
        credentials(case, index, &mut facts, ctx).await?;
    }
    Ok(facts)
}

/// Makes the proof anew whenever waves that are over hold passes that the last one does not.
async fn proof(case: &Case<'_>, facts: &mut Facts, ctx: &Context) -> Result<(), MigrationError> {
    let over = |member: &&Member| wave_phase(case.work, member.wave, case.now).is_over();
    let proven: Vec<&Member> = case.members.iter().filter(over).collect();
    if proven.is_empty() {
        return Ok(());
    }
    let rests_on = prove::rests_on(&proven);
    if facts.proof_rests_on.as_ref() == Some(&rests_on) {
        return Ok(());
    }
    let valid = &case.plan.valid;
    let source_url = valid.source.url();
    let target_url = format!("imaps://{}:993", certificates::mail_host(&valid.namespace));
    let reports = case.store.pass_reports(case.uid).await?;
    let urls = (source_url.as_str(), target_url.as_str());
    let merged = prove::merge(&proven, urls, reports.into_iter().collect()).map_err(|_| {
        StoreError::Invalid {
            field: "report",
            expected: "a report that this release reads",
        }
    })?;
    let run = match case.store.report_get(&valid.name, Some(case.uid)).await {
        // The operator was killed between the proof and the status.
        Ok(last) if last.hash == merged.hash => None,
        Ok(last) => Some(last.run + 1),
        Err(StoreError::NotFound { .. }) => Some(1),
        Err(error) => return Err(error.into()),
    };
    if let Some(run) = run {
        let key = ReportKey {
            migration: &valid.name,
            uid: case.uid,
            run,
        };
        let actor = ctx.own_actor()?;
        let issuer = sign::Issuer {
            client: &ctx.client,
            namespace: &valid.namespace,
            legal_name: &case.plan.legal_name,
            by: actor.as_str(),
        };
        let subject = ProofMigration {
            name: valid.name.to_string(),
            uid: case.uid.to_string(),
            run: run.unsigned_abs().saturating_sub(1),
        };
        let sealed = sign::seal(&issuer, subject, merged.clone()).await?;
        case.store.report_put(key, sealed.as_new(), &actor).await?;
    }
    facts.proof_hash = Some(merged.hash);
    facts.proof_rests_on = Some(rests_on);
    Ok(())
}

/// The cut-over's date, and until when it may be rolled back; both told to the journal.
async fn dates(case: &Case<'_>, facts: &mut Facts, ctx: &Context) -> Result<(), MigrationError> {
    let ahead = |wave: &PlannedWave| wave.rules.want.stage == Stage::Presync;
    if case.plan.waves.iter().all(ahead) {
        facts.cut_over_at = None;
        facts.rollback_until = None;
        return Ok(());
    }
    let valid = &case.plan.valid;
    let tell = async |action: &str, more: serde_json::Value| {
        let mut detail = json!({
            "uid": case.uid,
            "generation": case.migration.metadata.generation,
            "proof": facts.proof_hash,
        });
        if let (Some(detail), Some(more)) = (detail.as_object_mut(), more.as_object()) {
            detail.extend(more.clone());
        }
        let entry = Entry::new(&ctx.own_actor()?, action, valid.name.as_str(), detail);
        case.store
            .journal_append_once(entry, &["uid", "generation"])
            .await
    };
    let before = case
        .migration
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    match phase(case.work, case.now) {
        Phase::CutOver if facts.cut_over_at.is_none() => {
            let days = case.migration.spec.rollback_days;
            let now = Timestamp::from_second(case.now.as_second()).unwrap_or(case.now);
            let until = now + SignedDuration::from_hours(24 * i64::from(days));
            tell(
                "migration.cut-over",
                json!({ "rollbackUntil": until.to_string() }),
            )
            .await?;
            facts.cut_over_at = Some(now.to_string());
            facts.rollback_until = Some(until.to_string());
        }
        Phase::RolledBack if before != Some("RolledBack") => {
            tell("migration.rolled-back", json!({ "reference": "source" })).await?;
        }
        _ => {}
    }
    Ok(())
}

/// Deletes the passwords of a wave that is cut over or rolled back.
async fn credentials(
    case: &Case<'_>,
    index: usize,
    facts: &mut Facts,
    ctx: &Context,
) -> Result<(), MigrationError> {
    let wave = &case.plan.waves[index];
    let over = matches!(
        wave_phase(case.work, index, case.now),
        Phase::CutOver | Phase::RolledBack
    );
    let shared = case.plan.waves.iter().enumerate().any(|(other, of)| {
        of.secret == wave.secret
            && !matches!(
                wave_phase(case.work, other, case.now),
                Phase::CutOver | Phase::RolledBack
            )
    });
    if !over || shared {
        if wave.listed.is_some() {
            facts.credentials_deleted.remove(&wave.name);
        }
        return Ok(());
    }
    if wave.listed.is_none() {
        return Ok(());
    }
    for secret in of_wave(case, index, ctx).await? {
        let name = secret.name_any();
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: secret.uid(),
                resource_version: secret.resource_version(),
            }),
            ..DeleteParams::default()
        };
        let secrets = api(case, ctx);
        secrets
            .delete(&name, &params)
            .await
            .map_err(kube_error("delete a wave's Secret"))?;
        let detail = json!({ "uid": case.uid, "wave": wave.name, "secret": name });
        let subject = case.plan.valid.name.as_str();
        let action = "migration.credentials-deleted";
        journal::own_act(case.store, &ctx.own_actor()?, action, subject, detail).await?;
    }
    let now = Timestamp::from_second(case.now.as_second()).unwrap_or(case.now);
    facts
        .credentials_deleted
        .insert(wave.name.clone(), now.to_string());
    Ok(())
}

/// The wave's Secret, and those that new passwords replaced.
async fn of_wave(
    case: &Case<'_>,
    index: usize,
    ctx: &Context,
) -> Result<Vec<Secret>, MigrationError> {
    let wave = &case.plan.waves[index];
    let mut selector = format!("{}={}", labels::MIGRATION, case.plan.valid.name);
    if !case.migration.spec.waves.is_empty() {
        selector = format!("{selector},{}={}", labels::WAVE, wave.name);
    }
    let secrets = api(case, ctx);
    let params = ListParams::default().labels(&selector);
    let labelled = secrets
        .list(&params)
        .await
        .map_err(kube_error("list a wave's Secrets"))?;
    let valid = &case.plan.valid;
    let own = |secret: &Secret| accounts::proven(secret, valid.name.as_str(), &valid.uid).is_ok();
    let mut found = labelled.items;
    if !found.iter().any(|secret| secret.name_any() == wave.secret) {
        let named = secrets.get_opt(&wave.secret).await;
        found.extend(named.map_err(kube_error("read a wave's Secret"))?);
    }
    // Whatever a label or the spec names: only what is proven is deleted.
    found.retain(own);
    Ok(found)
}

fn api(case: &Case<'_>, ctx: &Context) -> Api<Secret> {
    Api::namespaced(ctx.client.clone(), case.plan.valid.namespace.as_str())
}
