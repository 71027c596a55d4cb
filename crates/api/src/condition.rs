//! kstatus conditions: `Ready`, `Reconciling`, `Stalled`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

use crate::Reason;

/// Everything asked for runs and was seen to work.
pub const READY: &str = "Ready";
/// Work is under way.
pub const RECONCILING: &str = "Reconciling";
/// Nothing will change until somebody changes something.
pub const STALLED: &str = "Stalled";
/// The notice is over: the data may be erased. Read by the chart's admission policy.
pub const ERASURE_DUE: &str = "ErasureDue";
/// The operator of another installation would keep this space too, and leaves it alone.
pub const CONTESTED: &str = "Contested";

/// What a component says of one condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// `Ready`, `Reconciling`, …
    pub kind: &'static str,
    /// Whether it holds.
    pub holds: bool,
    /// A CamelCase word for programs.
    pub reason: Reason,
    /// A sentence for people.
    pub message: String,
}

/// Merges verdicts into `previous`: the transition time moves only when a status flips.
pub fn merge(
    previous: &[Condition],
    verdicts: Vec<Verdict>,
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    verdicts
        .into_iter()
        .map(|verdict| {
            let status = if verdict.holds { "True" } else { "False" };
            let since = previous
                .iter()
                .find(|old| old.type_ == verdict.kind && old.status == status)
                .map_or_else(
                    || Time(whole_second(now)),
                    |old| old.last_transition_time.clone(),
                );
            Condition {
                type_: verdict.kind.into(),
                status: status.into(),
                reason: verdict.reason.as_str().into(),
                message: verdict.message,
                observed_generation: generation,
                last_transition_time: since,
            }
        })
        .collect()
}

/// Whether the condition of this kind is `True`.
pub fn holds(conditions: &[Condition], kind: &str) -> bool {
    conditions
        .iter()
        .any(|c| c.type_ == kind && c.status == "True")
}

fn whole_second(now: Timestamp) -> Timestamp {
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(holds: bool, message: &str) -> Vec<Verdict> {
        vec![Verdict {
            kind: READY,
            holds,
            reason: Reason::Serving,
            message: message.into(),
        }]
    }

    #[test]
    fn the_transition_time_moves_only_on_a_flip() {
        let (t1, t2, t3) = (1_000, 2_000, 3_000);
        let at = |second| Timestamp::from_second(second).unwrap();
        let first = merge(&[], ready(false, "a"), Some(1), at(t1));
        let second = merge(&first, ready(false, "b"), Some(2), at(t2));
        let third = merge(&second, ready(true, "c"), Some(2), at(t3));
        assert_eq!(
            second[0].last_transition_time,
            first[0].last_transition_time
        );
        assert_eq!(second[0].message, "b");
        assert_eq!(third[0].last_transition_time.0, at(t3));
        assert!(holds(&third, READY) && !holds(&second, READY));
    }
}
