//! What is told of a migration.

use jiff::Timestamp;
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
};
use melouvert_api::{
    Migration, MigrationStatus, Reason,
    condition::{READY, RECONCILING, STALLED, Verdict, merge},
    migration::{AccountCounts, MAILBOXES_MAXIMUM, MailboxStatus, MessageCounts, WaveStatus},
};
use melouvert_waves::{AccountPhase, Phase, Work, account_phase, phase, wave_phase};
use serde_json::json;

use super::{
    conclude::Facts,
    members::Member,
    validate::{Plan, Refusal},
};

/// The field manager of the status.
const MANAGER: &str = "melouvert-status";

/// What a status is drawn from.
pub struct Seen<'a> {
    /// What is asked for, checked.
    pub plan: &'a Plan,
    /// The accounts.
    pub members: &'a [Member],
    /// The same for the scheduler.
    pub work: &'a Work,
    /// What was concluded.
    pub facts: &'a Facts,
}

/// The status of a migration that is refused: figures stay, nothing is done until it changes.
pub fn refused(migration: &Migration, refusals: &[Refusal], now: Timestamp) -> MigrationStatus {
    let mut status = migration.status.clone().unwrap_or_default();
    let texts: Vec<String> = refusals
        .iter()
        .map(|refusal| format!("{}: {}", refusal.field, refusal.message))
        .collect();
    let reason = refusals
        .first()
        .map_or(Reason::InvalidSpec, |first| first.reason);
    let verdicts = verdicts(reason, [false, false, true], &texts.join("; "));
    // A refused change is not in the journal yet: it is told as observed once accepted.
    let generation = migration.metadata.generation;
    status.conditions = merge(&status.conditions, verdicts, generation, whole_second(now));
    status.phase = Some("Pending".into());
    status
}

/// The status that follows the previous one.
pub fn compute(migration: &Migration, seen: &Seen<'_>, now: Timestamp) -> MigrationStatus {
    let previous = migration.status.clone().unwrap_or_default();
    let generation = migration.metadata.generation;
    let whole = phase(seen.work, now);
    let (reason, flags, message) = told(whole, seen, now);
    let conditions = merge(
        &previous.conditions,
        verdicts(reason, flags, &message),
        generation,
        whole_second(now),
    );
    let facts = seen.facts.clone();
    let cut_over = facts.cut_over_at.is_some() && whole != Phase::RolledBack;
    let rates: Vec<u64> = seen.members.iter().filter_map(rate).collect();
    MigrationStatus {
        observed_generation: generation,
        conditions,
        phase: Some(format!("{whole:?}")),
        accounts: Some(accounts(seen, |_| true)),
        messages: Some(sum(seen.members.iter().map(Member::messages))),
        waves: (0..seen.plan.waves.len())
            .map(|index| wave(seen, index, now))
            .collect(),
        mailboxes: seen
            .members
            .iter()
            .enumerate()
            .take(MAILBOXES_MAXIMUM)
            .map(|(index, member)| mailbox(seen, index, member))
            .collect(),
        bytes_per_second: (!rates.is_empty()).then(|| rates.iter().sum()),
        reference: Some(if cut_over { "Space" } else { "Source" }.into()),
        cut_over_at: facts.cut_over_at,
        rollback_until: facts.rollback_until,
        proof_hash: facts.proof_hash,
        proof_rests_on: facts.proof_rests_on,
    }
}

fn wave(seen: &Seen<'_>, index: usize, now: Timestamp) -> WaveStatus {
    let planned = &seen.plan.waves[index];
    let phase = wave_phase(seen.work, index, now);
    let opens = match phase {
        Phase::Waiting => planned.rules.opens(now),
        _ => None,
    };
    WaveStatus {
        name: planned.name.clone(),
        phase: format!("{phase:?}"),
        accounts: accounts(seen, |member| member.wave == index),
        opens_at: opens.map(|instant| instant.to_string()),
        credentials_deleted_at: seen.facts.credentials_deleted.get(&planned.name).cloned(),
    }
}

fn mailbox(seen: &Seen<'_>, index: usize, member: &Member) -> MailboxStatus {
    let phase = account_phase(seen.work, &seen.work.accounts[index]);
    MailboxStatus {
        user: member.source_user.clone(),
        wave: seen.plan.waves[member.wave].name.clone(),
        phase: format!("{phase:?}"),
        pass: member.pass,
        messages: member.messages(),
        bytes_per_second: rate(member),
        reason: member.ended.as_ref().and_then(|ended| ended.reason.clone()),
    }
}

