//! Carries accounts from source to target: survey, plan, copy, verify, prove.

mod account;
mod batch;
mod bounded;
mod carry;
mod claims;
mod collections;
mod folder;
#[cfg(test)]
mod interleavings;
mod listed;
mod options;
mod plan;
mod prove;
mod recover;
mod refused;
mod remarks;
mod renamed;
mod unsynced;
mod verifier;
mod views;
mod waiting;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Instant;

use futures::StreamExt;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

pub use account::set_aside;
pub use options::{Options, Verification};

use self::bounded::Bounded;
use crate::account::Account;
use crate::limits::Gate;
use crate::preflight::speed;
use crate::progress::{Event, Progress};
use crate::proof::{AccountReport, AccountStatus, FORMAT};
use crate::schedule;

/// How a run ended, and the exit code that says so.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing is absent.
    Complete,
    /// Some items are absent; the others are at the target.
    Partial,
    /// No account could be copied.
    Failed,
    /// Stopped on request before the end.
    Stopped,
}

impl Outcome {
    /// Exit code of a run whose input was refused before it began.
    pub const BAD_INPUT: u8 = 2;

    /// The process exit code: 0 complete, 3 partial, 4 failed, 5 stopped.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Complete => 0,
            Self::Partial => 3,
            Self::Failed => 4,
            Self::Stopped => 5,
        }
    }

    /// What accounts' ends amount to.
    pub fn of(accounts: &[AccountReport]) -> Self {
        let any = |status| accounts.iter().any(|account| account.status == status);
        if accounts
            .iter()
            .all(|account| account.status == AccountStatus::Complete)
        {
            Self::Complete
        } else if any(AccountStatus::Stopped) {
            Self::Stopped
        } else if accounts
            .iter()
            .all(|account| account.status == AccountStatus::Failed)
        {
            Self::Failed
        } else {
            Self::Partial
        }
    }
}

/// A run's proof.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Version of this form.
    pub format: String,
    /// When the run began.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// Per account, in the order given.
    pub accounts: Vec<AccountReport>,
}

/// Copies accounts, `options.jobs` at a time, keeping one journal per account under `state`.
///
/// Never fails as a whole: each account's failure is in the report. Cancelling `stop` ends the
/// run after the batches in flight.
pub async fn run(
    accounts: Vec<Account>,
    state: &Path,
    options: &Options,
    progress: Arc<dyn Progress>,
    stop: CancellationToken,
) -> Report {
    let started = Timestamp::now();
    let jobs = options.jobs.max(1);
    let sizes: Vec<u64> = accounts
        .iter()
        .map(|one| {
            let planned = options.planned_bytes.get(&one.key()).copied();
            planned.unwrap_or_else(|| journal_size(state, one))
        })
        .collect();
    let order = schedule::largest_first(&sizes);
    let errors = Arc::new(AtomicUsize::new(0));
    let gate = Gate::new(options.limits);
    let stop = stop.child_token();
    let accounts: Vec<Arc<Account>> = accounts.into_iter().map(Arc::new).collect();
    let mut reports: Vec<(usize, AccountReport)> = futures::stream::iter(order)
        .map(|index| {
            let job = Job {
                index,
                account: Arc::clone(&accounts[index]),
                directory: state.join(accounts[index].key()),
                options: options.clone(),
                progress: Arc::clone(&progress),
                stop: stop.clone(),
                errors: Arc::clone(&errors),
                gate: Arc::clone(&gate),
            };
            async move {
                let account = Arc::clone(&job.account);
                let task = tokio::spawn(job.run());
                let report = match task.await {
                    Ok(report) => report,
                    Err(error) => account::failed_task(&account, &error.to_string()),
                };
                (index, report)
            }
        })
        .buffer_unordered(jobs)
        .collect()
        .await;
    reports.sort_by_key(|(index, _)| *index);
    let accounts: Vec<AccountReport> = reports.into_iter().map(|(_, report)| report).collect();
    Report {
        format: FORMAT.to_owned(),
        started,
        finished: Timestamp::now(),
        outcome: Outcome::of(&accounts),
        accounts,
    }
}

/// A journal's length: how large an account was found to be by an earlier run.
fn journal_size(state: &Path, account: &Account) -> u64 {
    std::fs::metadata(state.join(account.key()).join("journal")).map_or(0, |file| file.len())
}

/// One account's work.
struct Job {
    index: usize,
    account: Arc<Account>,
    directory: std::path::PathBuf,
    options: Options,
    progress: Arc<dyn Progress>,
    stop: CancellationToken,
    errors: Arc<AtomicUsize>,
    gate: Arc<Gate>,
}

impl Job {
    async fn run(mut self) -> AccountReport {
        let begun = Instant::now();
        let bounded = Arc::new(Bounded::new(
            Arc::clone(&self.progress),
            Arc::clone(&self.errors),
            self.options.max_errors,
            self.stop.clone(),
        ));
        self.progress = Arc::<Bounded>::clone(&bounded);
        self.progress.event(Event::AccountStarted {
            account: self.index,
        });
        let mut report = account::copy(&self).await;
        report.seconds = begun.elapsed().as_secs_f64();
        if let Err(error) = speed::record(&self.directory, &report) {
            tracing::warn!(%error, "speed_not_noted");
        }
        let complete = report.status == AccountStatus::Complete;
        if !complete {
            bounded.settle(report.exceptions.len());
            if self.options.fail_fast {
                self.stop.cancel();
            }
        }
        self.progress.event(Event::AccountFinished {
            account: self.index,
            complete,
        });
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_have_distinct_exit_codes() {
        let outcomes = [
            Outcome::Complete,
            Outcome::Partial,
            Outcome::Failed,
            Outcome::Stopped,
        ];
        let mut codes: Vec<u8> = outcomes.iter().map(|outcome| outcome.exit_code()).collect();
        codes.push(Outcome::BAD_INPUT);
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), 5);
    }
}
