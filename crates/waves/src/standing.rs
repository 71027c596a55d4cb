//! Where accounts, waves and migrations stand.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    account::{Ending, Stage},
    schedule::{Account, Wave, Work},
};

/// Where one account stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountPhase {
    /// Its turn has not come.
    Waiting,
    /// It is being copied.
    Running,
    /// Nothing is absent.
    Complete,
    /// Something is absent.
    Partial,
    /// Nothing could be copied.
    Failed,
    /// Proven to be the same as a source that stands still.
    CutOver,
    /// The source changes faster than the passes follow.
    Chasing,
}

/// Where a wave or a migration stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Its window is closed, or its turn has not come.
    Waiting,
    /// On request.
    Paused,
    /// Accounts are being copied.
    Running,
    /// Every account is complete.
    Complete,
    /// It ended with something absent.
    Partial,
    /// It ended and nothing could be copied.
    Failed,
    /// Every account is cut over: the space is the reference.
    CutOver,
    /// Only accounts are left whose source still changes.
    Chasing,
    /// The source is the reference again.
    RolledBack,
}

impl Phase {
    /// Whether nothing happens any more until somebody changes what is asked for.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Waiting | Self::Paused | Self::Running)
    }
}

/// Where an account stands.
pub fn account_phase(work: &Work, account: &Account) -> AccountPhase {
    let Some(wave) = work.waves.get(account.wave) else {
        return AccountPhase::Waiting;
    };
    if account.running.is_some() {
        return AccountPhase::Running;
    }
    if work.due(account).is_some() {
        return AccountPhase::Waiting;
    }
    match account.known.done {
        None => AccountPhase::Waiting,
        Some(done) if done.is_settled() => AccountPhase::CutOver,
        Some(_) if account.known.is_chasing(wave.want) => AccountPhase::Chasing,
        Some(done) => match done.ending {
            Ending::Complete => AccountPhase::Complete,
            Ending::Partial => AccountPhase::Partial,
            Ending::Failed => AccountPhase::Failed,
        },
    }
}

/// Where a wave stands.
pub fn wave_phase(work: &Work, index: usize, now: Timestamp) -> Phase {
    let members = || work.accounts.iter().filter(|account| account.wave == index);
    let wave = work.waves.get(index);
    let phases: Vec<AccountPhase> = members()
        .map(|account| account_phase(work, account))
        .collect();
    let open = wave.is_some_and(|wave| wave.is_open(now));
    judge(work, wave.is_some_and(is_rolled_back), open, &phases)
}

/// Where the whole stands.
pub fn phase(work: &Work, now: Timestamp) -> Phase {
    let phases: Vec<AccountPhase> = work
        .accounts
        .iter()
        .map(|account| account_phase(work, account))
        .collect();
    let rolled_back = !work.waves.is_empty() && work.waves.iter().all(is_rolled_back);
    let open = work.accounts.iter().any(|account| {
        let wave = work.waves.get(account.wave);
        work.due(account).is_some() && wave.is_some_and(|wave| wave.is_open(now))
    });
    judge(work, rolled_back, open, &phases)
}

fn is_rolled_back(wave: &Wave) -> bool {
    wave.want.stage == Stage::RolledBack
}

fn judge(work: &Work, rolled_back: bool, open: bool, phases: &[AccountPhase]) -> Phase {
    let any = |phase| phases.contains(&phase);
    let all = |phase| phases.iter().all(|one| *one == phase);
    // Pods that still end count: the state is told once it is true.
    if any(AccountPhase::Running) {
        return Phase::Running;
    }
    if rolled_back {
        return Phase::RolledBack;
    }
    if phases.is_empty() || any(AccountPhase::Waiting) {
        return match (work.paused, open) {
            (true, _) => Phase::Paused,
            (false, true) => Phase::Running,
            (false, false) => Phase::Waiting,
        };
    }
    if all(AccountPhase::Failed) {
        Phase::Failed
    } else if any(AccountPhase::Partial) || any(AccountPhase::Failed) {
        Phase::Partial
    } else if any(AccountPhase::Chasing) {
        Phase::Chasing
    } else if all(AccountPhase::CutOver) {
        Phase::CutOver
    } else {
        Phase::Complete
    }
}

#[cfg(test)]
mod tests {
    use AccountPhase as A;

    use super::*;
    use crate::schedule::Limits;

    fn work(paused: bool) -> Work {
        Work {
            paused,
            limits: Limits {
                jobs: 1,
                connections: None,
                bytes_per_second: None,
            },
            waves: vec![],
            accounts: vec![],
        }
    }

    #[test]
    fn the_whole_is_as_its_least_part() {
        let of = |phases: &[A]| judge(&work(false), false, true, phases);
        assert_eq!(of(&[A::Complete, A::Running]), Phase::Running);
        assert_eq!(of(&[A::Complete, A::Waiting]), Phase::Running);
        assert_eq!(of(&[A::Complete, A::Partial, A::CutOver]), Phase::Partial);
        assert_eq!(of(&[A::Failed, A::Complete]), Phase::Partial);
        assert_eq!(of(&[A::Failed, A::Failed]), Phase::Failed);
        assert_eq!(of(&[A::CutOver, A::Chasing]), Phase::Chasing);
        assert_eq!(of(&[A::CutOver, A::Complete]), Phase::Complete);
        assert_eq!(of(&[A::CutOver, A::CutOver]), Phase::CutOver);
    }

    #[test]
    fn a_pause_is_told_once_nothing_runs() {
        let of = |phases: &[A]| judge(&work(true), false, false, phases);
        assert_eq!(of(&[A::Running, A::Waiting]), Phase::Running);
        assert_eq!(of(&[A::Complete, A::Waiting]), Phase::Paused);
        assert_eq!(of(&[A::Complete, A::Complete]), Phase::Complete);
        assert_eq!(
            judge(&work(false), false, false, &[A::Waiting]),
            Phase::Waiting
        );
        assert_eq!(
            judge(&work(false), true, false, &[A::CutOver]),
            Phase::RolledBack
        );
    }
}
