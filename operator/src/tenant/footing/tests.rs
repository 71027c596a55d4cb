use melouvert_api::{Plan, Region};
use serde_json::{Value, json};

use super::*;

fn tenant(spec: &Value) -> Collectivity {
    let mut all = json!({"siren": "211401187", "legalName": "Caen", "kind": "Commune", "population": 1000,
        "region": "normandie", "plan": "ville", "domains": ["caen.example"]});
    for (key, value) in spec.as_object().unwrap() {
        all[key] = value.clone();
    }
    serde_json::from_value(json!({
        "apiVersion": "melouvert.fr/v1alpha1", "kind": "Collectivity",
        "metadata": {"name": "col-211401187", "uid": "u"}, "spec": all}))
    .unwrap()
}

fn region(image: &str) -> Region {
    serde_json::from_value(json!({
        "apiVersion": "melouvert.fr/v1alpha1", "kind": "Region", "metadata": {"name": "normandie"},
        "spec": {"baseDomain": "normandie.example", "images": {"dovecot": image, "exim": "e", "melouvert": "m"},
            "database": {"host": "db", "port": 5432}}}))
    .unwrap()
}

fn plan(memory: &str) -> Plan {
    serde_json::from_value(json!({
        "apiVersion": "melouvert.fr/v1alpha1", "kind": "Plan", "metadata": {"name": "ville"},
        "spec": {"populationFrom": 0, "agents": 10, "storage": "20Gi", "mailboxQuota": "2Gi",
            "resources": {"cpu": "1", "memory": memory}}}))
    .unwrap()
}

/// A space that was last rendered with these.
fn opened(region: &Region, plan: &Plan) -> References {
    let known = LastKnown {
        region_name: "normandie".into(),
        region: region.spec.clone(),
        plan_name: "ville".into(),
        plan: plan.spec.clone(),
    };
    let mut namespace = Namespace::default();
    let annotations = namespace.metadata.annotations.get_or_insert_default();
    annotations.insert(labels::LAST_KNOWN.into(), known.text());
    References {
        region: Some(region.clone()),
        plan: Some(plan.clone()),
        namespace: Some(namespace),
        ..References::default()
    }
}

fn wait(_: Shared, _: &str) -> Turn {
    Turn::Wait {
        behind: "col-1".into(),
    }
}

fn never(shared: Shared, wanted: &str) -> Turn {
    panic!("asked for {shared:?} {wanted}")
}

fn reasons(chosen: &Chosen) -> Vec<Reason> {
    chosen
        .refusals
        .iter()
        .map(|refusal| refusal.reason)
        .collect()
}

#[test]
fn what_did_not_change_needs_no_turn() {
    let references = opened(&region("d"), &plan("768Mi"));
    let chosen = choose(&tenant(&json!({})), &references, never);
    assert_eq!(chosen.region, Some(region("d").spec));
    assert_eq!((chosen.refusals, chosen.waits), (vec![], vec![]));
}

#[test]
fn a_changed_region_or_plan_waits_for_its_turn() {
    let mut references = opened(&region("d"), &plan("768Mi"));
    references.region = Some(region("typo"));
    references.plan = Some(plan("1Mi"));
    let chosen = choose(&tenant(&json!({})), &references, wait);
    assert_eq!(chosen.region.unwrap().images.dovecot, "d");
    assert_eq!(chosen.plan.unwrap().1.resources.memory, "768Mi");
    assert_eq!(chosen.waits.len(), 2);
    let mut asked = Vec::new();
    let chosen = choose(&tenant(&json!({})), &references, |shared, wanted| {
        asked.push((shared, wanted.to_owned()));
        Turn::Go
    });
    assert_eq!(chosen.region.unwrap().images.dovecot, "typo");
    let wanted = [
        (Shared::Region, revision("normandie", &region("typo").spec)),
        (Shared::Plan, revision("ville", &plan("1Mi").spec)),
    ];
    assert_eq!(asked, wanted);
}

#[test]
fn a_space_that_ends_or_changes_plan_itself_waits_for_nobody() {
    let mut references = opened(&region("d"), &plan("768Mi"));
    references.region = Some(region("new"));
    let ending = choose(
        &tenant(&json!({"lifecycle": "Terminating"})),
        &references,
        never,
    );
    assert_eq!(ending.region.unwrap().images.dovecot, "new");
    references.region = Some(region("d"));
    references.plan = Some(plan("2Gi"));
    let other = choose(&tenant(&json!({"plan": "metropole"})), &references, never);
    assert_eq!(other.plan.unwrap().0, "metropole");
}

#[test]
fn what_is_gone_or_unusable_is_told_and_stood_in_for() {
    let mut references = opened(&region("d"), &plan("768Mi"));
    references.region = None;
    references.plan = None;
    let chosen = choose(&tenant(&json!({})), &references, never);
    assert_eq!(
        reasons(&chosen),
        [Reason::RegionNotFound, Reason::PlanNotFound]
    );
    assert_eq!(chosen.region, Some(region("d").spec));
    assert_eq!(chosen.plan, Some(("ville".into(), plan("768Mi").spec)));
    references.plan = Some(plan("much"));
    assert_eq!(
        reasons(&choose(&tenant(&json!({})), &references, never))[1],
        Reason::InvalidPlan
    );
    // A space that was never opened has nothing to fall back on.
    let chosen = choose(&tenant(&json!({})), &References::default(), never);
    assert_eq!((chosen.region, chosen.plan), (None, None));
}

#[test]
fn cores_are_read_in_both_forms() {
    assert_eq!(
        ["2", "500m", "0", "1.5"].map(millis),
        [Some(2000), Some(500), None, None]
    );
}
