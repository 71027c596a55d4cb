//! Counts what a pass tells, for the platform.

use std::sync::atomic::{AtomicU64, Ordering};

use melouvert_api::migration::MessageCounts;
use melouvert_migration::{Event, Progress};

/// Counters that worker tasks raise.
#[derive(Debug, Default)]
pub struct Tally {
    source: AtomicU64,
    copied: AtomicU64,
    bytes: AtomicU64,
    absent: AtomicU64,
}

impl Tally {
    /// Where the pass stands. What is left is taken to be as large as what was copied, on average.
    pub fn counts(&self) -> MessageCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (source, copied, bytes) = (read(&self.source), read(&self.copied), read(&self.bytes));
        MessageCounts {
            source,
            copied,
            absent: read(&self.absent),
            bytes,
            source_bytes: expected(source, copied, bytes),
        }
    }
}

fn expected(source: u64, copied: u64, bytes: u64) -> u64 {
    if copied == 0 {
        return 0;
    }
    let all = u128::from(bytes) * u128::from(source.max(copied)) / u128::from(copied);
    u64::try_from(all).unwrap_or(u64::MAX)
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
                raise(&self.bytes, bytes);
                raise(&self.copied, messages);
            }
            Event::Exception { exception, .. } if !exception.reason.is_only_metadata() => {
                raise(&self.absent, 1);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_expected_to_be_like_what_was_copied() {
        let tally = Tally::default();
        tally.event(Event::Surveyed {
            account: 0,
            folders: 1,
            to_copy: 10,
        });
        assert_eq!(tally.counts().source_bytes, 0);
        tally.event(Event::Copied {
            account: 0,
            messages: 4,
            bytes: 400,
        });
        let counts = tally.counts();
        assert_eq!(
            (counts.source, counts.copied, counts.source_bytes),
            (10, 4, 1000)
        );
    }
}
