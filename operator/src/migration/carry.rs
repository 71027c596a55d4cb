//! Carries the scheduler's decision out.

use k8s_openapi::api::core::v1::ObjectReference;
use melouvert_store::{AccountKey, EndedPass, NewPass, TenantStore};
use melouvert_tenant_template::{Pass, render_pass};
use melouvert_waves::{Decision, Done, Ending, Start};
use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;

use super::{
    MigrationError, door, jobs,
    members::{Begun, Ended, Member},
    validate::Plan,
};
use crate::tenant::Context;

/// Clears away Jobs that ended. One that ended without a report is written down as failed: it had
/// all its attempts.
pub async fn clear(
    plan: &Plan,
    (store, uid): (&TenantStore, Uuid),
    members: &mut [Member],
    ctx: &Context,
) -> Result<(), MigrationError> {
    for member in members.iter_mut() {
        let Some(job) = member.job.clone().filter(|job| job.ended.is_some()) else {
            continue;
        };
        let told = member
            .ended
            .as_ref()
            .is_some_and(|ended| ended.done.pass >= job.pass);
        if let (false, Some(begun)) = (told || job.deleting, member.begun.clone()) {
            let before = member.ended.as_ref().map(|ended| ended.done);
            let done = Done::after(before.as_ref(), job.pass, begun.goal, Ending::Failed, 0);
            let ended = Ended {
                done,
                messages: member.messages(),
                reason: Some("job_failed".into()),
            };
            let value = json!(ended);
            let pass = EndedPass {
                pass: i32::try_from(job.pass).unwrap_or(i32::MAX),
                done: &value,
                report: None,
            };
            let key = AccountKey {
                uid,
                account: &member.id,
            };
            let about = (plan.valid.name.as_str(), &ctx.own_actor()?);
            store.pass_end(key, &pass, about).await?;
            member.ended = Some(ended);
        }
        jobs::remove(&plan.valid, &job, ctx).await?;
    }
    Ok(())
}

/// Stops whom it says, then starts whom it says.
pub async fn out(
    plan: &Plan,
    journal: (&TenantStore, Uuid),
    decision: &Decision,
    members: &mut [Member],
    ctx: &Context,
) -> Result<(), MigrationError> {
    for index in &decision.stop {
        if let Some(job) = members.get(*index).and_then(|member| member.job.as_ref()) {
            tracing::info!(job = job.name, "stopping a pass");
            jobs::remove(&plan.valid, job, ctx).await?;
        }
    }
    if decision.start.is_empty() {
        return Ok(());
    }
    let door_key = door::key(&plan.valid, ctx).await?;
    for start in &decision.start {
        if let Some(member) = members.get_mut(start.account) {
            begin(plan, journal, start, door_key.as_ref(), member, ctx).await?;
        }
    }
    Ok(())
}

/// Begins one pass: it is written down first, so that an operator killed in between goes on with
/// the same pass.
async fn begin(
    plan: &Plan,
    (store, uid): (&TenantStore, Uuid),
    start: &Start,
    door_key: Option<&SecretString>,
    member: &mut Member,
    ctx: &Context,
) -> Result<(), MigrationError> {
    let number = if start.resumes {
        member.pass
    } else {
        member.pass + 1
    };
    let begun = Begun {
        goal: start.goal,
        share: start.share,
        base: member.messages(),
    };
    let wave = &plan.waves[member.wave];
    let value = json!(begun);
    let new = NewPass {
        wave: &wave.name,
        source_user: &member.source_user,
        target_user: &member.target_user,
        pass: i32::try_from(number).unwrap_or(i32::MAX),
        begun: &value,
    };
    let key = AccountKey {
        uid,
        account: &member.id,
    };
    store.pass_begin(key, &new).await?;
    let pass = Pass {
        account: member.id.clone(),
        target_user: member.target_user.clone(),
        wave: wave.name.clone(),
        accounts_secret: wave.secret.clone(),
        number,
        verify_all: start.goal.verify_all,
        connections: start.share.connections,
        bytes_per_second: start.share.bytes_per_second,
    };
    let about = reference(plan);
    for object in render_pass(&plan.valid, &pass, door_key) {
        ctx.applier.object(&object, &about).await?;
    }
    member.pass = number;
    member.begun = Some(begun);
    member.moved = None;
    member.job = Some(jobs::PassJob {
        name: plan.valid.job_name(&member.id),
        uid: String::new(),
        pass: number,
        ended: None,
        deleting: false,
    });
    Ok(())
}

/// The Migration, as events name it.
fn reference(plan: &Plan) -> ObjectReference {
    let (group, version) = (melouvert_api::GROUP, melouvert_api::VERSION);
    ObjectReference {
        api_version: Some(format!("{group}/{version}")),
        kind: Some("Migration".into()),
        name: Some(plan.valid.name.to_string()),
        namespace: Some(plan.valid.namespace.to_string()),
        uid: Some(plan.valid.uid.clone()),
        ..ObjectReference::default()
    }
}
