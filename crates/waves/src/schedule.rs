//! Who starts, who stops, and with which share of the caps.
//!
//! Never above a cap, never outside a window, always progress: whenever an account is due, its wave
//! is open and a slot is free, somebody starts.

use std::cmp::Reverse;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    account::{Goal, Known, Stage, Want},
    window::Window,
};

/// What a migration may take together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Accounts copied at once.
    pub jobs: u32,
    /// Connections to the source.
    pub connections: Option<u32>,
    /// Bytes a second read from the source.
    pub bytes_per_second: Option<u64>,
}

impl Limits {
    /// How many accounts may run at once.
    fn slots(&self) -> u32 {
        let jobs = self.jobs.max(1);
        self.connections.map_or(jobs, |most| jobs.min(most.max(1)))
    }
}

/// One account's part of the caps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Share {
    /// Connections to the source; unbounded when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<u32>,
    /// Bytes a second read from the source; unbounded when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<u64>,
}

/// When a wave may run and how far.
#[derive(Debug, Clone, PartialEq)]
pub struct Wave {
    /// What is asked of its accounts.
    pub want: Want,
    /// Not before this instant.
    pub not_before: Option<Timestamp>,
    /// Only while one of these is open; always when empty.
    pub windows: Vec<Window>,
}

impl Wave {
    /// Whether its accounts may run now, pauses apart.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.want.stage != Stage::RolledBack
            && self.not_before.is_none_or(|instant| instant <= now)
            && (self.windows.is_empty() || self.windows.iter().any(|window| window.is_open(now)))
    }

    /// When it opens, if it is closed and ever does.
    pub fn opens(&self, now: Timestamp) -> Option<Timestamp> {
        if self.is_open(now) || self.want.stage == Stage::RolledBack {
            return None;
        }
        let start = self.not_before.map_or(now, |instant| instant.max(now));
        if self.windows.is_empty() || self.windows.iter().any(|window| window.is_open(start)) {
            return Some(start);
        }
        self.windows
            .iter()
            .filter_map(|window| window.opens(start))
            .min()
    }

    /// When what may run may change: it opens, or one of its windows closes.
    fn changes(&self, now: Timestamp) -> Option<Timestamp> {
        if self.is_open(now) {
            self.windows
                .iter()
                .filter_map(|window| window.closes(now))
                .min()
        } else {
            self.opens(now)
        }
    }
}

/// An account at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Running {
    /// Its share of the caps.
    pub share: Share,
    /// Whether it was told to stop; it still holds its share.
    pub stopping: bool,
}

/// One account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// The index of its wave.
    pub wave: usize,
    /// Its bytes at the source, as last seen.
    pub bytes: Option<u64>,
    /// What was done.
    pub known: Known,
    /// Set while it is at work.
    pub running: Option<Running>,
}

/// All that a decision rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Work {
    /// Whether everything is to stand still.
    pub paused: bool,
    /// The caps.
    pub limits: Limits,
    /// The waves, in order.
    pub waves: Vec<Wave>,
    /// The accounts.
    pub accounts: Vec<Account>,
}

impl Work {
    /// What the account must still be passed over for; `None` when it has all it needs.
    pub fn due(&self, account: &Account) -> Option<Goal> {
        account.known.due(self.waves.get(account.wave)?.want)
    }

    fn may_run(&self, account: &Account, now: Timestamp) -> bool {
        !self.paused
            && self
                .waves
                .get(account.wave)
                .is_some_and(|wave| wave.is_open(now))
    }
}

/// An account to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// Its index.
    pub account: usize,
    /// What the pass serves.
    pub goal: Goal,
    /// Its share of the caps.
    pub share: Share,
    /// Whether an interrupted pass goes on rather than a new one beginning.
    pub resumes: bool,
}

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decision {
    /// Whom to start, in order.
    pub start: Vec<Start>,
    /// Whom to stop.
    pub stop: Vec<usize>,
    /// When to decide again at the latest, unless something happens before.
    pub wake: Option<Timestamp>,
}

