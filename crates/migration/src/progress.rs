//! What a run tells while it goes: for progress bars and logs.

use std::time::Duration;

use crate::patience::{Cause, Side};
use crate::proof::Exception;

/// Something that happened. Accounts are named by their index in the list given to the run.
#[derive(Clone, Debug)]
pub enum Event {
    /// A worker took an account.
    AccountStarted {
        /// Index of the account.
        account: usize,
    },
    /// The source was scanned.
    Surveyed {
        /// Index of the account.
        account: usize,
        /// Folders at the source.
        folders: usize,
        /// Messages to read.
        to_copy: u64,
    },
    /// Messages were acknowledged by the target, or found there.
    Copied {
        /// Index of the account.
        account: usize,
        /// How many.
        messages: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// Messages were read back.
    Verified {
        /// Index of the account.
        account: usize,
        /// How many.
        messages: u64,
    },
    /// A server asks for patience: nothing goes on for a while.
    Waiting {
        /// Index of the account.
        account: usize,
        /// Which server.
        side: Side,
        /// Why.
        cause: Cause,
        /// For how long.
        pause: Duration,
    },
    /// Something is absent.
    Exception {
        /// Index of the account.
        account: usize,
        /// What.
        exception: Exception,
    },
    /// An account ended.
    AccountFinished {
        /// Index of the account.
        account: usize,
        /// True when nothing is absent.
        complete: bool,
    },
}

/// Listens to a run.
pub trait Progress: Send + Sync {
    /// Called from worker tasks; must return at once.
    fn event(&self, event: Event);
}

/// Listens to nothing.
#[derive(Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _event: Event) {}
}
