use melouvert_waves::Stage;
use serde_json::{Value, json};

use super::*;

fn migration(more: &Value) -> Migration {
    let mut spec = json!({
        "source": {"host": "imap.old.example", "port": 993, "cidrs": ["203.0.113.7/32"]},
    });
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    serde_json::from_value(json!({
        "apiVersion": "melouvert.fr/v1alpha1", "kind": "Migration",
        "metadata": {"name": "old-mail", "namespace": "col-211401187", "uid": "u"},
        "spec": spec}))
    .unwrap()
}

fn simple() -> Migration {
    migration(&json!({"accountsSecret": "accounts"}))
}

fn listed(user: &str) -> Listed {
    Listed {
        id: melouvert_waves::identifier(user, "a@a.example"),
        source_user: user.into(),
        target_user: "a@a.example".into(),
    }
}

fn references(lifecycle: &str) -> References {
    let tenant = serde_json::from_value(json!({
        "apiVersion": "melouvert.fr/v1alpha1", "kind": "Collectivity", "metadata": {"name": "col-211401187"},
        "spec": {"siren": "211401187", "legalName": "x", "kind": "Commune", "population": 1,
            "region": "r", "plan": "p", "domains": ["a.example"], "lifecycle": lifecycle},
        "status": {"namespace": "col-211401187"}}))
    .unwrap();
    let region = serde_json::from_value(json!({
        "apiVersion": "melouvert.fr/v1alpha1", "kind": "Region", "metadata": {"name": "r"},
        "spec": {"baseDomain": "n.example", "images": {"dovecot": "d", "exim": "e", "melouvert": "m"},
            "database": {"host": "db", "port": 5432}}}))
    .unwrap();
    References {
        tenant: Some(tenant),
        region: Some(region),
        accounts: HashMap::from([(
            "accounts".to_owned(),
            Ok(vec![listed("one"), listed("two")]),
        )]),
    }
}

fn check(migration: &Migration, references: &References) -> Result<Plan, Vec<Refusal>> {
    let now = "2026-11-24T20:00:00Z".parse().unwrap();
    validate(migration, references, "root", "sys", now)
}

fn reasons(migration: &Migration, references: &References) -> Vec<Reason> {
    let refusals = check(migration, references).unwrap_err();
    refusals.iter().map(|refusal| refusal.reason).collect()
}

#[test]
fn a_migration_without_waves_is_one_wave() {
    let plan = check(&simple(), &references("Active")).unwrap();
    assert_eq!((plan.limits.jobs, plan.valid.image.as_str()), (2, "m"));
    assert_eq!(plan.waves.len(), 1);
    assert_eq!(plan.waves[0].name, WHOLE);
    assert_eq!(plan.waves[0].listed.as_ref().unwrap().len(), 2);
    assert_eq!(plan.waves[0].rules.want.stage, Stage::Presync);
}

#[test]
fn a_space_that_does_not_serve_refuses_it() {
    assert_eq!(
        reasons(&simple(), &references("Suspended")),
        [Reason::TenantSuspended]
    );
    assert_eq!(
        reasons(&simple(), &references("Terminating")),
        [Reason::TenantTerminating]
    );
    assert_eq!(
        reasons(&simple(), &References::default()),
        [Reason::NotATenant]
    );
    let mut young = references("Active");
    young.tenant.as_mut().unwrap().status = None;
    assert_eq!(reasons(&simple(), &young), [Reason::TenantNotReady]);
}

#[test]
fn every_fault_is_named_at_once() {
    let mut bad = simple();
    bad.spec.source.host = "-rf /".into();
    bad.metadata.name = Some("x".repeat(60));
    let mut found = references("Active");
    found
        .accounts
        .insert("accounts".into(), Err(ListError::NoKey));
    assert_eq!(
        reasons(&bad, &found),
        [
            Reason::InvalidSpec,
            Reason::InvalidSpec,
            Reason::AccountsMissing
        ]
    );
}

#[test]
fn waves_take_their_part_their_hours_and_their_stage() {
    let waves = migration(&json!({"stage": "Presync", "waves": [
        {"name": "a", "accountsSecret": "accounts", "accounts": ["two"], "stage": "Cutover",
         "windows": ["Fri 20:00-Mon 06:00 Europe/Paris"], "notBefore": "2026-11-27T19:00:00Z"},
        {"name": "b", "accountsSecret": "gone"}]}));
    let plan = check(&waves, &references("Active")).unwrap();
    assert_eq!(plan.waves[0].listed.as_ref().unwrap()[0].source_user, "two");
    assert_eq!(plan.waves[0].rules.want.stage, Stage::Cutover);
    assert_eq!(plan.waves[0].rules.windows.len(), 1);
    assert_eq!(plan.waves[1].listed, None);
    assert_eq!(plan.waves[1].rules.want.stage, Stage::Presync);
}

#[test]
fn a_fault_of_a_wave_names_it() {
    for (wave, field) in [
        (
            json!({"name": "a", "accountsSecret": "accounts", "accounts": ["three"]}),
            "spec.waves[a].accounts",
        ),
        (
            json!({"name": "a", "accountsSecret": "accounts", "windows": ["Fri 20:00-21:00 Mars/Nord"]}),
            "spec.waves[a].windows",
        ),
        (
            json!({"name": "a", "accountsSecret": "accounts", "notBefore": "vendredi"}),
            "spec.waves[a].notBefore",
        ),
    ] {
        let refusals =
            check(&migration(&json!({"waves": [wave]})), &references("Active")).unwrap_err();
        assert_eq!(refusals[0].field, field);
    }
    let twice = migration(&json!({"waves": [
        {"name": "a", "accountsSecret": "accounts"}, {"name": "b", "accountsSecret": "accounts", "accounts": ["one"]}]}));
    let refusals = check(&twice, &references("Active")).unwrap_err();
    assert!(
        refusals[0].message.contains("one is in a already"),
        "{refusals:?}"
    );
}

#[test]
fn a_roll_back_has_its_time() {
    let mut late = migration(&json!({"accountsSecret": "accounts", "stage": "RolledBack"}));
    let status = |until: &str| serde_json::from_value(json!({"rollbackUntil": until})).unwrap();
    late.status = Some(status("2026-11-25T00:00:00Z"));
    assert!(check(&late, &references("Active")).is_ok());
    late.status = Some(status("2026-11-24T00:00:00Z"));
    assert_eq!(
        reasons(&late, &references("Active")),
        [Reason::RollbackExpired]
    );
}
