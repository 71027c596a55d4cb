//! How fast copies go: what an earlier run saw, or a sample of the source.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::proof::AccountReport;

const FILE: &str = "speed.json";
/// A run shorter than this says nothing.
const SHORTEST: f64 = 0.2;

/// Messages and bytes that went through in some time.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Speed {
    /// How many messages.
    pub messages: u64,
    /// How many bytes.
    pub bytes: u64,
    /// In how many seconds.
    pub seconds: f64,
}

impl Speed {
    /// Bytes per second.
    pub fn byte_rate(&self) -> u64 {
        rate(self.bytes, self.seconds)
    }

    /// Seconds for so much: bounded by bytes or by messages, whichever takes longer.
    pub fn time_for(&self, messages: u64, bytes: u64) -> Option<u64> {
        if messages == 0 {
            return Some(0);
        }
        let (byte_rate, message_rate) = (self.byte_rate(), rate(self.messages, self.seconds));
        let byte_time = bytes.checked_div(byte_rate)?;
        let message_time = messages.checked_div(message_rate)?;
        Some(byte_time.max(message_time).max(1))
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an estimate, of positive figures"
)]
fn rate(count: u64, seconds: f64) -> u64 {
    if seconds > 0.0 {
        (count as f64 / seconds) as u64
    } else {
        0
    }
}

/// Notes how fast an account went, for later plans.
pub fn record(directory: &Path, report: &AccountReport) -> std::io::Result<()> {
    if report.written_messages == 0 || report.seconds < SHORTEST {
        return Ok(());
    }
    let speed = Speed {
        messages: report.written_messages,
        bytes: report.written_bytes,
        seconds: report.seconds,
    };
    std::fs::write(directory.join(FILE), serde_json::to_vec(&speed)?)
}

/// What an earlier run saw; a damaged note is none.
pub(super) fn recall(directory: &Path) -> Option<Speed> {
    let bytes = std::fs::read(directory.join(FILE)).ok()?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slower_of_bytes_and_messages_bounds() {
        let speed = Speed {
            messages: 100,
            bytes: 1_000_000,
            seconds: 2.0,
        };
        assert_eq!(speed.byte_rate(), 500_000);
        assert_eq!(speed.time_for(50, 5_000_000), Some(10));
        assert_eq!(speed.time_for(5000, 5_000), Some(100));
        assert_eq!(speed.time_for(0, 0), Some(0));
        assert_eq!(speed.time_for(1, 1), Some(1));
        let nothing = Speed {
            seconds: 0.0,
            ..speed
        };
        assert_eq!(nothing.time_for(1, 1), None);
    }
}
