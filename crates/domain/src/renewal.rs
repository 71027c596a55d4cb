//! When what expires is renewed.

use jiff::Timestamp;

/// The instant at which something valid over `[not_before, not_after]` is due for renewal: at two
/// thirds of its life, up to a tenth of its life earlier by `jitter` (0.0 to 1.0), in whole seconds.
pub fn due_at(not_before: Timestamp, not_after: Timestamp, jitter: f64) -> Timestamp {
    let start = not_before.as_second();
    let life = not_after.as_second().saturating_sub(start).max(0);
    // Exact: a life fits f64's 53 bits by far; the cast truncates to seconds on purpose.
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
    let early = (life as f64 / 10.0 * jitter.clamp(0.0, 1.0)) as i64;
    Timestamp::from_second(start + life / 3 * 2 - early).unwrap_or(not_before)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn two_thirds_of_ninety_days_is_day_sixty() {
        let from: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let to: Timestamp = "2026-04-01T00:00:00Z".parse().unwrap();
        assert_eq!(
            due_at(from, to, 0.0),
            "2026-03-02T00:00:00Z".parse().unwrap()
        );
        assert_eq!(
            due_at(from, to, 1.0),
            "2026-02-21T00:00:00Z".parse().unwrap()
        );
    }

    proptest! {
        #[test]
        fn always_within_the_life(life in 0_i64..4_000_000_000, jitter in 0.0_f64..=1.0) {
            let from = Timestamp::from_second(1_700_000_000).unwrap();
            let to = Timestamp::from_second(1_700_000_000 + life).unwrap();
            let due = due_at(from, to, jitter);
            prop_assert!(from <= due && due <= to);
        }
    }
}
