use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;
use crate::account::{Done, Ending, tests::want};

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

/// One account in one wave, nothing else.
fn alone(wave: Wave, account: Account) -> Work {
    Work {
        paused: false,
        limits: Limits {
            jobs: 1,
            connections: None,
            bytes_per_second: None,
        },
        waves: vec![wave],
        accounts: vec![account],
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
    let mut work = alone(wave(Stage::Presync, &[]), one);
    assert!(decide(&work, Timestamp::UNIX_EPOCH).start[0].resumes);
    work.waves[0].want.stage = Stage::Cutover;
    let start = decide(&work, Timestamp::UNIX_EPOCH).start[0];
    assert!(!start.resumes && start.goal.stage == Stage::Cutover);
}

#[test]
fn a_closed_window_stops_and_tells_when_it_opens() {
    let mut work = alone(
        wave(Stage::Presync, &["Thu 00:00-02:00 UTC"]),
        account(0, None),
    );
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
