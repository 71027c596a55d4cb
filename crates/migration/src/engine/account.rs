//! One account from survey to proof.

use std::collections::{HashMap, HashSet};

use tokio::sync::mpsc;

use super::Job;
use super::collections;
use super::folder::{self, FolderRun, OpenError};
use super::listed;
use super::options::Verification;
use super::plan::{FlagWork, FolderPlan, plan};
use super::prove;
use super::recover::settle;
use super::renamed;
use super::unsynced;
use super::verifier;
use super::writer::{Caution, Counts, Parts, Writer};
use crate::account::Account;
use crate::context::Context;
use crate::error::{EndpointError, MigrationError};
use crate::journal::{Journal, JournalState, Record, Watermark};
use crate::model::FolderPath;
use crate::payload::Room;
use crate::progress::Event;
use crate::proof::{AccountReport, AccountStatus, Exception, Failure, Note, NoteKind, Reason};
use crate::source::{self, FolderWork, Known, Source, SourceFolder};
use crate::target::{self, FlagChange, Target, WantedFolder};

struct Complete(HashMap<FolderPath, (u32, Watermark)>);

impl Known for Complete {
    fn complete(&self, path: &FolderPath) -> Option<(u32, Watermark)> {
        self.0.get(path).copied()
    }
}

impl Complete {
    fn of(journal: &JournalState) -> Self {
        let marks = journal.folders().filter_map(|state| {
            let mark = state.complete?;
            Some((
                state.record.path.clone(),
                (state.record.source_validity, mark),
            ))
        });
        Self(marks.collect())
    }
}

/// An account's report before anything is known.
fn blank(account: &Account) -> AccountReport {
    let (source, target) = (&account.source, &account.target);
    AccountReport::blank((source.url(), source.user()), (target.url(), target.user()))
}

/// The report of an account that a plan sets aside: nothing was tried.
pub fn set_aside(account: &Account, why: &str) -> AccountReport {
    let failure = Failure {
        reason: "no_go".to_owned(),
        message: why.to_owned(),
    };
    AccountReport {
        failure: Some(failure),
        ..blank(account)
    }
}

/// The report of an account whose task died.
pub(super) fn failed_task(account: &Account, why: &str) -> AccountReport {
    let error = MigrationError::Task(why.to_owned());
    let failure = Failure {
        reason: error.reason().to_owned(),
        message: error.chain(),
    };
    AccountReport {
        failure: Some(failure),
        ..blank(account)
    }
}

/// Copies one account.
pub(super) async fn copy(job: &Job) -> AccountReport {
    let mut report = blank(&job.account);
    if job.stop.is_cancelled() {
        report.status = AccountStatus::Stopped;
        return report;
    }
    match copy_persistently(job, &mut report).await {
        Ok(()) if report.exceptions.is_empty() => report.status = AccountStatus::Complete,
        Ok(()) => report.status = AccountStatus::Partial,
        Err(MigrationError::Stopped) => report.status = AccountStatus::Stopped,
        Err(error) => {
            let message = error.chain();
            tracing::warn!(
                account = report.source_user,
                error = message,
                "account_failed"
            );
            report.failure = Some(Failure {
                reason: error.reason().to_owned(),
                message,
            });
        }
    }
    report
}

/// Begins again from the journal where a forgetful target may have lost what it acknowledged.
async fn copy_persistently(job: &Job, report: &mut AccountReport) -> Result<(), MigrationError> {
    let backoff = job.options.backoff;
    let mut attempt = 0;
    loop {
        let ended = copy_inner(job, attempt, report).await;
        let Err(MigrationError::Unsettled { account, source }) = ended else {
            return ended;
        };
        attempt += 1;
        if attempt >= backoff.tries || job.stop.is_cancelled() {
            return Err(MigrationError::Target { account, source });
        }
        tracing::warn!(account, error = %source, attempt, "account_begun_again");
        tokio::time::sleep(backoff.pause(attempt - 1)).await;
        // What this attempt brought into the journal stays; the next finds its exceptions again.
        *report = AccountReport {
            written_messages: report.written_messages,
            written_bytes: report.written_bytes,
            matched_messages: report.matched_messages,
            flag_changes: report.flag_changes,
            ..blank(&job.account)
        };
    }
}