/// Decides.
pub fn decide(work: &Work, now: Timestamp) -> Decision {
    let accounts = || work.accounts.iter().enumerate();
    let stop = accounts()
        .filter(|(_, account)| account.running.is_some_and(|running| !running.stopping))
        .filter(|(_, account)| !work.may_run(account, now))
        .map(|(index, _)| index)
        .collect();
    let mut due: Vec<(usize, Goal)> = accounts()
        .filter(|(_, account)| account.running.is_none() && work.may_run(account, now))
        .filter_map(|(index, account)| Some((index, work.due(account)?)))
        .collect();
    // The largest first, so that none is left alone at the end; one of unknown size may be large.
    due.sort_by_key(|(index, _)| {
        let account = &work.accounts[*index];
        (account.wave, Reverse(account.bytes.unwrap_or(u64::MAX)))
    });
    Decision {
        start: start(work, due),
        stop,
        wake: wake(work, now),
    }
}

fn start(work: &Work, due: Vec<(usize, Goal)>) -> Vec<Start> {
    let running: Vec<Running> = work
        .accounts
        .iter()
        .filter_map(|account| account.running)
        .collect();
    let slots = work.limits.slots() as usize;
    let mut left = Left::of(work, &running, slots);
    let free = slots.saturating_sub(running.len());
    let mut started = Vec::new();
    for (account, goal) in due.into_iter().take(free) {
        let Some(share) = left.take() else { break };
        let resumes = work.accounts[account].known.unfinished() == Some(goal);
        started.push(Start {
            account,
            goal,
            share,
            resumes,
        });
    }
    started
}

/// The least rate that is worth a pass, in bytes a second.
const LEAST_RATE: u64 = 1024;

/// What is left of the caps, and how it is divided.
struct Left {
    connections: Option<u32>,
    bytes_per_second: Option<u64>,
    each_connections: Option<u32>,
    each_bytes: Option<u64>,
}

impl Left {
    /// Caps are divided over all accounts that may yet run at once, so that one that starts alone
    /// does not shut out those whose wave opens later.
    fn of(work: &Work, running: &[Running], slots: usize) -> Self {
        let unfinished = work
            .accounts
            .iter()
            .filter(|account| account.running.is_some() || work.due(account).is_some())
            .count();
        let parts = slots.min(unfinished).max(1);
        let taken_connections: u32 = running
            .iter()
            .map(|one| one.share.connections.unwrap_or(0))
            .sum();
        let taken_bytes: u64 = running
            .iter()
            .map(|one| one.share.bytes_per_second.unwrap_or(0))
            .sum();
        let parts_32 = u32::try_from(parts).unwrap_or(u32::MAX);
        let Limits {
            connections,
            bytes_per_second,
            ..
        } = work.limits;
        Self {
            connections: connections.map(|most| most.max(1).saturating_sub(taken_connections)),
            bytes_per_second: bytes_per_second.map(|most| most.saturating_sub(taken_bytes)),
            each_connections: connections.map(|most| (most / parts_32).max(1)),
            each_bytes: bytes_per_second
                .map(|most| (most / parts as u64).max(LEAST_RATE.min(most)).max(1)),
        }
    }

    /// The next share; `None` when a cap is used up.
    fn take(&mut self) -> Option<Share> {
        let connections = match (self.connections, self.each_connections) {
            (Some(0), _) => return None,
            (Some(left), Some(each)) => Some(left.min(each)),
            _ => None,
        };
        let bytes_per_second = match (self.bytes_per_second, self.each_bytes) {
            (Some(left), Some(each)) if left < each.min(LEAST_RATE) => return None,
            (Some(left), Some(each)) => Some(left.min(each)),
            _ => None,
        };
        self.connections = self.connections.map(|left| left - connections.unwrap_or(0));
        self.bytes_per_second = self
            .bytes_per_second
            .map(|left| left - bytes_per_second.unwrap_or(0));
        Some(Share {
            connections,
            bytes_per_second,
        })
    }
}

/// The next instant at which a wave with something left to do opens or closes.
fn wake(work: &Work, now: Timestamp) -> Option<Timestamp> {
    if work.paused {
        return None;
    }
    let concerned = |index: usize| {
        work.accounts.iter().any(|account| {
            account.wave == index && (account.running.is_some() || work.due(account).is_some())
        })
    };
    work.waves
        .iter()
        .enumerate()
        .filter(|(index, _)| concerned(*index))
        .filter_map(|(_, wave)| wave.changes(now))
        .min()
}

#[cfg(test)]
mod tests;