fn rate(member: &Member) -> Option<u64> {
    member
        .job
        .as_ref()
        .filter(|job| job.ended.is_none() && !job.deleting)?;
    member.moved.as_ref().map(|moved| moved.bytes_per_second)
}

fn accounts(seen: &Seen<'_>, of: impl Fn(&Member) -> bool) -> AccountCounts {
    let phases: Vec<AccountPhase> = seen
        .members
        .iter()
        .zip(&seen.work.accounts)
        .filter(|(member, _)| of(member))
        .map(|(_, account)| account_phase(seen.work, account))
        .collect();
    let count =
        |wanted: &[AccountPhase]| phases.iter().filter(|one| wanted.contains(one)).count() as u64;
    AccountCounts {
        total: phases.len() as u64,
        complete: count(&[AccountPhase::Complete, AccountPhase::CutOver]),
        incomplete: count(&[
            AccountPhase::Partial,
            AccountPhase::Failed,
            AccountPhase::Chasing,
        ]),
        running: count(&[AccountPhase::Running]),
    }
}

fn sum(all: impl Iterator<Item = MessageCounts>) -> MessageCounts {
    all.fold(MessageCounts::default(), |sum, one| MessageCounts {
        source: sum.source + one.source,
        copied: sum.copied + one.copied,
        absent: sum.absent + one.absent,
        bytes: sum.bytes + one.bytes,
        source_bytes: sum.source_bytes + one.source_bytes,
    })
}

/// Reason, `[Ready, Reconciling, Stalled]` and words.
fn told(whole: Phase, seen: &Seen<'_>, now: Timestamp) -> (Reason, [bool; 3], String) {
    match whole {
        Phase::Waiting => {
            let opens = seen.plan.waves.iter().filter_map(|wave| wave.rules.opens(now)).min();
            let when = opens.map_or_else(String::new, |instant| format!("; the next opens at {instant}"));
            (Reason::Waiting, [false, true, false], format!("no window is open{when}"))
        }
        Phase::Paused => (Reason::Paused, [false, false, true], "paused on request; set spec.paused to false to go on".into()),
        Phase::Running => (Reason::Running, [false, true, false], "mailboxes are being copied".into()),
        Phase::Complete => (Reason::Complete, [true, false, false], "everything was copied; see the proof".into()),
        Phase::Partial => (Reason::Partial, [false, false, true], "it ended with exceptions, all of them in the proof; raise spec.retry to try them again".into()),
        Phase::Failed => (Reason::Failed, [false, false, true], "no account could be copied; see the proof, then raise spec.retry".into()),
        Phase::Chasing => (Reason::Chasing, [false, false, true], "the source still changes; stop what writes to it, then set spec.sourceFrozen, or raise spec.run".into()),
        Phase::CutOver => {
            let until = seen.facts.rollback_until.clone().unwrap_or_default();
            (Reason::CutOver, [true, false, false], format!("everything is proven to be in the space; it may be rolled back until {until}"))
        }
        Phase::RolledBack => (Reason::RolledBack, [true, false, false], "the source is the reference again; nothing was deleted in the space".into()),
    }
}

fn verdicts(reason: Reason, flags: [bool; 3], message: &str) -> Vec<Verdict> {
    [READY, RECONCILING, STALLED]
        .into_iter()
        .zip(flags)
        .map(|(kind, holds)| Verdict {
            kind,
            holds,
            reason,
            message: message.to_owned(),
        })
        .collect()
}

fn whole_second(now: Timestamp) -> k8s_openapi::jiff::Timestamp {
    k8s_openapi::jiff::Timestamp::from_second(now.as_second()).unwrap_or_default()
}

/// Writes the status if it differs; tells whether it did.
pub async fn write(
    client: &Client,
    migration: &Migration,
    status: &MigrationStatus,
) -> Result<bool, kube::Error> {
    if migration.status.as_ref() == Some(status) {
        return Ok(false);
    }
    let namespace = migration.namespace().unwrap_or_default();
    let name = migration.name_any();
    let api: Api<Migration> = Api::namespaced(client.clone(), &namespace);
    let patch = json!({
        "apiVersion": format!("{}/{}", melouvert_api::GROUP, melouvert_api::VERSION),
        "kind": "Migration",
        "metadata": {"name": name, "uid": migration.metadata.uid},
        "status": status,
    });
    let params = PatchParams::apply(MANAGER).force();
    api.patch_status(&name, &params, &Patch::Apply(&patch))
        .await?;
    Ok(true)
}
