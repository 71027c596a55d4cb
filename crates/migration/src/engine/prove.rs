//! Turns journal and verdicts into the account's proof.

use std::collections::HashMap;

use super::Job;
use super::folder::FolderRun;
use crate::error::MigrationError;
use crate::imap::utf7;
use crate::journal::{FolderState, ItemRecord, Journal, Record};
use crate::model::{MessageHash, Uid, hash_of_hashes};
use crate::progress::Event;
use crate::proof::{AccountReport, Exception, FolderProof, Note, NoteKind, Reason};
use crate::source::SourceFolder;
use crate::verify::Verdict;

/// One folder with what was read back.
pub(super) struct Done {
    run: FolderRun,
    verdict: Option<Verdict>,
}

/// Journals what was read back; each difference becomes an exception.
pub(super) fn judge(
    job: &Job,
    journal: &mut Journal,
    runs: Vec<FolderRun>,
    verdicts: Vec<Verdict>,
    report: &mut AccountReport,
) -> Result<Vec<Done>, MigrationError> {
    let mut done: Vec<Done> = runs
        .into_iter()
        .map(|run| Done { run, verdict: None })
        .collect();
    for verdict in verdicts {
        let folder = &mut done[verdict.folder];
        let messages = verdict.messages;
        job.progress.event(Event::Verified {
            account: job.index,
            messages,
        });
        // What differs is read back, and told, by every run until it is right.
        let alike = verdict
            .differences
            .iter()
            .all(|one| one.reason == Reason::AbsentAtTarget);
        let verified = Record::Verified(folder.run.id, verdict.through);
        let mut records: Vec<Record> = alike.then_some(verified).into_iter().collect();
        for difference in &verdict.differences {
            let state = journal.state().by_id(folder.run.id);
            let item = state.and_then(|state| state.items.get(difference.source_uid));
            let was_there = item.zip(state).is_some_and(|(item, state)| {
                item.target_uid != 0 && item.target_uid <= state.verified
            });
            let mut reason = difference.reason;
            if reason == Reason::AbsentAtTarget && was_there {
                reason = Reason::DeletedAtTarget;
            }
            let uid = Some(difference.source_uid);
            let user = job.account.source.user();
            let mut exception = Exception::new(user, &folder.run.source.path, uid, reason)
                .saying(&difference.detail);
            if let Some(item) = item {
                exception = exception.about(item.size, item.date);
            }
            let event = Event::Exception {
                account: job.index,
                exception: exception.clone(),
            };
            job.progress.event(event);
            report.exceptions.push(exception);
            if reason == Reason::AbsentAtTarget {
                records.push(Record::Lost(folder.run.id, difference.source_uid));
            }
        }
        journal.append(records)?;
        folder.verdict = Some(verdict);
    }
    Ok(done)
}

/// Writes the proof of every folder: those at work in this run and those that needed none.
pub(super) fn folders(
    journal: &Journal,
    done: &[Done],
    skipped: &[SourceFolder],
    report: &mut AccountReport,
) {
    let mut proofs = Vec::new();
    for one in done {
        if let Some(state) = journal.state().by_id(one.run.id) {
            proofs.push(proof(state, &one.run.source, one.verdict.as_ref(), report));
        }
    }
    for source in skipped {
        if let Some(state) = journal.state().folder(&source.path) {
            proofs.push(proof(state, source, None, report));
        }
    }
    let used = done
        .iter()
        .map(|one| &one.run.source)
        .chain(skipped)
        .filter_map(|source| Some((source, source.role?)));
    for (source, role) in used {
        let target = journal.state().folder(&source.path);
        let name = target.map_or("", |state| state.record.target_name.as_str());
        let own = source
            .path
            .0
            .last()
            .map_or(String::new(), |level| utf7::encode(level));
        if !name.is_empty() && !name.ends_with(&own) {
            report.notes.push(Note {
                kind: NoteKind::SpecialUse,
                folder: source.path.to_string(),
                detail: format!("{role:?} goes to {name}, the target's folder for it"),
            });
        }
    }
    let known = done
        .iter()
        .filter_map(|one| journal.state().by_id(one.run.id))
        .chain(
            skipped
                .iter()
                .filter_map(|source| journal.state().folder(&source.path)),
        );
    for state in known {
        let mut note = |kind, detail| {
            let folder = state.record.path.to_string();
            report.notes.push(Note {
                kind,
                folder,
                detail,
            });
        };
        if !state.substitutes.is_empty() {
            note(
                NoteKind::Substitute,
                format!("UIDs {:?}", state.substitutes),
            );
        }
        let left_out = left_out(state);
        if left_out > 0 {
            note(NoteKind::View, format!("{left_out} messages"));
        }
    }
    proofs.sort_by(|a, b| a.path.cmp(&b.path));
    report.folders = proofs;
}

/// Messages of a view that are not copied, since another folder has them.
fn left_out(state: &FolderState) -> u64 {
    let left = state
        .left_out
        .keys()
        .filter(|uid| !state.items.contains(**uid));
    left.count() as u64
}

fn proof(
    state: &FolderState,
    source: &SourceFolder,
    verdict: Option<&Verdict>,
    report: &AccountReport,
) -> FolderProof {
    let path = source.path.to_string();
    let now: HashMap<Uid, MessageHash> = verdict
        .map(|verdict| verdict.found.iter().copied().collect())
        .unwrap_or_default();
    let exceptions = report
        .exceptions
        .iter()
        .filter(|e| e.folder == path)
        .count() as u64;
    let copied_messages = state.items.len() as u64;
    let source_hash = hash_of_hashes(state.items.iter().map(|item| item.hash));
    // What earlier runs read back alike stands as they found it.
    let read_back = |item: &ItemRecord| {
        let earlier = (item.target_uid <= state.verified).then_some(item.hash);
        now.get(&item.source_uid).copied().or(earlier)
    };
    let verified_messages = state.items.iter().filter_map(read_back).count() as u64;
    let alike = |item: &ItemRecord| read_back(item) == Some(item.hash);
    let target_hash = if state.items.iter().all(alike) {
        source_hash
    } else {
        hash_of_hashes(state.items.iter().filter_map(read_back))
    };
    FolderProof {
        target_name: state.record.target_name.clone(),
        source_messages: u64::from(source.watermark.messages),
        copied_messages,
        left_out_messages: left_out(state),
        copied_bytes: state.items.iter().map(|item| item.size).sum(),
        source_hash: source_hash.to_string(),
        verified_messages,
        target_hash: target_hash.to_string(),
        exceptions,
        complete: exceptions == 0 && source_hash == target_hash,
        path,
    }
}
