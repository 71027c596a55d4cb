//! How slowly a server may send: bytes a second, on average over a window of waiting.
//!
//! A deadline bounds one silence, and one literal by its size. Neither bounds a server that sends
//! many short lines, each just in time: this does.

use std::time::Duration;

/// The part of one silence that counts at most. A server may think before it answers; how long at
/// most is the deadline's matter.
const SILENCE: Duration = Duration::from_secs(5);

/// The least that a server must send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LeastPace {
    /// Bytes a second; nothing is asked with 0.
    pub bytes_per_second: u64,
    /// Time of waiting over which this must hold on average.
    pub window: Duration,
}

impl Default for LeastPace {
    /// Far below any line that a migration could use, far above one byte a second.
    fn default() -> Self {
        Self {
            bytes_per_second: 16,
            window: Duration::from_mins(5),
        }
    }
}

/// What has passed in the present window.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Pace {
    pub(super) bytes: u64,
    pub(super) waited: Duration,
}

impl Pace {
    /// Bytes that were sent to the server: while a message goes up, little comes down.
    pub(super) fn sent(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Bytes that came after a wait. Returns the window when it is over and was too slow.
    pub(super) fn received(
        &mut self,
        bytes: u64,
        waited: Duration,
        least: &LeastPace,
    ) -> Option<Self> {
        self.bytes = self.bytes.saturating_add(bytes);
        self.waited += waited.min(SILENCE);
        if self.waited < least.window {
            return None;
        }
        let window = std::mem::take(self);
        let expected = window.waited.as_millis() * u128::from(least.bytes_per_second) / 1000;
        (u128::from(window.bytes) < expected).then_some(window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waiting time until a server that sends so much after each wait is given up, within a day.
    fn given_up_after(bytes: u64, every: Duration) -> Option<Duration> {
        let (mut pace, mut clock) = (Pace::default(), Duration::ZERO);
        while clock < Duration::from_hours(24) {
            clock += every;
            if pace.received(bytes, every, &LeastPace::default()).is_some() {
                return Some(clock);
            }
        }
        None
    }

    #[test]
    fn a_byte_a_second_is_given_up_after_one_window() {
        let window = LeastPace::default().window;
        assert_eq!(given_up_after(1, Duration::from_secs(1)), Some(window));
        let short_lines = given_up_after(30, Duration::from_mins(1));
        assert_eq!(short_lines, Some(Duration::from_hours(1)));
    }

    #[test]
    fn a_far_line_and_a_server_that_thinks_are_waited_for() {
        // One short answer per round trip by satellite, and folders that take long to open.
        assert_eq!(given_up_after(40, Duration::from_millis(700)), None);
        assert_eq!(given_up_after(400, Duration::from_secs(100)), None);
    }

    #[test]
    fn a_window_begins_anew_and_uploads_count() {
        let least = LeastPace::default();
        let mut pace = Pace::default();
        pace.sent(10_000);
        for _ in 0..60 {
            assert_eq!(pace.received(1, SILENCE, &least), None);
        }
        assert_eq!(pace, Pace::default());
        let none = LeastPace {
            bytes_per_second: 0,
            ..least
        };
        for _ in 0..1000 {
            assert_eq!(pace.received(0, SILENCE, &none), None);
        }
    }
}
