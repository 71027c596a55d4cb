//! What a run may be told.

use std::collections::BTreeMap;

use crate::backoff::Backoff;
use crate::imap::Timeouts;
use crate::limits::Limits;

/// What is read back after writing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Verification {
    /// Nothing.
    None,
    /// What was not read back yet.
    #[default]
    New,
    /// Everything, in every run.
    All,
}

/// How to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Accounts copied at once.
    pub jobs: usize,
    /// What is read back.
    pub verification: Verification,
    /// Stop the run at the first account that is not complete.
    pub fail_fast: bool,
    /// Stop the run at this many exceptions.
    pub max_errors: Option<usize>,
    /// Deadlines on the wire.
    pub timeouts: Timeouts,
    /// Reconnection.
    pub backoff: Backoff,
    /// What the old servers are spared.
    pub limits: Limits,
    /// Put the source's sent mail, drafts, trash, junk and archive into the target's folder for
    /// that where it has one under another name.
    pub special_use: bool,
    /// Bytes of messages in memory, per account at work.
    pub memory: u64,
    /// Bytes of large messages on disk, per account at work.
    pub disk: u64,
    /// Bytes that a plan told of accounts, by their keys: the largest goes first.
    pub planned_bytes: BTreeMap<String, u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            jobs: 4,
            verification: Verification::default(),
            fail_fast: false,
            max_errors: None,
            timeouts: Timeouts::default(),
            backoff: Backoff::default(),
            limits: Limits::default(),
            special_use: true,
            memory: 12 << 20,
            disk: 512 << 20,
            planned_bytes: BTreeMap::new(),
        }
    }
}

impl Options {
    /// Deadlines that allow for what the limits hold back: a slow answer that we asked for is not
    /// the server's fault.
    pub(super) fn patience(&self) -> Timeouts {
        self.timeouts.patient(&self.limits, self.jobs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limited_run_is_patient() {
        let mut options = Options {
            jobs: 4,
            ..Options::default()
        };
        assert_eq!(options.patience().min_rate, options.timeouts.min_rate);
        options.limits.bytes_per_second = Some(16_000);
        assert_eq!(options.patience().min_rate, 1000);
        options.limits.bytes_per_second = Some(1);
        assert_eq!(options.patience().min_rate, 1);
        assert_eq!(options.patience().pace.bytes_per_second, 0);
    }
}
