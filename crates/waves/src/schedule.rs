//! Who starts, who stops, and with which share of the caps.
//!
//! Never above a cap, never outside a window, always progress: whenever an account is due, its wave
//! is open and a slot is free, somebody starts.

use std::cmp::Reverse;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    account::{Goal, Known, Stage, Want},
    window::Window,
};

/// What a migration may take together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Accounts copied at once.
    pub jobs: u32,
    /// Connections to the source.
    pub connections: Option<u32>,
    /// Bytes a second read from the source.
    pub bytes_per_second: Option<u64>,
}

impl Limits {
    /// How many accounts may run at once.
    fn slots(&self) -> u32 {
        let jobs = self.jobs.max(1);
        self.connections.map_or(jobs, |most| jobs.min(most.max(1)))
    }
}

/// One account's part of the caps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Share {
    /// Connections to the source; unbounded when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<u32>,
    /// Bytes a second read from the source; unbounded when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<u64>,
}

/// When a wave may run and how far.
#[derive(Debug, Clone, PartialEq)]
pub struct Wave {
    /// What is asked of its accounts.
    pub want: Want,
    /// Not before this instant.
    pub not_before: Option<Timestamp>,
    /// Only while one of these is open; always when empty.
    pub windows: Vec<Window>,
}

impl Wave {
    /// Whether its accounts may run now, pauses apart.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.want.stage != Stage::RolledBack
            && self.not_before.is_none_or(|instant| instant <= now)
            && (self.windows.is_empty() || self.windows.iter().any(|window| window.is_open(now)))
    }

    /// When it opens, if it is closed and ever does.
    pub fn opens(&self, now: Timestamp) -> Option<Timestamp> {
        if self.is_open(now) || self.want.stage == Stage::RolledBack {
            return None;
        }
        let start = self.not_before.map_or(now, |instant| instant.max(now));
        if self.windows.is_empty() || self.windows.iter().any(|window| window.is_open(start)) {
            return Some(start);
        }
        self.windows
            .iter()
            .filter_map(|window| window.opens(start))
            .min()
    }

    /// When what may run may change: it opens, or one of its windows closes.
    fn changes(&self, now: Timestamp) -> Option<Timestamp> {
        if self.is_open(now) {
            self.windows
                .iter()
                .filter_map(|window| window.closes(now))
                .min()
        } else {
            self.opens(now)
        }
    }
}

/// An account at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Running {
    /// Its share of the caps.
    pub share: Share,
    /// Whether it was told to stop; it still holds its share.
    pub stopping: bool,
}

/// One account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// The index of its wave.
    pub wave: usize,
    /// Its bytes at the source, as last seen.
    pub bytes: Option<u64>,
    /// What was done.
    pub known: Known,
    /// Set while it is at work.
    pub running: Option<Running>,
}

/// All that a decision rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Work {
    /// Whether everything is to stand still.
    pub paused: bool,
    /// The caps.
    pub limits: Limits,
    /// The waves, in order.
    pub waves: Vec<Wave>,
    /// The accounts.
    pub accounts: Vec<Account>,
}

impl Work {
    /// What the account must still be passed over for; `None` when it has all it needs.
    pub fn due(&self, account: &Account) -> Option<Goal> {
        account.known.due(self.waves.get(account.wave)?.want)
    }

    fn may_run(&self, account: &Account, now: Timestamp) -> bool {
        !self.paused
            && self
                .waves
                .get(account.wave)
                .is_some_and(|wave| wave.is_open(now))
    }
}

/// An account to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// Its index.
    pub account: usize,
    /// What the pass serves.
    pub goal: Goal,
    /// Its share of the caps.
    pub share: Share,
    /// Whether an interrupted pass goes on rather than a new one beginning.
    pub resumes: bool,
}

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decision {
    /// Whom to start, in order.
    pub start: Vec<Start>,
    /// Whom to stop.
    pub stop: Vec<usize>,
    /// When to decide again at the latest, unless something happens before.
    pub wake: Option<Timestamp>,
}

/// Decides.
pub fn decide(work: &Work, now: Timestamp) -> Decision {
    let accounts = || work.accounts.iter().enumerate();
    let stop = accounts()
        .filter(|(_, account)| account.running.is_some_and(|running| !running.stopping))
        .filter(|(_, account)| !work.may_run(account, now))
        .map(|(index, _)| index)
        .collect();
    let mut due: Vec<(usize, Goal)> = accounts()
        .filter(|(_, account)| account.running.is_none() && work.may_run(account, now))
        .filter_map(|(index, account)| Some((index, work.due(account)?)))
        .collect();
    // The largest first, so that none is left alone at the end; one of unknown size may be large.
    due.sort_by_key(|(index, _)| {
        let account = &work.accounts[*index];
        (account.wave, Reverse(account.bytes.unwrap_or(u64::MAX)))
    });
    Decision {
        start: start(work, due),
        stop,
        wake: wake(work, now),
    }
}

