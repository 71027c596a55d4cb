//! What a run may be told.

use crate::backoff::Backoff;
use crate::imap::Timeouts;

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
    /// Bytes of messages in memory, per account at work.
    pub memory: u64,
    /// Bytes of large messages on disk, per account at work.
    pub disk: u64,
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
            memory: 12 << 20,
            disk: 512 << 20,
        }
    }
}
