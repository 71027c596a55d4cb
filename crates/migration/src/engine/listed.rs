//! Reads the target's folders and subscriptions back, in a listing made after everything was
//! written.

use std::collections::{HashMap, HashSet};

use super::Job;
use super::folder::FolderRun;
use super::options::Verification;
use crate::error::{EndpointError, MigrationError};
use crate::journal::{Journal, Record};
use crate::model::FolderPath;
use crate::progress::Event;
use crate::proof::{AccountReport, Exception, Reason};
use crate::target::Target;

/// What a listing showed of one folder.
enum Seen {
    Absent,
    There { subscribed: bool },
}

/// Compares, and journals the subscriptions that are there: those that are not are carried over
/// again by the next run. What earlier runs subscribed to is the target's user's since.
pub(super) async fn read_back(
    job: &Job,
    journal: &mut Journal,
    target: &mut dyn Target,
    (runs, subscribing): (&[FolderRun], &HashSet<FolderPath>),
    report: &mut AccountReport,
) -> Result<(), MigrationError> {
    let looked = look(job, target, runs).await;
    let seen = looked.map_err(|source| MigrationError::Target {
        account: job.account.target.user().to_owned(),
        source,
    })?;
    let mut records = Vec::new();
    for (place, run) in runs.iter().enumerate() {
        let path = &run.source.path;
        let wanted = subscribing.contains(path);
        let wrong = match seen.as_ref().map(|seen| &seen[place]) {
            Some(Seen::Absent) => Some(Reason::FolderAbsent),
            Some(Seen::There { subscribed: false }) if wanted => Some(Reason::SubscriptionDiffers),
            Some(Seen::There { .. }) => {
                report.listed_folders += 1;
                report.listed_subscriptions += u64::from(wanted);
                None
            }
            None => None,
        };
        match wrong {
            Some(reason) => tell(job, report, path, reason, &run.target.name),
            None if wanted => records.push(Record::Subscribed(path.clone())),
            None => {}
        }
    }
    journal.append(records)
}

/// What a new listing shows of each folder; none when nothing is to be read back.
async fn look(
    job: &Job,
    target: &mut dyn Target,
    runs: &[FolderRun],
) -> Result<Option<Vec<Seen>>, EndpointError> {
    if job.options.verification == Verification::None {
        return Ok(None);
    }
    let Some(listed) = target.listed().await? else {
        return Ok(None);
    };
    let listed: HashMap<String, bool> = listed
        .into_iter()
        .map(|folder| (folder.name, folder.subscribed))
        .collect();
    let mut seen = Vec::with_capacity(runs.len());
    for run in runs {
        let name = &run.target.name;
        seen.push(match listed.get(name) {
            Some(subscribed) => Seen::There {
                subscribed: *subscribed,
            },
            // A server may list a name in another writing than it takes it in.
            None if target.state(name).await.is_ok() => Seen::There { subscribed: true },
            None => Seen::Absent,
        });
    }
    Ok(Some(seen))
}

fn tell(
    job: &Job,
    report: &mut AccountReport,
    path: &FolderPath,
    reason: Reason,
    target_name: &str,
) {
    let user = job.account.source.user();
    let exception =
        Exception::new(user, path, None, reason).saying(format!("{target_name} at the target"));
    job.progress.event(Event::Exception {
        account: job.index,
        exception: exception.clone(),
    });
    report.exceptions.push(exception);
}
