//! Waits out servers that ask for it: how long, how often, and who is told.

mod words;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use words::{Cause, Temporary};

use crate::backoff::Backoff;
use crate::progress::{Event, Progress};

/// Pauses skipped of those after a break: a server that asks for patience needs more of it.
const SKIPPED: u32 = 3;
/// All waits without progress, in longest pauses.
const ENOUGH: u32 = 30;

/// Which server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Side {
    /// The one that is left.
    #[default]
    Source,
    /// The new one.
    Target,
}

/// Tells whoever watches a run that a server is waited for.
#[derive(Clone, Default)]
pub struct Teller(Option<(usize, Arc<dyn Progress>)>);

impl fmt::Debug for Teller {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Teller")
    }
}

impl Teller {
    /// Tells of account number `account`.
    pub fn new(account: usize, progress: Arc<dyn Progress>) -> Self {
        Self(Some((account, progress)))
    }
}

/// The patience with one server, for one account.
#[derive(Clone, Debug)]
pub struct Patience {
    backoff: Backoff,
    side: Side,
    teller: Teller,
    waits: u32,
    waited: Duration,
}

impl Patience {
    /// Patience that is whole.
    pub fn new(backoff: Backoff, side: Side, teller: Teller) -> Self {
        Self {
            backoff,
            side,
            teller,
            waits: 0,
            waited: Duration::ZERO,
        }
    }

    /// The pauses after breaks.
    pub(crate) fn backoff(&self) -> Backoff {
        self.backoff
    }

    /// The server does what it is asked.
    pub fn restore(&mut self) {
        (self.waits, self.waited) = (0, Duration::ZERO);
    }

    /// Times that it was waited for since.
    pub fn waits(&self) -> u32 {
        self.waits
    }

    /// How long to wait; none when that was enough, or when it takes longer than that.
    fn next(&mut self, temporary: Temporary) -> Option<Duration> {
        let most = self
            .backoff
            .longest
            .saturating_mul(ENOUGH.min(self.backoff.tries * 4));
        let skipped = match temporary.cause {
            Cause::Refusing => 0,
            _ => SKIPPED,
        };
        let usual = self.backoff.pause(self.waits + skipped);
        let pause = usual.max(temporary.told.unwrap_or_default());
        self.waits += 1;
        self.waited = self.waited.saturating_add(pause);
        (self.waited <= most).then_some(pause)
    }

    /// Waits; false when that was enough.
    pub async fn bear(&mut self, temporary: Temporary) -> bool {
        let Some(pause) = self.next(temporary) else {
            return false;
        };
        tracing::warn!(side = ?self.side, cause = ?temporary.cause, ?pause, "server_waited_for");
        if let Some((account, progress)) = &self.teller.0 {
            progress.event(Event::Waiting {
                account: *account,
                side: self.side,
                cause: temporary.cause,
                pause,
            });
        }
        tokio::time::sleep(pause).await;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throttled(told: Option<u64>) -> Temporary {
        Temporary {
            cause: Cause::Throttled,
            told: told.map(Duration::from_secs),
        }
    }

    #[test]
    fn as_long_as_told_and_not_for_ever() {
        let mut patience = Patience::new(Backoff::default(), Side::Source, Teller::default());
        let usual = patience.next(throttled(None)).expect("a first wait");
        assert_eq!(usual, Duration::from_millis(800));
        assert_eq!(
            patience.next(throttled(Some(40))),
            Some(Duration::from_secs(40))
        );
        let mut waits = 2;
        while patience.next(throttled(None)).is_some() {
            waits += 1;
        }
        assert!((20..60).contains(&waits), "{waits}");
        assert!(patience.waited > Duration::from_mins(14));
        patience.restore();
        assert_eq!(patience.next(throttled(None)), Some(usual));
        // A day is not waited for.
        assert_eq!(patience.next(throttled(Some(86_400))), None);
    }
}
