//! What one account still needs to reach the stage that is asked for.

use std::fmt::Write;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How many passes a cut-over makes while the source still changes.
pub const PASSES_MAXIMUM: u32 = 5;

/// The identifier of an account within its migration: the first ten hexadecimal digits of a hash of
/// both logins.
pub fn identifier(source_user: &str, target_user: &str) -> String {
    let mut hasher = Sha256::new();
    for part in [source_user, target_user] {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize()[..5]
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// How far a migration is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Copy ahead; the source stays the reference.
    Presync,
    /// Catch up, verify everything, prove; the space becomes the reference.
    Cutover,
    /// The source is the reference again; nothing is copied, nothing is deleted.
    RolledBack,
}

/// What is asked of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Want {
    /// How far.
    pub stage: Stage,
    /// Raised to pass over every account again.
    pub run: u32,
    /// Raised to pass again over those with something absent.
    pub retry: u32,
    /// Whether the source was said to change no more.
    pub frozen: bool,
}

/// What one pass was begun for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Goal {
    /// The stage.
    pub stage: Stage,
    /// The run.
    pub run: u32,
    /// The retry.
    pub retry: u32,
    /// Whether the source was said to change no more before it began.
    pub frozen: bool,
    /// Whether everything is read back, not only what is new.
    pub verify_all: bool,
}

/// How a pass ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Ending {
    /// Nothing is absent.
    Complete,
    /// Something is absent.
    Partial,
    /// Nothing could be copied.
    Failed,
}

/// The last pass that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// Its number.
    pub pass: u32,
    /// What it was begun for.
    pub goal: Goal,
    /// How it ended.
    pub ending: Ending,
    /// How many things the source had changed since the pass before.
    pub changed: u64,
    /// Complete passes of this cut-over in a row, this one included.
    pub passes: u32,
}

impl Done {
    /// Whether the target was proven to be what the source is, and the source to stand still.
    pub fn is_settled(&self) -> bool {
        self.goal.stage == Stage::Cutover
            && self.ending == Ending::Complete
            && self.goal.verify_all
            && (self.changed == 0 || self.goal.frozen)
    }

    /// The pass after `before` that served `goal`.
    pub fn after(
        before: Option<&Self>,
        pass: u32,
        goal: Goal,
        ending: Ending,
        changed: u64,
    ) -> Self {
        let same = |done: &&Self| {
            done.goal.stage == goal.stage
                && done.goal.run == goal.run
                && done.ending == Ending::Complete
        };
        let passes = match (ending, before.filter(same)) {
            (Ending::Complete, Some(done)) => done.passes + 1,
            (Ending::Complete, None) => 1,
            _ => 0,
        };
        Self {
            pass,
            goal,
            ending,
            changed,
            passes,
        }
    }
}

/// What is remembered of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Known {
    /// The last pass begun; 0 before the first.
    pub pass: u32,
    /// What it was begun for.
    pub begun: Option<Goal>,
    /// The last pass that ended.
    pub done: Option<Done>,
}

impl Known {
    /// The pass that was begun and did not end.
    pub fn unfinished(&self) -> Option<Goal> {
        let ended = self.done.map_or(0, |done| done.pass);
        self.begun.filter(|_| self.pass > ended)
    }

    /// What the next pass must serve; `None` when nothing is left to do.
    pub fn due(&self, want: Want) -> Option<Goal> {
        let goal = |verify_all| {
            Some(Goal {
                stage: want.stage,
                run: want.run,
                retry: want.retry,
                frozen: want.frozen,
                verify_all,
            })
        };
        if want.stage == Stage::RolledBack {
            return None;
        }
        let Some(done) = self.done else {
            return goal(false);
        };
        if done.goal.stage != want.stage || done.goal.run < want.run {
            return goal(false);
        }
        if done.ending != Ending::Complete {
            return if done.goal.retry < want.retry {
                goal(false)
            } else {
                None
            };
        }
        let more = want.stage == Stage::Cutover
            && !done.is_settled()
            && (done.passes < PASSES_MAXIMUM || want.frozen && !done.goal.frozen);
        if more { goal(true) } else { None }
    }

