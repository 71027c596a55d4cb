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
    migration(&json!({"accountsSecret": "migration-old-mail-1-accounts"}))
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
            "migration-old-mail-1-accounts".to_owned(),
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
    found.accounts.insert(
        "migration-old-mail-1-accounts".into(),
        Err(ListError::NoKey),
    );
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
        {"name": "a", "accountsSecret": "migration-old-mail-1-accounts", "accounts": ["two"], "stage": "Cutover",
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
            json!({"name": "a", "accountsSecret": "migration-old-mail-1-accounts", "accounts": ["three"]}),
            "spec.waves[a].accounts",
        ),
        (
            json!({"name": "a", "accountsSecret": "migration-old-mail-1-accounts", "windows": ["Fri 20:00-21:00 Mars/Nord"]}),
            "spec.waves[a].windows",
        ),
        (
            json!({"name": "a", "accountsSecret": "migration-old-mail-1-accounts", "notBefore": "vendredi"}),
            "spec.waves[a].notBefore",
        ),
    ] {
        let refusals =
            check(&migration(&json!({"waves": [wave]})), &references("Active")).unwrap_err();
        assert_eq!(refusals[0].field, field);
    }
    let twice = migration(&json!({"waves": [
        {"name": "a", "accountsSecret": "migration-old-mail-1-accounts"}, {"name": "b", "accountsSecret": "migration-old-mail-1-accounts", "accounts": ["one"]}]}));
    let refusals = check(&twice, &references("Active")).unwrap_err();
    assert!(
        refusals[0].message.contains("one is in a already"),
        "{refusals:?}"
    );
}

#[test]
fn a_roll_back_has_its_time() {
    let mut late = migration(
        &json!({"accountsSecret": "migration-old-mail-1-accounts", "stage": "RolledBack"}),
    );
    let status = |until: &str| serde_json::from_value(json!({"rollbackUntil": until})).unwrap();
    late.status = Some(status("2026-11-25T00:00:00Z"));
    assert!(check(&late, &references("Active")).is_ok());
    late.status = Some(status("2026-11-24T00:00:00Z"));
    assert_eq!(
        reasons(&late, &references("Active")),
        [Reason::RollbackExpired]
    );
}

#[test]
fn a_secret_of_something_else_is_refused_by_its_field() {
    let named = migration(&json!({"accountsSecret": "tenant-ca"}));
    let mut found = references("Active");
    let foreign = ListError::Foreign {
        expected: "migration-old-mail-…-accounts".into(),
        migration: "old-mail".into(),
    };
    found.accounts.insert("tenant-ca".into(), Err(foreign));
    let refusals = check(&named, &found).unwrap_err();
    assert_eq!(refusals[0].field, "spec.accountsSecret");
    assert_eq!(refusals[0].reason, Reason::InvalidSpec);
    assert!(
        refusals[0]
            .message
            .contains("migration-old-mail-…-accounts")
    );
}

#[test]
fn each_address_that_is_closed_is_named_by_its_field() {
    let mut wide = simple();
    wide.spec.source.cidrs = [
        "203.0.113.7/32",
        "0.0.0.0/0",
        "10.96.0.1/32",
        "192.0.2.0/25",
    ]
    .map(ToOwned::to_owned)
    .into();
    let mut found = references("Active");
    let region = &mut found.region.as_mut().unwrap().spec;
    region.own_cidrs = vec!["192.0.2.7/24".into()];
    region.dns_cidrs = vec!["203.0.113.53/32".into()];
    let fields = |migration: &Migration, found: &References| -> Vec<String> {
        let refusals = check(migration, found).unwrap_err();
        refusals.into_iter().map(|refusal| refusal.field).collect()
    };
    assert_eq!(
        fields(&wide, &found),
        [1, 2, 3].map(|place| format!("spec.source.cidrs[{place}]"))
    );
    let region = &mut found.region.as_mut().unwrap().spec;
    region.source_cidrs = vec!["0.0.0.0/0".into(), "10.96.0.1/32".into()];
    // The region's own stays closed, and is cut out of what is wider.
    assert_eq!(fields(&wide, &found), ["spec.source.cidrs[3]"]);
    wide.spec.source.cidrs.pop();
    let plan = check(&wide, &found).unwrap();
    let except: Vec<String> = plan.valid.source_ranges[1]
        .except
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        except,
        [
            "127.0.0.0/8",
            "169.254.0.0/16",
            "192.0.2.0/24",
            "203.0.113.53/32",
            "224.0.0.0/4"
        ]
    );
}

#[test]
fn an_address_as_host_is_one_of_the_ranges() {
    let mut literal = simple();
    for (host, good) in [
        ("203.0.113.7", true),
        ("::ffff:203.0.113.7", true),
        ("203.0.113.8", false),
        ("127.0.0.1", false),
        ("::ffff:10.96.0.1", false),
    ] {
        literal.spec.source.host = host.into();
        let refused = check(&literal, &references("Active")).is_err();
        assert_eq!(refused, !good, "{host}");
    }
}

#[test]
fn a_regions_list_that_cannot_be_read_opens_nothing() {
    let mut found = references("Active");
    found.region.as_mut().unwrap().spec.own_cidrs = vec!["les nœuds".into()];
    let refusals = check(&simple(), &found).unwrap_err();
    assert!(
        refusals[0].message.contains("spec.ownCidrs"),
        "{refusals:?}"
    );
}
