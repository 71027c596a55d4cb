//! One account from survey to proof.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;

use super::Job;
use super::batch::Caution;
use super::carry::{carry, source_error, target_error};
use super::collections;
use super::options::Verification;
use super::plan::{FolderPlan, afresh, plan};
use super::prove;
use super::renamed;
use super::views::Views;
use crate::account::Account;
use crate::context::Context;
use crate::error::{EndpointError, MigrationError};
use crate::journal::{Journal, JournalState, Watermark};
use crate::model::FolderPath;
use crate::patience::Teller;
use crate::payload::Room;
use crate::progress::Event;
use crate::proof::{AccountReport, AccountStatus, Exception, Failure, Note, NoteKind, Reason};
use crate::source::{self, Known, Source, SourceFolder};
use crate::target;

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
        teller: Teller::new(job.index, std::sync::Arc::clone(&job.progress)),
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
    let unread = source.unread_lines();
    let (surveyed, replaced) = follow(job, &mut journal, &mut *source, surveyed, report).await?;
    let folders = surveyed.len();
    let views = Views::of(journal.state(), &surveyed);
    let (work, skipped) = sort_out(job, &journal, surveyed, (&replaced, views.as_ref()), report);
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
        done = carry(job, &context, &mut journal, ends, (work, views), report).await?;
    }
    note_unread(unread.load(Ordering::Relaxed), report);
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

/// The journal follows folders that moved at the source. Where another folder took a known one's
/// place the source is asked for all that is there; the paths are those of which the journal knows
/// nothing any more.
async fn follow(
    job: &Job,
    journal: &mut Journal,
    source: &mut dyn Source,
    surveyed: Vec<SourceFolder>,
    report: &mut AccountReport,
) -> Result<(Vec<SourceFolder>, HashSet<FolderPath>), MigrationError> {
    let failed = |error: EndpointError| source_error(job, error);
    let moved = renamed::recognise(journal.state(), source, &surveyed).await;
    let moved = moved.map_err(failed)?;
    let replaced = moved.replaced();
    report.notes.extend(moved.notes);
    journal.append(moved.records)?;
    if moved.taken.is_empty() {
        return Ok((surveyed, replaced));
    }
    tracing::warn!(folders = moved.taken.len(), "folders_taken_by_others");
    let mut known = Complete::of(journal.state());
    known.0.retain(|path, _| !moved.taken.contains(path));
    let surveyed = source.survey(&known).await.map_err(failed)?;
    Ok((surveyed, replaced))
}

/// Folders with something to do, and those that are as they were. One that cannot be read is an
/// exception.
fn sort_out(
    job: &Job,
    journal: &Journal,
    surveyed: Vec<SourceFolder>,
    (replaced, views): (&HashSet<FolderPath>, Option<&Views>),
    report: &mut AccountReport,
) -> (Vec<(SourceFolder, FolderPlan)>, Vec<SourceFolder>) {
    let mut skipped = Vec::new();
    let mut work = Vec::new();
    for folder in surveyed {
        let told = folder
            .unreadable
            .as_ref()
            .map(|why| (Reason::SourceFolderUnavailable, why));
        let told = told.or(folder
            .partly
            .as_ref()
            .map(|why| (Reason::SourceUndeliverable, why)));
        if let Some((reason, why)) = told {
            let user = job.account.source.user();
            let exception = Exception::new(user, &folder.path, None, reason).saying(why);
            job.progress.event(Event::Exception {
                account: job.index,
                exception: exception.clone(),
            });
            report.exceptions.push(exception);
        }
        if folder.unreadable.is_some() {
            continue;
        }
        let plan = if replaced.contains(&folder.path) {
            afresh(&folder)
        } else {
            plan(&folder, journal.state(), views)
        };
        let subscribe = folder.subscribed && !journal.state().subscribed.contains(&folder.path);
        let unverified = plan.unverified && job.options.verification == Verification::New
            || job.options.verification == Verification::All;
        if plan.settled && !subscribe && !unverified {
            skipped.push(folder);
        } else {
            work.push((folder, plan));
        }
    }
    work.sort_by_key(|(folder, _)| folder.view);
    (work, skipped)
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
    report
        .notes
        .extend(source.subscriptions_unknown().map(|detail| Note {
            kind: NoteKind::SubscriptionsUnknown,
            folder: String::new(),
            detail,
        }));
}

fn note_unread(lines: u64, report: &mut AccountReport) {
    if lines > 0 {
        report.notes.push(Note {
            kind: NoteKind::LinesPassedOver,
            folder: String::new(),
            detail: format!("{lines} lines"),
        });
    }
}
