use k8s_openapi::api::core::v1::Namespace;
use melouvert_api::{Plan, Region};
use melouvert_domain::Lifecycle;
use serde_json::{Value, json};

use super::*;

const CAEN: &str = "211401187";
const ROUEN: &str = "217605401";

fn collectivity(siren: &str, spec: &Value) -> Collectivity {
    let mut all = json!({"siren": siren, "legalName": "Caen", "kind": "Commune", "population": 1000,
        "region": "normandie", "plan": "ville", "domains": ["caen.example"]});
    for (key, value) in spec.as_object().unwrap() {
        all[key] = value.clone();
    }
    serde_json::from_value(json!({
        "apiVersion": "melouvert.fr/v1alpha1", "kind": "Collectivity",
        "metadata": {"name": format!("col-{siren}"), "uid": format!("uid-{siren}"),
            "creationTimestamp": "2026-11-24T10:00:00Z"},
        "spec": all,
    }))
    .unwrap()
}

fn references() -> References {
    let plan: Plan = serde_json::from_value(json!({
        "apiVersion": "melouvert.fr/v1alpha1", "kind": "Plan", "metadata": {"name": "ville"},
        "spec": {"populationFrom": 0, "agents": 10, "storage": "20Gi", "mailboxQuota": "2Gi",
            "resources": {"cpu": "1", "memory": "768Mi"}}}))
    .unwrap();
    let region: Region = serde_json::from_value(json!({
        "apiVersion": "melouvert.fr/v1alpha1", "kind": "Region", "metadata": {"name": "normandie"},
        "spec": {"baseDomain": "normandie.example", "images": {"dovecot": "d", "exim": "e", "melouvert": "m"},
            "database": {"host": "db", "port": 5432}}}))
    .unwrap();
    References {
        plan: Some(plan),
        region: Some(region),
        ..References::default()
    }
}

fn refusals(
    tenant: &Collectivity,
    references: &References,
    others: &[Collectivity],
) -> Vec<Refusal> {
    validate(tenant, references, others, "sys").unwrap_err()
}

fn fields(refusals: &[Refusal]) -> Vec<(&str, Reason)> {
    refusals
        .iter()
        .map(|refusal| (refusal.field.as_str(), refusal.reason))
        .collect()
}

#[test]
fn a_good_spec_takes_the_plans_figures_and_its_own() {
    let tenant = collectivity(
        CAEN,
        &json!({"lifecycle": "Suspended", "overrides": {"storage": "30Gi", "agents": 7}}),
    );
    let valid = validate(&tenant, &references(), [], "sys").unwrap();
    assert_eq!(valid.namespace.as_str(), "col-211401187");
    assert_eq!(valid.lifecycle, Lifecycle::Suspended);
    assert_eq!(
        (valid.quota.agents, valid.quota.storage.bytes()),
        (7, 30 << 30)
    );
    assert_eq!(valid.quota.mailbox.to_string(), "2Gi");
    assert_eq!(valid.resources.cpu_millis, 1000);
}

#[test]
fn every_fault_is_named_at_once() {
    let tenant = collectivity(
        "211401188",
        &json!({"domains": ["ok.example", "x.gouv.fr", "caen"], "plan": "none"}),
    );
    let mut found = references();
    (found.plan, found.region) = (None, None);
    assert_eq!(
        fields(&refusals(&tenant, &found, &[])),
        [
            ("spec.siren", Reason::InvalidSpec),
            ("spec.domains[1]", Reason::InvalidSpec),
            ("spec.domains[2]", Reason::InvalidSpec),
            ("spec.region", Reason::RegionNotFound),
            ("spec.plan", Reason::PlanNotFound),
        ]
    );
}

#[test]
fn a_taken_domain_is_refused_to_the_younger_without_naming_the_holder() {
    let holder = collectivity(ROUEN, &json!({"legalName": "Rouen"}));
    let mut younger = collectivity(CAEN, &json!({}));
    younger.metadata.creation_timestamp = Some(Time("2026-11-24T11:00:00Z".parse().unwrap()));
    let refused = refusals(&younger, &references(), std::slice::from_ref(&holder));
    assert_eq!(fields(&refused), [("spec.domains[0]", Reason::DomainTaken)]);
    assert!(!refused[0].message.contains(ROUEN) && !refused[0].message.contains("Rouen"));
    assert!(
        refused[0]
            .hoster_only
            .as_ref()
            .unwrap()
            .contains("col-217605401")
    );
    assert!(
        validate(&holder, &references(), [&younger], "sys").is_ok(),
        "the older keeps it"
    );
}

#[test]
fn an_older_tenant_cannot_take_a_domain_in_use() {
    let mut user = collectivity(ROUEN, &json!({}));
    user.metadata.creation_timestamp = Some(Time("2026-11-24T11:00:00Z".parse().unwrap()));
    user.status = serde_json::from_value(json!({"dnsRecords": [
        {"name": "caen.example.", "type": "MX", "value": "10 mx.normandie.example."},
        {"name": "other.example.", "type": "TXT", "value": "x"}]}))
    .unwrap();
    let older = collectivity(CAEN, &json!({}));
    assert_eq!(
        fields(&refusals(
            &older,
            &references(),
            std::slice::from_ref(&user)
        )),
        [("spec.domains[0]", Reason::DomainTaken)]
    );
    assert!(validate(&user, &references(), [&older], "sys").is_ok());
}

#[test]
fn created_in_the_same_second_the_smaller_uid_wins() {
    let (caen, rouen) = (
        collectivity(CAEN, &json!({})),
        collectivity(ROUEN, &json!({})),
    );
    assert!(validate(&caen, &references(), [&rouen], "sys").is_ok());
    assert_eq!(
        fields(&refusals(&rouen, &references(), &[caen])),
        [("spec.domains[0]", Reason::DomainTaken)]
    );
}

#[test]
fn storage_only_grows() {
    let mut found = references();
    found.storage = Some("40Gi".parse().unwrap());
    let tenant = collectivity(CAEN, &json!({}));
    assert_eq!(
        fields(&refusals(&tenant, &found, &[])),
        [("spec.overrides.storage", Reason::StorageShrinks)]
    );
    let tenant = collectivity(CAEN, &json!({"overrides": {"storage": "40Gi"}}));
    assert!(validate(&tenant, &found, [], "sys").is_ok());
}

#[test]
fn a_namespace_of_somebody_else_is_refused() {
    let mut found = references();
    let mut namespace = Namespace::default();
    found.namespace = Some(namespace.clone());
    let tenant = collectivity(CAEN, &json!({}));
    assert_eq!(
        fields(&refusals(&tenant, &found, &[])),
        [("metadata.name", Reason::NamespaceTaken)]
    );
    let uid = (
        melouvert_tenant_template::COLLECTIVITY_UID.to_owned(),
        "uid-211401187".to_owned(),
    );
    namespace.metadata.annotations = Some([uid].into());
    found.namespace = Some(namespace);
    assert!(validate(&tenant, &found, [], "sys").is_ok());
}