    /// Whether the source changes faster than the passes of a cut-over follow.
    pub fn is_chasing(&self, want: Want) -> bool {
        want.stage == Stage::Cutover
            && self.due(want).is_none()
            && self.done.is_some_and(|done| {
                done.ending == Ending::Complete
                    && done.goal.stage == want.stage
                    && !done.is_settled()
            })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn want(stage: Stage) -> Want {
        Want {
            stage,
            run: 0,
            retry: 0,
            frozen: false,
        }
    }

    /// Makes every pass that is due; the source changes by `changes` before each.
    fn passes(known: &mut Known, want: Want, changes: &[u64]) -> Vec<bool> {
        let mut made = Vec::new();
        for changed in changes.iter().copied().chain(std::iter::repeat(0)) {
            let Some(goal) = known.due(want) else { break };
            known.pass += 1;
            known.begun = Some(goal);
            known.done = Some(Done::after(
                known.done.as_ref(),
                known.pass,
                goal,
                Ending::Complete,
                changed,
            ));
            made.push(goal.verify_all);
        }
        made
    }

    #[test]
    fn a_still_source_is_cut_over_in_two_passes() {
        let mut known = Known::default();
        assert_eq!(passes(&mut known, want(Stage::Presync), &[9]), [false]);
        assert!(!known.done.unwrap().is_settled());
        assert_eq!(
            passes(&mut known, want(Stage::Cutover), &[3]),
            [false, true]
        );
        assert!(known.done.unwrap().is_settled());
        assert_eq!(known.due(want(Stage::Cutover)), None);
        assert_eq!(known.due(want(Stage::RolledBack)), None);
    }

    #[test]
    fn a_source_that_changes_is_followed_and_not_for_ever() {
        let mut known = Known::default();
        assert_eq!(
            passes(&mut known, want(Stage::Cutover), &[3, 2, 1, 0]).len(),
            4
        );
        assert!(known.done.unwrap().is_settled());
        let mut known = Known::default();
        assert_eq!(passes(&mut known, want(Stage::Cutover), &[1; 99]).len(), 5);
        assert!(known.is_chasing(want(Stage::Cutover)));
        // Once the source is said to be frozen, one more pass takes what came last.
        let frozen = Want {
            frozen: true,
            ..want(Stage::Cutover)
        };
        assert_eq!(passes(&mut known, frozen, &[7]), [true]);
        assert!(known.done.unwrap().is_settled() && !known.is_chasing(frozen));
    }

    #[test]
    fn a_frozen_source_is_cut_over_whatever_the_last_pass_took() {
        let mut known = Known::default();
        let frozen = Want {
            frozen: true,
            ..want(Stage::Cutover)
        };
        assert_eq!(passes(&mut known, frozen, &[8, 2]), [false, true]);
        assert!(known.done.unwrap().is_settled());
    }

    #[test]
    fn retry_concerns_the_incomplete_alone_and_run_everybody() {
        let ended = |ending| Known {
            pass: 1,
            begun: None,
            done: Some(Done::after(
                None,
                1,
                Known::default().due(want(Stage::Presync)).unwrap(),
                ending,
                1,
            )),
        };
        let retry = Want {
            retry: 1,
            ..want(Stage::Presync)
        };
        let run = Want {
            run: 1,
            ..want(Stage::Presync)
        };
        for (ending, again) in [
            (Ending::Complete, false),
            (Ending::Partial, true),
            (Ending::Failed, true),
        ] {
            assert_eq!(ended(ending).due(want(Stage::Presync)), None);
            assert_eq!(ended(ending).due(retry).is_some(), again, "{ending:?}");
            assert!(ended(ending).due(run).is_some());
        }
    }

    #[test]
    fn identifiers_tell_accounts_apart() {
        let all = [("a", "b@c"), ("ab", "@c"), ("a", "b@d"), ("b", "b@c")];
        let mut ids: Vec<String> = all.iter().map(|(from, to)| identifier(from, to)).collect();
        assert!(
            ids.iter()
                .all(|id| id.len() == 10 && id.bytes().all(|b| b.is_ascii_hexdigit()))
        );
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), all.len());
    }

    #[test]
    fn an_interrupted_pass_is_told() {
        let goal = Known::default().due(want(Stage::Presync));
        let mut known = Known {
            pass: 1,
            begun: goal,
            done: None,
        };
        assert_eq!(known.unfinished(), goal);
        known.done = Some(Done::after(None, 1, goal.unwrap(), Ending::Complete, 1));
        assert_eq!(known.unfinished(), None);
    }
}
