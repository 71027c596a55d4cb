//! Counts what a run tells, for the platform.

use std::sync::atomic::{AtomicU64, Ordering};

use melouvert_api::migration::{AccountCounts, MessageCounts};
use melouvert_migration::{Event, Progress, Report, proof::AccountStatus};

/// Counters that worker tasks raise.
#[derive(Debug, Default)]
pub struct Tally {
    total: u64,
    complete: AtomicU64,
    incomplete: AtomicU64,
    source: AtomicU64,
    copied: AtomicU64,
    bytes: AtomicU64,
    absent: AtomicU64,
}

impl Tally {
    /// Of a run over so many accounts.
    pub fn new(total: u64) -> Self {
        Self {
            total,
            ..Self::default()
        }
    }

    /// Where the run stands.
    pub fn counts(&self) -> (AccountCounts, MessageCounts) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (
            AccountCounts {
                total: self.total,
                complete: read(&self.complete),
                incomplete: read(&self.incomplete),
            },
            MessageCounts {
                source: read(&self.source),
                copied: read(&self.copied),
                absent: read(&self.absent),
                bytes: read(&self.bytes),
            },
        )
    }
}

impl Progress for Tally {
    fn event(&self, event: Event) {
        let raise = |counter: &AtomicU64, by| {
            counter.fetch_add(by, Ordering::Relaxed);
        };
        match event {
            Event::Surveyed { to_copy, .. } => raise(&self.source, to_copy),
            Event::Copied {
                messages, bytes, ..
            } => {
                raise(&self.copied, messages);
                raise(&self.bytes, bytes);
            }
            Event::Exception { exception, .. } if !exception.reason.is_only_metadata() => {
                raise(&self.absent, 1);
            }
            Event::AccountFinished { complete: true, .. } => raise(&self.complete, 1),
            Event::AccountFinished {
                complete: false, ..
            } => raise(&self.incomplete, 1),
            Event::AccountStarted { .. } | Event::Verified { .. } | Event::Exception { .. } => {}
        }
    }
}

/// The final counts, of all runs together, from the proof.
pub fn of_report(report: &Report) -> (AccountCounts, MessageCounts) {
    let total = report.accounts.len() as u64;
    let complete = report
        .accounts
        .iter()
        .filter(|a| a.status == AccountStatus::Complete)
        .count() as u64;
    let folders = || report.accounts.iter().flat_map(|account| &account.folders);
    let absent = report
        .accounts
        .iter()
        .flat_map(|account| &account.exceptions)
        .filter(|exception| !exception.reason.is_only_metadata())
        .count() as u64;
    (
        AccountCounts {
            total,
            complete,
            incomplete: total - complete,
        },
        MessageCounts {
            source: folders().map(|folder| folder.source_messages).sum(),
            copied: folders().map(|folder| folder.copied_messages).sum(),
            absent,
            bytes: folders().map(|folder| folder.copied_bytes).sum(),
        },
    )
}
