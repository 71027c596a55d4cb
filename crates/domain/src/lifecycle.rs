//! The life cycle of a tenant, and when its data may be erased.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// What the hoster asks of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Lifecycle {
    /// Everything runs.
    #[default]
    Active,
    /// Logins are refused, mail is still accepted.
    Suspended,
    /// The space ends: pods go, data stay until the end of the notice.
    Terminating,
}

/// The formal notice before data may be erased: 21 calendar days (SecNumCloud 3.2, 19.4).
pub const ERASURE_NOTICE: SignedDuration = SignedDuration::from_hours(21 * 24);

/// Where a terminating tenant stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TerminationPhase {
    /// The notice runs; the space can be asked back.
    Notice {
        /// The first instant at which data may be erased.
        erasure_after: Timestamp,
    },
    /// The notice is over: data may be erased on demand.
    ErasureDue,
}

/// When data may be erased if the end of the space was asked at `requested_at`.
///
/// Whole seconds, so that the date reads the same everywhere.
pub fn erasure_after(requested_at: Timestamp) -> Timestamp {
    let whole = Timestamp::from_second(requested_at.as_second()).unwrap_or(requested_at);
    whole
        .saturating_add(ERASURE_NOTICE)
        .unwrap_or(Timestamp::MAX)
}

/// Where a tenant stands at `now`, given its recorded erasure date.
pub fn termination_phase(erasure_after: Timestamp, now: Timestamp) -> TerminationPhase {
    if now < erasure_after {
        TerminationPhase::Notice { erasure_after }
    } else {
        TerminationPhase::ErasureDue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn day_20_is_refused_and_day_21_is_due() {
        let asked: Timestamp = "2026-11-24T16:00:00.9Z".parse().unwrap();
        let after = erasure_after(asked);
        assert_eq!(after, "2026-12-15T16:00:00Z".parse().unwrap());
        let day_20 = asked + SignedDuration::from_hours(20 * 24);
        assert_eq!(
            termination_phase(after, day_20),
            TerminationPhase::Notice {
                erasure_after: after
            }
        );
        assert_eq!(
            termination_phase(after, after),
            TerminationPhase::ErasureDue
        );
    }
}