async fn copy_inner(
    job: &Job,
    attempt: u32,
    report: &mut AccountReport,
) -> Result<(), MigrationError> {
    let mut journal = Journal::open(&job.directory)?;
    let room = Room::new(job.options.memory, job.options.disk, &job.directory);
    let context = Context {
        timeouts: job.options.patience(),
        backoff: job.options.backoff,
        room,
        gate: std::sync::Arc::clone(&job.gate),
        directory: job.directory.clone(),
    };
    let mut source =
        source::open(&job.account.source, &context).map_err(|error| source_error(job, error))?;
    let known = Complete::of(journal.state());
    let mut target =
        target::open(&job.account.target, &context).map_err(|error| target_error(job, error))?;
    let first_time = journal.state().folders().next().is_none();
    let warm_up = async {
        // A first run writes in any case: both servers are logged in to at once. A failure here is
        // met again, and told, when the target is needed.
        if first_time && let Err(error) = target.reconnect().await {
            tracing::warn!(%error, "target_not_ready");
        }
    };
    let surveyed = tokio::select! {
        () = job.stop.cancelled() => return Err(MigrationError::Stopped),
        (surveyed, ()) = futures::future::join(source.survey(&known), warm_up) => {
            surveyed.map_err(|error| source_error(job, error))?
        }
    };
    note_left_alone(&*source, report);
    let moved = renamed::recognise(journal.state(), &mut *source, &surveyed)
        .await
        .map_err(|error| source_error(job, error))?;
    report.notes.extend(moved.notes);
    journal.append(moved.records)?;
    let folders = surveyed.len();
    let (work, skipped) = sort_out(job, &journal, surveyed, report);
    if attempt == 0 {
        let to_copy = work.iter().map(|(_, plan)| plan.uids.len() as u64).sum();
        job.progress.event(Event::Surveyed {
            account: job.index,
            folders,
            to_copy,
        });
    }
    let mut done = Vec::new();
    if !work.is_empty() {
        let caution = Caution {
            step_by_step: attempt > 1,
            mend_flags: attempt > 0 || journal.state().interrupted,
        };
        let ends = (source, target, caution);
        done = carry(job, &context, &mut journal, ends, work, report).await?;
    }
    prove::folders(&journal, &done, &skipped, report);
    collections::keep(job, report).await?;
    // The target that copied may be gone by now; what it summarises is on its disk.
    let mut target =
        target::open(&job.account.target, &context).map_err(|error| target_error(job, error))?;
    target
        .finish()
        .await
        .map_err(|error| target_error(job, error))
}

/// Folders with something to do, and those that are as they were. One that cannot be read is an
/// exception.
fn sort_out(
    job: &Job,
    journal: &Journal,
    surveyed: Vec<SourceFolder>,
    report: &mut AccountReport,
) -> (Vec<(SourceFolder, FolderPlan)>, Vec<SourceFolder>) {
    let mut skipped = Vec::new();
    let mut work = Vec::new();
    for folder in surveyed {
        if let Some(why) = &folder.unreadable {
            let reason = Reason::SourceFolderUnavailable;
            let user = job.account.source.user();
            let exception = Exception::new(user, &folder.path, None, reason).saying(why);
            job.progress.event(Event::Exception {
                account: job.index,
                exception: exception.clone(),
            });
            report.exceptions.push(exception);
            continue;
        }
        let plan = plan(&folder, journal.state());
        let subscribe = folder.subscribed && !journal.state().subscribed.contains(&folder.path);
        let unverified = plan.unverified && job.options.verification == Verification::New
            || job.options.verification == Verification::All;
        if plan.settled && !subscribe && !unverified {
            skipped.push(folder);
        } else {
            work.push((folder, plan));
        }
    }
    (work, skipped)
}