fn start(work: &Work, due: Vec<(usize, Goal)>) -> Vec<Start> {
    let running: Vec<Running> = work
        .accounts
        .iter()
        .filter_map(|account| account.running)
        .collect();
    let slots = work.limits.slots() as usize;
    let mut left = Left::of(work, &running, slots);
    let free = slots.saturating_sub(running.len());
    let mut started = Vec::new();
    for (account, goal) in due.into_iter().take(free) {
        let Some(share) = left.take() else { break };
        let resumes = work.accounts[account].known.unfinished() == Some(goal);
        started.push(Start {
            account,
            goal,
            share,
            resumes,
        });
    }
    started
}

/// The least rate that is worth a pass, in bytes a second.
const LEAST_RATE: u64 = 1024;

/// What is left of the caps, and how it is divided.
struct Left {
    connections: Option<u32>,
    bytes_per_second: Option<u64>,
    each_connections: Option<u32>,
    each_bytes: Option<u64>,
}

impl Left {
    /// Caps are divided over all accounts that may yet run at once, so that one that starts alone
    /// does not shut out those whose wave opens later.
    fn of(work: &Work, running: &[Running], slots: usize) -> Self {
        let unfinished = work
            .accounts
            .iter()
            .filter(|account| account.running.is_some() || work.due(account).is_some())
            .count();
        let parts = slots.min(unfinished).max(1);
        let taken_connections: u32 = running
            .iter()
            .map(|one| one.share.connections.unwrap_or(0))
            .sum();
        let taken_bytes: u64 = running
            .iter()
            .map(|one| one.share.bytes_per_second.unwrap_or(0))
            .sum();
        let parts_32 = u32::try_from(parts).unwrap_or(u32::MAX);
        let Limits {
            connections,
            bytes_per_second,
            ..
        } = work.limits;
        Self {
            connections: connections.map(|most| most.max(1).saturating_sub(taken_connections)),
            bytes_per_second: bytes_per_second.map(|most| most.saturating_sub(taken_bytes)),
            each_connections: connections.map(|most| (most / parts_32).max(1)),
            each_bytes: bytes_per_second
                .map(|most| (most / parts as u64).max(LEAST_RATE.min(most)).max(1)),
        }
    }

    /// The next share; `None` when a cap is used up.
    fn take(&mut self) -> Option<Share> {
        let connections = match (self.connections, self.each_connections) {
            (Some(0), _) => return None,
            (Some(left), Some(each)) => Some(left.min(each)),
            _ => None,
        };
        let bytes_per_second = match (self.bytes_per_second, self.each_bytes) {
            (Some(left), Some(each)) if left < each.min(LEAST_RATE) => return None,
            (Some(left), Some(each)) => Some(left.min(each)),
            _ => None,
        };
        self.connections = self.connections.map(|left| left - connections.unwrap_or(0));
        self.bytes_per_second = self
            .bytes_per_second
            .map(|left| left - bytes_per_second.unwrap_or(0));
        Some(Share {
            connections,
            bytes_per_second,
        })
    }
}

