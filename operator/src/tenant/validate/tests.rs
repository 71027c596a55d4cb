use k8s_openapi::api::core::v1::Namespace;
use melouvert_api::{Plan, Region};
use melouvert_domain::Lifecycle;
use serde_json::{Value, json};

use melouvert_api::labels;
use melouvert_tenant_template::COLLECTIVITY_UID;

use super::*;
use crate::{
    rollout::Turn,
    tenant::{footing, volume::Claim},
};

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
    checked(tenant, references, others).unwrap_err()
}

fn checked(
    tenant: &Collectivity,
    references: &References,
    others: &[Collectivity],
) -> Result<Valid, Vec<Refusal>> {
    let chosen = footing::choose(tenant, references, |_, _| Turn::Go);
    validate(tenant, references, chosen, others, "sys")
}

/// A space of Caen that was opened and serves `caen.example`.
fn opened(spec: &Value) -> (Collectivity, References) {
    let mut tenant = collectivity(CAEN, spec);
    tenant.status = serde_json::from_value(json!({"dnsRecords": [
        {"name": "caen.example.", "type": "MX", "value": "10 mx.normandie.example."}]}))
    .unwrap();
    let mut found = references();
    let known = LastKnown {
        region_name: "normandie".into(),
        region: found.region.clone().unwrap().spec,
        plan_name: "ville".into(),
        plan: found.plan.clone().unwrap().spec,
    };
    let mut namespace = Namespace::default();
    namespace.metadata.annotations = Some(
        [
            (COLLECTIVITY_UID, format!("uid-{CAEN}")),
            (labels::LAST_KNOWN, known.text()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into(),
    );
    found.namespace = Some(namespace);
    let size = "20Gi".parse().unwrap();
    found.claim = Some(Claim {
        requested: size,
        capacity: Some(size),
        class: Some("fast".into()),
    });
    (tenant, found)
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
    let valid = checked(&tenant, &references(), &[]).unwrap().tenant;
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
        checked(&holder, &references(), &[younger]).is_ok(),
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
    assert!(checked(&user, &references(), &[older]).is_ok());
}

#[test]
fn created_in_the_same_second_the_smaller_uid_wins() {
    let (caen, rouen) = (
        collectivity(CAEN, &json!({})),
        collectivity(ROUEN, &json!({})),
    );
    assert!(checked(&caen, &references(), std::slice::from_ref(&rouen)).is_ok());
    assert_eq!(
        fields(&refusals(&rouen, &references(), &[caen])),
        [("spec.domains[0]", Reason::DomainTaken)]
    );
}

#[test]
fn a_plan_that_shrinks_leaves_the_volume_and_applies_the_rest() {
    let (tenant, mut found) = opened(&json!({"lifecycle": "Suspended"}));
    let plan = &mut found.plan.as_mut().unwrap().spec;
    plan.storage = "10Gi".into();
    plan.agents = 5;
    let valid = checked(&tenant, &found, &[]).unwrap();
    assert_eq!(fields(&valid.kept), [("spec.plan", Reason::StorageShrinks)]);
    let (tenant, quota) = (valid.tenant, "20Gi".parse().unwrap());
    assert_eq!((tenant.quota.storage, tenant.volume.size), (quota, quota));
    assert_eq!(
        (tenant.quota.agents, tenant.lifecycle),
        (5, Lifecycle::Suspended)
    );
}

#[test]
fn a_volume_keeps_its_class_and_grows() {
    let (tenant, mut found) = opened(&json!({"overrides": {"storage": "40Gi"}}));
    found.region.as_mut().unwrap().spec.storage_class = Some("slow".into());
    let valid = checked(&tenant, &found, &[]).unwrap();
    assert_eq!(valid.tenant.volume.class.as_deref(), Some("fast"));
    assert_eq!(valid.tenant.volume.size.to_string(), "40Gi");
    assert_eq!(
        valid.tenant.quota.storage.to_string(),
        "20Gi",
        "told once made"
    );
    assert_eq!(valid.waits[0].0, Reason::StorageNotGrown);
    assert!(valid.kept.is_empty());
}

#[test]
fn an_open_space_lives_on_without_its_region_and_plan() {
    let (tenant, mut found) = opened(&json!({"lifecycle": "Suspended"}));
    (found.plan, found.region) = (None, None);
    let valid = checked(&tenant, &found, &[]).unwrap();
    assert_eq!(
        fields(&valid.kept),
        [
            ("spec.region", Reason::RegionNotFound),
            ("spec.plan", Reason::PlanNotFound)
        ]
    );
    assert_eq!(valid.tenant.region.images.dovecot, "d");
    assert_eq!(valid.tenant.lifecycle, Lifecycle::Suspended);
    // Opened by a version that kept no last known values: refused whole, which lets it end.
    found.namespace.as_mut().unwrap().metadata.annotations =
        Some([(COLLECTIVITY_UID.to_owned(), format!("uid-{CAEN}"))].into());
    assert_eq!(refusals(&tenant, &found, &[]).len(), 2);
}

#[test]
fn an_open_space_keeps_its_domains_when_one_of_the_new_ones_is_refused() {
    let holder = collectivity(ROUEN, &json!({"domains": ["rouen.example"]}));
    let (tenant, found) =
        opened(&json!({"domains": ["rouen.example", "caen2.example"], "overrides": {"agents": 7}}));
    let valid = checked(&tenant, &found, std::slice::from_ref(&holder));
    let mut younger = tenant.clone();
    younger.metadata.creation_timestamp = Some(Time("2026-11-24T11:00:00Z".parse().unwrap()));
    assert!(valid.is_ok(), "the same second, the smaller UID");
    let valid = checked(&younger, &found, &[holder]).unwrap();
    assert_eq!(
        fields(&valid.kept),
        [("spec.domains[0]", Reason::DomainTaken)]
    );
    let domains: Vec<_> = valid.tenant.domains().map(ToString::to_string).collect();
    assert_eq!(domains, ["caen.example"]);
    assert_eq!(valid.tenant.quota.agents, 7);
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
    let uid = (COLLECTIVITY_UID.to_owned(), "uid-211401187".to_owned());
    namespace.metadata.annotations = Some([uid].into());
    found.namespace = Some(namespace);
    assert!(checked(&tenant, &found, &[]).is_ok());
}