/// Opens the target, copies, verifies.
async fn carry(
    job: &Job,
    context: &Context,
    journal: &mut Journal,
    (source, mut target, caution): (Box<dyn Source>, Box<dyn Target>, Caution),
    work: Vec<(SourceFolder, FolderPlan)>,
    report: &mut AccountReport,
) -> Result<Vec<prove::Done>, MigrationError> {
    let opened = open_folders(job, journal, &mut *target, work, report).await?;
    let (mut runs, subscribing, connection) = opened;
    journal.append(vec![Record::Opened])?;
    let (finished, jobs) = mpsc::unbounded_channel();
    let verifier = tokio::spawn(verifier::run(
        job.account.target.clone(),
        context.clone(),
        jobs,
    ));
    let changed = change_flags(job, journal, (&mut *target, connection), &mut runs).await?;
    let parts = Parts {
        account: job.index,
        user: job.account.source.user(),
        options: &job.options,
        target: &mut *target,
        journal,
        folders: &mut runs,
        progress: &*job.progress,
        exceptions: &mut report.exceptions,
        finished: &finished,
        stop: &job.stop,
        caution,
        connection,
    };
    let (counts, outcome) = copy_messages(job, source, parts).await;
    report.written_messages += counts.written;
    report.written_bytes += counts.written_bytes;
    report.matched_messages += counts.matched;
    report.vanished_messages += counts.vanished;
    report.flag_changes += changed;
    drop(finished);
    let verdicts = verifier
        .await
        .map_err(|error| MigrationError::Task(error.to_string()))?;
    outcome?;
    journal.append(vec![Record::Closed])?;
    let verdicts = verdicts.map_err(|source| target_error(job, source))?;
    if !job.stop.is_cancelled() {
        // Over whichever connection the subscriptions were made: what the listing shows after a
        // barrier is on disk.
        let now = target.connection();
        let passed = unsynced::barrier(&mut *target, now).await;
        passed.map_err(|source| unsettled(job, source))?;
        let written = (runs.as_slice(), &subscribing);
        listed::read_back(job, journal, &mut *target, written, report).await?;
    }
    let done = prove::judge(job, journal, runs, verdicts, report)?;
    journal.sync()?;
    if job.stop.is_cancelled() {
        Err(MigrationError::Stopped)
    } else {
        Ok(done)
    }
}

fn note_left_alone(source: &dyn Source, report: &mut AccountReport) {
    let note = |path: FolderPath| Note {
        kind: NoteKind::FolderOfOthers,
        folder: path.to_string(),
        detail: "it belongs to another user or to all".to_owned(),
    };
    report
        .notes
        .extend(source.left_alone().into_iter().map(note));
}

fn source_error(job: &Job, source: EndpointError) -> MigrationError {
    MigrationError::Source {
        account: job.account.source.user().to_owned(),
        source,
    }
}

fn target_error(job: &Job, source: EndpointError) -> MigrationError {
    MigrationError::Target {
        account: job.account.target.user().to_owned(),
        source,
    }
}

fn unsettled(job: &Job, source: EndpointError) -> MigrationError {
    MigrationError::Unsettled {
        account: job.account.target.user().to_owned(),
        source,
    }
}

/// Target names that journalled folders outside `wanted` have.
fn names_of_others(journal: &Journal, wanted: &[WantedFolder]) -> Vec<String> {
    let own: HashSet<&FolderPath> = wanted.iter().map(|folder| &folder.path).collect();
    let records = journal.state().folders().map(|state| &state.record);
    records
        .filter(|record| !own.contains(&record.path))
        .map(|record| record.target_name.clone())
        .collect()
}

/// Makes the folders and reads back what they hold; the number is that of the target's connection
/// over which all of it was seen.
async fn open_folders(
    job: &Job,
    journal: &mut Journal,
    target: &mut dyn Target,
    work: Vec<(SourceFolder, FolderPlan)>,
    report: &mut AccountReport,
) -> Result<(Vec<FolderRun>, HashSet<FolderPath>, u64), MigrationError> {
    let wanted: Vec<WantedFolder> = work
        .iter()
        .map(|(folder, _)| WantedFolder {
            path: folder.path.clone(),
            name: journal
                .state()
                .folder(&folder.path)
                .map(|s| s.record.target_name.clone()),
            subscribe: folder.subscribed && !journal.state().subscribed.contains(&folder.path),
            role: folder.role.filter(|_| job.options.special_use),
        })
        .collect();
    target.reserve(names_of_others(journal, &wanted));
    let prepared = target
        .prepare(&wanted)
        .await
        .map_err(|error| target_error(job, error))?;
    let connection = target.connection();
    let interrupted = journal.state().interrupted;
    let mut runs = Vec::new();
    let mut subscribing = HashSet::new();
    for (((folder, plan), wanted), at_target) in work.into_iter().zip(&wanted).zip(prepared) {
        let mut at_target = match at_target {
            Ok(at_target) => at_target,
            Err(why) => {
                let (user, reason) = (job.account.source.user(), Reason::TargetFolderRefused);
                report
                    .exceptions
                    .push(Exception::new(user, &folder.path, None, reason).saying(why));
                continue;
            }
        };
        let state = journal.state().folder(&folder.path);
        // An earlier session may still be storing what had reached the server before a kill.
        let may_move = match state {
            Some(state) => interrupted && state.complete.is_none(),
            None => at_target.messages > 0 || interrupted,
        };
        if may_move && !plan.settled {
            at_target = settle(target, &at_target.name)
                .await
                .map_err(|error| target_error(job, error))?;
        }
        if wanted.subscribe {
            subscribing.insert(folder.path.clone());
        }
        let opened = folder::open(target, journal, folder, plan, at_target).await;
        let run = opened.map_err(|error| match error {
            OpenError::Target(error) => target_error(job, error),
            OpenError::Migration(error) => error,
        })?;
        report.vanished_messages += tell_gone(journal, &run)?;
        runs.push(run);
    }
    Ok((runs, subscribing, connection))
}

