use melouvert_api::condition::holds;
use serde_json::json;

use super::*;

fn tenant() -> Collectivity {
    serde_json::from_value(json!({
        "apiVersion": "melouvert.fr/v1alpha1", "kind": "Collectivity",
        "metadata": {"name": "col-211401187", "generation": 3},
        "spec": {"siren": "211401187", "legalName": "Caen", "kind": "Commune", "population": 1,
            "region": "r", "plan": "p", "domains": ["caen.example"]},
    }))
    .unwrap()
}

fn account(progress: Progress) -> Account {
    Account {
        facts: None,
        progress,
        apart: Apart::default(),
        end: End::NotAsked,
        empty: false,
        journaled: true,
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn working() -> Progress {
    Progress::Done(Seen::Working {
        template: "t1".into(),
    })
}

#[test]
fn computing_again_later_changes_nothing() {
    let mut object = tenant();
    let first = compute(&object, &account(working()), at(1_000));
    object.status = Some(first.clone());
    assert_eq!(compute(&object, &account(working()), at(9_000)), first);
    assert_eq!(first.observed_generation, Some(3));
    assert_eq!(first.proven_template.as_deref(), Some("t1"));
    assert!(holds(&first.conditions, READY) && !holds(&first.conditions, RECONCILING));
}

#[test]
fn a_refusal_names_its_field_and_stalls() {
    let refusal = Refusal {
        field: "spec.plan".into(),
        reason: Reason::PlanNotFound,
        message: "plan \"x\" does not exist".into(),
        hoster_only: Some("secret of the hoster".into()),
    };
    let mut account = account(Progress::Refused(vec![refusal]));
    account.empty = true;
    let status = compute(&tenant(), &account, at(1));
    let ready = &status.conditions[0];
    assert_eq!(
        (ready.status.as_str(), ready.reason.as_str()),
        ("False", "PlanNotFound")
    );
    assert!(ready.message.starts_with("spec.plan: "));
    assert!(holds(&status.conditions, STALLED) && holds(&status.conditions, ERASURE_DUE));
    assert!(
        !serde_json::to_string(&status)
            .unwrap()
            .contains("secret of the hoster")
    );
}

#[test]
fn waiting_keeps_what_was_told_and_what_was_proven() {
    let mut object = tenant();
    object.status = Some(compute(&object, &account(working()), at(1)));
    let waiting = Progress::Waiting {
        reason: Reason::PodNotReady,
        message: "…".into(),
    };
    let mut account = account(waiting);
    account.journaled = false;
    object.metadata.generation = Some(4);
    let status = compute(&object, &account, at(2));
    assert_eq!(status.proven_template.as_deref(), Some("t1"));
    assert_eq!(
        status.observed_generation,
        Some(3),
        "not in the journal yet"
    );
    assert!(holds(&status.conditions, RECONCILING) && !holds(&status.conditions, STALLED));
    assert!(
        !status
            .conditions
            .iter()
            .any(|condition| condition.type_ == ERASURE_DUE)
    );
}

#[test]
fn erasure_is_due_only_after_the_notice() {
    let mut ending = tenant();
    ending.spec.lifecycle = melouvert_api::collectivity::LifecycleSchema::Terminating;
    let mut told = account(Progress::Done(Seen::Ended));
    told.end = super::super::terminate::decide(&ending, at(1_000));
    ending.status = Some(compute(&ending, &told, at(1_000)));
    let status = ending.status.clone().unwrap();
    assert!(!holds(&status.conditions, ERASURE_DUE) && !holds(&status.conditions, READY));
    assert!(
        status.conditions[0]
            .message
            .contains("1970-01-22T00:16:40Z")
    );
    let day_21 = at(1_000 + 21 * 86_400);
    told.end = super::super::terminate::decide(&ending, day_21);
    assert!(holds(
        &compute(&ending, &told, day_21).conditions,
        ERASURE_DUE
    ));
    ending.spec.lifecycle = melouvert_api::collectivity::LifecycleSchema::Active;
    let mut back = account(working());
    back.end = super::super::terminate::decide(&ending, day_21);
    let status = compute(&ending, &back, day_21);
    assert_eq!(status.termination, None);
    assert!(
        !status
            .conditions
            .iter()
            .any(|condition| condition.type_ == ERASURE_DUE)
    );
}

#[test]
fn what_is_kept_apart_shows_beside_a_space_that_serves() {
    let mut account = account(working());
    account.apart.kept = vec![Refusal::new(
        "spec.plan",
        Reason::StorageShrinks,
        "the volume has 2Gi and cannot shrink to 1Gi",
    )];
    account.apart.waits = vec![(Reason::RolloutWaits, "tried on col-1 first".into())];
    let status = compute(&tenant(), &account, at(1));
    let told: Vec<_> = status
        .conditions
        .iter()
        .map(|c| (c.type_.as_str(), c.status.as_str(), c.reason.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (READY, "True", "Serving"),
            (RECONCILING, "True", "RolloutWaits"),
            (STALLED, "True", "StorageShrinks"),
        ]
    );
    assert!(
        status.conditions[2]
            .message
            .starts_with("spec.plan: the volume has 2Gi")
    );
    // A step that fails is not hidden by what waits.
    account.progress = Progress::Waiting {
        reason: Reason::DatabaseUnreachable,
        message: "refused".into(),
    };
    let status = compute(&tenant(), &account, at(1));
    assert_eq!(status.conditions[1].reason, "DatabaseUnreachable");
    assert!(holds(&status.conditions, STALLED));
}
