//! How long to wait before trying again.

use std::time::Duration;

/// Reconnection: first pause, longest pause, tries without progress.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// First pause.
    pub first: Duration,
    /// Longest pause.
    pub longest: Duration,
    /// Tries in a row without progress before the account fails.
    pub tries: u32,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(100),
            longest: Duration::from_secs(30),
            tries: 8,
        }
    }
}

impl Backoff {
    /// The pause before try number `attempt` (from 0).
    pub fn pause(&self, attempt: u32) -> Duration {
        self.first
            .saturating_mul(1 << attempt.min(16))
            .min(self.longest)
    }
}