/// Journals what was deleted at the source after it had been copied; returns how many.
fn tell_gone(journal: &mut Journal, run: &FolderRun) -> Result<u64, MigrationError> {
    // A record holds only so much.
    let records = run.plan.gone.chunks(10_000);
    let records = records.map(|uids| Record::Gone(run.id, uids.to_vec()));
    journal.append(records.collect())?;
    Ok(run.plan.gone.len() as u64)
}

/// What to change at the target. A flag set on one side only is that side's change: what the
/// target's user did to other flags stays.
pub(super) fn flag_changes(work: &[FlagWork]) -> Vec<FlagChange> {
    work.iter()
        .map(|work| FlagChange {
            uid: work.target_uid,
            add: work.now.minus(&work.base),
            remove: work.base.minus(&work.now),
        })
        .collect()
}

async fn change_flags(
    job: &Job,
    journal: &mut Journal,
    (target, connection): (&mut dyn Target, u64),
    runs: &mut [FolderRun],
) -> Result<u64, MigrationError> {
    let mut carried = 0;
    let mut records = Vec::new();
    for run in runs.iter_mut().filter(|run| !run.plan.flags.is_empty()) {
        let work = std::mem::take(&mut run.plan.flags);
        let changes = flag_changes(&work);
        target
            .change_flags(&run.target.name, &changes)
            .await
            .map_err(|error| target_error(job, error))?;
        carried += changes.len() as u64;
        let of_folder = work.into_iter();
        records.extend(of_folder.map(|work| Record::Flags(run.id, work.source_uid, work.now)));
        if !target.forgetful() {
            journal.append(std::mem::take(&mut records))?;
        }
    }
    if !records.is_empty() {
        let passed = unsynced::barrier(target, connection).await;
        passed.map_err(|source| unsettled(job, source))?;
        journal.append(records)?;
    }
    Ok(carried)
}

async fn copy_messages(
    job: &Job,
    mut source: Box<dyn Source>,
    parts: Parts<'_>,
) -> (Counts, Result<(), MigrationError>) {
    let mut work = Vec::new();
    let mut empty = Vec::new();
    for (index, run) in parts.folders.iter().enumerate() {
        let uids = run.plan.uids.clone();
        if uids.is_empty() {
            empty.push(index);
        } else {
            let (name, validity) = (run.source.name.clone(), run.source.validity);
            work.push(FolderWork {
                index,
                name,
                validity,
                uids,
            });
        }
    }
    let mut writer = Writer::new(parts);
    for index in empty {
        if let Err(error) = writer.nothing_to_copy(index) {
            return (writer.counts, Err(error));
        }
    }
    if work.is_empty() {
        return (writer.counts, Ok(()));
    }
    let planned: Vec<(usize, Vec<u32>)> = work
        .iter()
        .map(|part| (part.index, part.uids.clone()))
        .collect();
    let (out, deliveries) = mpsc::channel(256);
    let reader = tokio::spawn(async move { source.read(work, out).await });
    let mut outcome = writer.write(deliveries).await;
    // The receiver is gone by now, which ends the reader if it is still at work; after an error
    // what the writer still holds may be the very room that the reader waits for.
    if outcome.is_err() {
        reader.abort();
    }
    let read = reader.await;
    if outcome.is_ok() {
        outcome = match read {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(source_error(job, error)),
            Err(error) => Err(MigrationError::Task(error.to_string())),
        };
    }
    if outcome.is_ok() && writer.is_full() {
        writer.report_unreached(&planned);
    }
    (writer.counts, outcome)
}
