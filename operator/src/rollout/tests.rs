use serde_json::json;

use super::*;

fn space(name: &str, on: &str, ready: bool) -> Standing {
    Standing {
        name: name.into(),
        on: Some(on.into()),
        ready,
    }
}

fn behind(name: &str) -> Turn {
    Turn::Wait {
        behind: name.into(),
    }
}

/// Lets every space ask again and again; those that take `wanted` serve if `works`.
fn play(all: &mut [Standing], wanted: &str, works: bool) -> usize {
    let mut rounds = 0;
    loop {
        let before = all.to_vec();
        for place in 0..all.len() {
            if turn(&all[place].name, wanted, all) == Turn::Go
                && all[place].on.as_deref() != Some(wanted)
            {
                all[place].on = Some(wanted.into());
                all[place].ready = false;
            }
        }
        if all == before {
            return rounds;
        }
        for space in all
            .iter_mut()
            .filter(|space| space.on.as_deref() == Some(wanted))
        {
            space.ready = works;
        }
        rounds += 1;
    }
}

#[test]
fn a_bad_change_stops_at_one_space() {
    let mut all: Vec<_> = (0..100)
        .map(|n| space(&format!("{n:03}"), "old", true))
        .collect();
    play(&mut all, "typo", false);
    let broken: Vec<_> = all.iter().filter(|space| !space.ready).collect();
    assert_eq!(broken.len(), 1);
    assert_eq!(turn("001", "typo", &all), behind("000"));
    // Corrected: the space that the trial broke goes first, and all follow.
    assert_eq!(turn("001", "better", &all), behind("000"));
    assert_eq!(turn("000", "better", &all), Turn::Go);
    play(&mut all, "better", true);
    assert!(
        all.iter()
            .all(|space| space.ready && space.on.as_deref() == Some("better"))
    );
}

#[test]
fn a_good_change_reaches_all_in_widening_steps() {
    let mut all: Vec<_> = (0..100)
        .map(|n| space(&format!("{n:03}"), "old", true))
        .collect();
    // 1, 1, 2, 4, 8, then 16 at once.
    assert_eq!(play(&mut all, "new", true), 11);
    assert!(all.iter().all(|space| space.on.as_deref() == Some("new")));
}

#[test]
fn a_change_that_is_taken_back_heals_the_broken_space_at_once() {
    let all = [
        space("a", "typo", false),
        space("b", "old", true),
        space("c", "old", true),
    ];
    assert_eq!(turn("a", "old", &all), Turn::Go);
}

#[test]
fn a_space_that_is_broken_anyway_neither_tries_nor_stops_a_change() {
    // `a` is broken for a reason of its own: others stand on the same and serve.
    let all = [
        space("a", "old", false),
        space("b", "old", true),
        space("c", "old", true),
    ];
    assert_eq!(turn("a", "new", &all), behind("b"));
    assert_eq!(turn("b", "new", &all), Turn::Go);
}

#[test]
fn a_change_that_breaks_some_stops_spreading() {
    let mut all: Vec<_> = (0..100)
        .map(|n| space(&format!("{n:03}"), "old", true))
        .collect();
    all[0].on = Some("new".into());
    // Only the first works with it.
    for round in 0..100 {
        let name = format!("{:03}", round % 99 + 1);
        if turn(&name, "new", &all) == Turn::Go {
            let space = all.iter_mut().find(|space| space.name == name).unwrap();
            *space = super::Standing {
                on: Some("new".into()),
                ready: false,
                ..space.clone()
            };
        }
    }
    assert_eq!(all.iter().filter(|space| !space.ready).count(), 1);
}

fn tenant(name: &str) -> Collectivity {
    serde_json::from_value(json!({
        "apiVersion": "melouvert.fr/v1alpha1", "kind": "Collectivity", "metadata": {"name": name},
        "spec": {"siren": "211401187", "legalName": "x", "kind": "Commune", "population": 1,
            "region": "r", "plan": "p", "domains": ["a.example"]},
        "status": {"footing": {"region": "r@1", "plan": "p@1"},
            "conditions": [{"type": "Ready", "status": "True", "reason": "Serving", "message": "",
                "lastTransitionTime": "2026-11-24T10:00:00Z"}]}}))
    .unwrap()
}

#[test]
fn what_was_granted_counts_before_the_cache_knows_and_success_wakes_the_others() {
    let all = ["a", "b", "c"].map(tenant);
    let (waker, mut woken) = mpsc::unbounded();
    let rollout = Rollout::new(waker);
    let ask = |place: usize| rollout.ask(Shared::Region, &all[place], "r@2", &all);
    assert_eq!(ask(0), Turn::Go);
    assert_eq!(
        ask(1),
        behind("a"),
        "the cache still shows a on r@1, serving"
    );
    let new = Footing {
        region: "r@2".into(),
        plan: "p@1".into(),
    };
    rollout.note("a", Some(&new), false, &all);
    assert_eq!(ask(1), behind("a"));
    assert!(woken.try_recv().is_err(), "nothing was proven");
    rollout.note("a", Some(&new), true, &all);
    let names: Vec<_> = std::iter::from_fn(|| woken.try_recv().ok())
        .map(|space| space.name)
        .collect();
    assert_eq!(names, ["b", "c"]);
    assert_eq!(ask(1), Turn::Go);
    assert_eq!(ask(2), behind("b"));
}
