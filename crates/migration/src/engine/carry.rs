//! The folders of one account that have something to do: made, copied, read back.

use std::collections::HashSet;

use tokio::sync::mpsc;

use super::Job;
use super::batch::{Caution, Counts};
use super::folder::{self, FolderRun, OpenError};
use super::listed;
use super::plan::{FlagWork, FolderPlan};
use super::prove;
use super::recover::settle;
use super::unsynced;
use super::verifier;
use super::views::Views;
use super::writer::{Parts, Writer};
use crate::context::Context;
use crate::error::{EndpointError, MigrationError};
use crate::journal::{Journal, Record};
use crate::model::FolderPath;
use crate::progress::Event;
use crate::proof::{AccountReport, Exception, Note, NoteKind, Reason};
use crate::source::{FolderWork, Source, SourceFolder};
use crate::target::{FlagChange, Target, WantedFolder};

/// Opens the target, copies, verifies.
pub(super) async fn carry(
    job: &Job,
    context: &Context,
    journal: &mut Journal,
    (source, mut target, caution): (Box<dyn Source>, Box<dyn Target>, Caution),
    (work, views): (Vec<(SourceFolder, FolderPlan)>, Option<Views>),
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
    let changing = (&mut *target, connection);
    let changed = change_flags(job, journal, changing, &mut runs, report).await?;
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
        views,
    };
    let (counts, outcome) = copy_messages(job, source, parts).await;
    report.written_messages += counts.written;
    report.written_bytes += counts.written_bytes;
    report.matched_messages += counts.matched;
    report.vanished_messages += counts.vanished;
    let dated = counts.header_dates.iter();
    report.notes.extend(dated.map(|(folder, messages)| Note {
        kind: NoteKind::DateFromHeader,
        folder: runs[*folder].source.path.to_string(),
        detail: format!("{messages} messages"),
    }));
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
        pass_barrier(job, &mut *target, now).await?;
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

pub(super) fn source_error(job: &Job, source: EndpointError) -> MigrationError {
    MigrationError::Source {
        account: job.account.source.user().to_owned(),
        source,
    }
}

pub(super) fn target_error(job: &Job, source: EndpointError) -> MigrationError {
    MigrationError::Target {
        account: job.account.target.user().to_owned(),
        source,
    }
}

/// Waits until the target cannot forget any more what was done over this connection.
async fn pass_barrier(
    job: &Job,
    target: &mut dyn Target,
    connection: u64,
) -> Result<(), MigrationError> {
    let passed = unsynced::barrier(target, connection).await;
    passed.map_err(|source| MigrationError::Unsettled {
        account: job.account.target.user().to_owned(),
        source,
    })
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
    (target, connection): (&mut (dyn Target + '_), u64),
    runs: &mut [FolderRun],
    report: &mut AccountReport,
) -> Result<u64, MigrationError> {
    let mut carried = 0;
    let mut records = Vec::new();
    for run in runs.iter_mut().filter(|run| !run.plan.flags.is_empty()) {
        let work = std::mem::take(&mut run.plan.flags);
        let changes = flag_changes(&work);
        let left_out = target
            .change_flags(&run.target.name, &changes)
            .await
            .map_err(|error| target_error(job, error))?;
        carried += changes.len() as u64;
        for work in &work {
            if left_out.binary_search(&work.target_uid).is_ok() {
                report.exceptions.push(flags_left_out(job, run, work));
            }
        }
        let of_folder = work.into_iter();
        records.extend(of_folder.map(|work| Record::Flags(run.id, work.source_uid, work.now)));
        if !target.forgetful() {
            journal.append(std::mem::take(&mut records))?;
        }
    }
    if !records.is_empty() {
        pass_barrier(job, target, connection).await?;
        journal.append(records)?;
    }
    Ok(carried)
}

/// The target does not take all flags that a message got at the source.
fn flags_left_out(job: &Job, run: &FolderRun, work: &FlagWork) -> Exception {
    let (user, uid) = (job.account.source.user(), Some(work.source_uid));
    let exception = Exception::new(user, &run.source.path, uid, Reason::FlagsDiffer);
    let exception = exception.saying(format!("the target does not take all of ({})", work.now));
    job.progress.event(Event::Exception {
        account: job.index,
        exception: exception.clone(),
    });
    exception
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
    // One that waits for its server need not be waited for after a stop.
    let stopped = job.stop.is_cancelled();
    if outcome.is_err() || stopped {
        reader.abort();
    }
    let read = reader.await;
    if outcome.is_ok() && !stopped {
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
