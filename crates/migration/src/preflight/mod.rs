//! The plan of a migration: what is to be copied, whether it will fit and how long it will take,
//! account by account, told before anything is written.
//!
//! Scans read only: the source as a copy does (EXAMINE), the target by LIST, quota and rights.

mod decide;
mod findings;
mod names;
mod plan;
mod source;
pub mod speed;
mod target;

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use futures::StreamExt;
use jiff::Timestamp;

pub use findings::{Concern, Finding, Severity};
pub use plan::{AccountPlan, Decision, FolderPlan, PLAN_FORMAT, Plan, PlanError, QuotaRoom};

use crate::account::{Account, Origin};
use crate::backoff::Backoff;
use crate::imap::Timeouts;
use crate::journal::Journal;
use crate::limits::{Gate, Limits};
use crate::patience::{Patience, Side, Teller};

/// How to plan.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Accounts copied, and scanned, at once.
    pub jobs: usize,
    /// The largest message that the target takes, besides what it tells itself.
    pub max_message_size: Option<u64>,
    /// Deadlines on the wire.
    pub timeouts: Timeouts,
    /// Reconnection.
    pub backoff: Backoff,
    /// What the old servers are spared.
    pub limits: Limits,
    /// Sent mail, trash and the like go to the target's folders for that.
    pub special_use: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            jobs: 4,
            max_message_size: None,
            timeouts: Timeouts::default(),
            backoff: Backoff {
                tries: 2,
                ..Backoff::default()
            },
            limits: Limits::default(),
            special_use: true,
        }
    }
}

/// How servers are reached, for all accounts of a plan.
struct Reach {
    timeouts: Timeouts,
    backoff: Backoff,
    gate: Arc<Gate>,
}

impl Reach {
    fn patience(&self, side: Side) -> Patience {
        Patience::new(self.backoff, side, Teller::default())
    }
}

/// Listens to a planning: called with the number of accounts that are done.
pub type OnAccount = Arc<dyn Fn(usize) + Send + Sync>;

/// Scans every account. `state` is the folder of the journals of earlier runs, only read.
///
/// Never fails as a whole: an account that cannot be scanned is no-go with its reason.
pub async fn run(
    accounts: &[Account],
    state: Option<&Path>,
    settings: &Settings,
    on: OnAccount,
) -> Plan {
    let mut done = 0;
    let jobs = settings.jobs.max(1);
    let reach = &Reach {
        timeouts: settings.timeouts.patient(&settings.limits, jobs),
        backoff: settings.backoff,
        gate: Gate::new(settings.limits),
    };
    let scans = futures::stream::iter(accounts.iter().enumerate())
        .map(|(index, account)| async move { (index, scan(account, state, settings, reach).await) })
        .buffer_unordered(jobs);
    let mut plans: Vec<(usize, AccountPlan)> = scans
        .inspect(|_| {
            done += 1;
            on(done);
        })
        .collect()
        .await;
    plans.sort_by_key(|(index, _)| *index);
    let plans = plans.into_iter().map(|(_, plan)| plan).collect();
    let at_once = jobs.min(lanes(accounts, &settings.limits));
    let pace = plan::Pace {
        jobs,
        at_once,
        bytes_per_second: settings.limits.bytes_per_second,
    };
    Plan::assemble(accounts, plans, pace, Timestamp::now())
}

/// Accounts that the limit on connections lets go at once: each has one to its source.
fn lanes(accounts: &[Account], limits: &Limits) -> usize {
    let Some(most) = limits.max_connections_per_host else {
        return usize::MAX;
    };
    let mut hosts = HashSet::new();
    let mut files = 0;
    for account in accounts {
        match &account.source {
            Origin::Imap(server) => {
                hosts.insert(server.host.to_ascii_lowercase());
            }
            Origin::Files(_) => files += 1,
        }
    }
    (hosts.len().saturating_mul(most) + files).max(1)
}

async fn scan(
    account: &Account,
    state: Option<&Path>,
    settings: &Settings,
    reach: &Reach,
) -> AccountPlan {
    let directory = state.map(|state| state.join(account.key()));
    let journal = directory
        .as_deref()
        .map(Journal::peek)
        .transpose()
        .map(|known| known.flatten().unwrap_or_default());
    let target = target::scan(&account.target, reach).await;
    let told = target.as_ref().ok().and_then(|target| target.append_limit);
    let limit = [settings.max_message_size, told]
        .into_iter()
        .flatten()
        .min();
    let source = source::scan(&account.source, reach, limit).await;
    let earlier = directory.as_deref().and_then(speed::recall);
    let facts = decide::Facts {
        source,
        target,
        journal,
        limit,
        earlier,
        special_use: settings.special_use,
        bytes_per_second: settings.limits.bytes_per_second,
    };
    decide::decide(account, facts)
}