/// The next instant at which a wave with something left to do opens or closes.
fn wake(work: &Work, now: Timestamp) -> Option<Timestamp> {
    if work.paused {
        return None;
    }
    let concerned = |index: usize| {
        work.accounts.iter().any(|account| {
            account.wave == index && (account.running.is_some() || work.due(account).is_some())
        })
    };
    work.waves
        .iter()
        .enumerate()
        .filter(|(index, _)| concerned(*index))
        .filter_map(|(_, wave)| wave.changes(now))
        .min()
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;
    use crate::account::{Done, Ending};

    fn want(stage: Stage) -> Want {
        Want {
            stage,
            run: 0,
            retry: 0,
            frozen: false,
        }
    }

    fn wave(stage: Stage, windows: &[&str]) -> Wave {
        Wave {
            want: want(stage),
            not_before: None,
            windows: windows.iter().map(|text| text.parse().unwrap()).collect(),
        }
    }

    fn account(wave: usize, bytes: Option<u64>) -> Account {
        Account {
            wave,
            bytes,
            known: Known::default(),
            running: None,
        }
    }

    fn started(work: &Work) -> Vec<usize> {
        decide(work, Timestamp::UNIX_EPOCH)
            .start
            .iter()
            .map(|start| start.account)
            .collect()
    }

    #[test]
    fn waves_go_in_order_and_within_them_the_largest_first() {
        let work = Work {
            paused: false,
            limits: Limits {
                jobs: 32,
                connections: None,
                bytes_per_second: None,
            },
            waves: vec![wave(Stage::Presync, &[]), wave(Stage::Presync, &[])],
            accounts: vec![
                account(1, Some(99)),
                account(0, Some(1)),
                account(0, Some(5)),
                account(0, None),
                account(0, Some(5)),
            ],
        };
        assert_eq!(started(&work), [3, 2, 4, 1, 0]);
        let few = Limits {
            connections: Some(2),
            ..work.limits
        };
        assert_eq!(
            started(&Work {
                limits: few,
                ..work.clone()
            }),
            [3, 2]
        );
        assert!(
            started(&Work {
                paused: true,
                ..work
            })
            .is_empty()
        );
    }

    #[test]
    fn one_that_starts_alone_leaves_room_for_the_others() {
        let mut work = Work {
            paused: false,
            limits: Limits {
                jobs: 2,
                connections: Some(8),
                bytes_per_second: Some(10_000),
            },
            waves: vec![
                wave(Stage::Presync, &[]),
                wave(Stage::Presync, &["Sat 00:00-Sun 00:00 UTC"]),
            ],
            accounts: vec![account(0, None), account(1, None)],
        };
        // 1970-01-01 is a Thursday: the second wave is closed.
        let share = decide(&work, Timestamp::UNIX_EPOCH).start[0].share;
        assert_eq!(
            share,
            Share {
                connections: Some(4),
                bytes_per_second: Some(5_000)
            }
        );
        // The last one has everything.
        work.accounts.pop();
        let share = decide(&work, Timestamp::UNIX_EPOCH).start[0].share;
        assert_eq!(
            share,
            Share {
                connections: Some(8),
                bytes_per_second: Some(10_000)
            }
        );
    }

    #[test]
    fn an_interrupted_pass_goes_on_unless_another_is_asked_for() {
        let goal = Known::default().due(want(Stage::Presync));
        let mut one = account(0, None);
        one.known = Known {
            pass: 3,
            begun: goal,
            done: None,
        };
        let mut work = Work {
            paused: false,
            limits: Limits {
                jobs: 1,
                connections: None,
                bytes_per_second: None,
            },
            waves: vec![wave(Stage::Presync, &[])],
            accounts: vec![one],
        };
        assert!(decide(&work, Timestamp::UNIX_EPOCH).start[0].resumes);
        work.waves[0].want.stage = Stage::Cutover;
        let start = decide(&work, Timestamp::UNIX_EPOCH).start[0];
        assert!(!start.resumes && start.goal.stage == Stage::Cutover);
    }

    #[test]
    fn a_closed_window_stops_and_tells_when_it_opens() {
        let mut work = Work {
            paused: false,
            limits: Limits {
                jobs: 1,
                connections: None,
                bytes_per_second: None,
            },
            waves: vec![wave(Stage::Presync, &["Thu 00:00-02:00 UTC"])],
            accounts: vec![account(0, None)],
        };
        let hour = |hours| Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours);
        let first = decide(&work, hour(0));
        assert_eq!((first.start.len(), first.wake), (1, Some(hour(2))));
        work.accounts[0].running = Some(Running {
            share: Share::default(),
            stopping: false,
        });
        assert_eq!(decide(&work, hour(1)).stop, []);
        let closed = decide(&work, hour(2));
        assert_eq!(
            (closed.stop.as_slice(), closed.wake),
            ([0].as_slice(), Some(hour(7 * 24)))
        );
        // Told once.
        work.accounts[0].running = Some(Running {
            share: Share::default(),
            stopping: true,
        });
        assert_eq!(decide(&work, hour(2)).stop, []);
        work.waves[0].not_before = Some(hour(24 * 30));
        assert_eq!(decide(&work, hour(2)).wake, Some(hour(24 * 35)));
    }

    fn some_window() -> impl Strategy<Value = Window> {
        (0_usize..7, 0_i8..24, 1_i8..24).prop_map(|(day, from, lasts)| {
            let days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
            let text = format!(
                "{} {from:02}:00-{:02}:00 Europe/Paris",
                days[day],
                (from + lasts) % 24
            );
            text.parse().unwrap()
        })
    }

    prop_compose! {
        fn some_wave()(
            stage in prop_oneof![Just(Stage::Presync), Just(Stage::Cutover)],
            frozen: bool,
            later in proptest::option::of(0_i64..200),
            windows in proptest::collection::vec(some_window(), 0..3),
        ) -> Wave {
            Wave {
                want: Want { frozen, ..want(stage) },
                not_before: later.map(|hours| Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours)),
                windows,
            }
        }
    }

    prop_compose! {
        fn some_work()(waves in proptest::collection::vec(some_wave(), 1..4))(
            accounts in proptest::collection::vec(
                (0..waves.len(), proptest::option::of(0_u64..1000)), 1..12),
            jobs in 1_u32..6,
            connections in proptest::option::of(1_u32..9),
            bytes_per_second in proptest::option::of(1_u64..20_000),
            waves in Just(waves),
        ) -> Work {
            Work {
                paused: false,
                limits: Limits { jobs, connections, bytes_per_second },
                waves,
                accounts: accounts.into_iter().map(|(wave, bytes)| account(wave, bytes)).collect(),
            }
        }
    }

    /// Carries a decision out as the cluster would.
    fn carry_out(work: &mut Work, decision: &Decision) {
        for index in &decision.stop {
            work.accounts[*index].running.as_mut().unwrap().stopping = true;
        }
        for start in &decision.start {
            let account = &mut work.accounts[start.account];
            assert!(account.running.is_none());
            account.known.pass += u32::from(!start.resumes);
            account.known.begun = Some(start.goal);
            account.running = Some(Running {
                share: start.share,
                stopping: false,
            });
        }
    }

    fn keeps_the_caps(work: &Work) -> bool {
        let shares: Vec<Share> = work
            .accounts
            .iter()
            .filter_map(|a| a.running)
            .map(|r| r.share)
            .collect();
        let connections: u32 = shares.iter().filter_map(|share| share.connections).sum();
        let bytes: u64 = shares
            .iter()
            .filter_map(|share| share.bytes_per_second)
            .sum();
        shares.len() <= work.limits.jobs as usize
            && work.limits.connections.is_none_or(|most| {
                connections <= most && shares.iter().all(|share| share.connections > Some(0))
            })
            && work.limits.bytes_per_second.is_none_or(|most| {
                let least = Some(most.min(LEAST_RATE));
                bytes <= most && shares.iter().all(|share| share.bytes_per_second >= least)
            })
    }

    proptest! {
        #[test]
        fn never_above_a_cap_never_outside_a_window_always_progress(
            mut work in some_work(),
            fates in proptest::collection::vec((0_u8..10, 0_u64..3, 1_i64..300), 64),
            pauses in proptest::collection::vec(0_u8..10, 64),
        ) {
            let mut now = Timestamp::UNIX_EPOCH;
            // Trouble for a while, then calm: everything must end.
            for step in 0_usize..4000 {
                let (fate, changed, minutes) = fates[step % fates.len()];
                let calm = step >= 500;
                work.paused = !calm && pauses[step % pauses.len()] == 0;
                let decision = decide(&work, now);
                for start in &decision.start {
                    let account = &work.accounts[start.account];
                    prop_assert!(work.waves[account.wave].is_open(now) && !work.paused);
                    prop_assert_eq!(work.due(account), Some(start.goal));
                }
                carry_out(&mut work, &decision);
                prop_assert!(keeps_the_caps(&work), "{:?}", work.accounts);
                // Whoever still runs unhindered is within its window.
                for account in &work.accounts {
                    if account.running.is_some_and(|running| !running.stopping) {
                        prop_assert!(work.waves[account.wave].is_open(now) && !work.paused);
                    }
                }
                // Nobody waits while a slot and the caps are free.
                let running = work.accounts.iter().filter(|a| a.running.is_some()).count();
                let waiting = work.accounts.iter().any(|account| {
                    account.running.is_none()
                        && !work.paused
                        && work.waves[account.wave].is_open(now)
                        && work.due(account).is_some()
                });
                prop_assert!(!waiting || running > 0);
                // What the cluster does until the next look.
                for (index, account) in work.accounts.iter_mut().enumerate() {
                    let Some(running) = account.running else { continue };
                    if running.stopping {
                        account.running = None;
                    } else if calm || (step + index) % 10 >= usize::from(fate) {
                        let goal = account.known.begun.unwrap();
                        let changed = if calm { 0 } else { changed };
                        let ended = Done::after(
                            account.known.done.as_ref(), account.known.pass, goal, Ending::Complete, changed);
                        account.known.done = Some(ended);
                        account.running = None;
                    }
                }
                let after = now + SignedDuration::from_mins(minutes);
                now = match decision.wake {
                    Some(wake) if calm || wake < after => wake.max(now + SignedDuration::from_secs(1)),
                    _ => after,
                };
                if work.accounts.iter().all(|a| work.due(a).is_none() && a.running.is_none()) {
                    return Ok(());
                }
            }
            prop_assert!(false, "it never ended: {:?}", work);
        }
    }
}
