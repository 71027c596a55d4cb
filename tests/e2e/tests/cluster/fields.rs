//! Every field of every resource broken in turn: the API server refuses it and names the field.

use anyhow::{Context, ensure};
use melouvert_e2e::{kubectl, two_spaces};
use serde_json::{Value, json};

/// Lisieux, 20,000 inhabitants: no space of it is ever opened.
pub(super) const LISIEUX: &str = "211403662";

/// What is written into which field, and what the refusal must say.
type Case = (&'static str, Value, &'static str);

fn region() -> Value {
    json!({"apiVersion": "melouvert.fr/v1alpha1", "kind": "Region", "metadata": {"name": "essai"},
        "spec": {"baseDomain": "essai.melouvert.example", "storageClass": "local-path",
            "images": {"dovecot": "d:1", "exim": "e:1", "melouvert": "m:1"},
            "database": {"host": "pg.essai.example", "port": 5432, "cidr": "192.0.2.7/32",
                "ca": "-----BEGIN CERTIFICATE-----\n"},
            "dnsCidrs": ["192.0.2.53/32"], "sourceCidrs": ["10.20.0.7/32"], "ownCidrs": ["192.0.2.0/24"],
            "migrationDoor": true, "trustedProxies": ["192.0.2.0/28"]}})
}

fn plan() -> Value {
    json!({"apiVersion": "melouvert.fr/v1alpha1", "kind": "Plan", "metadata": {"name": "essai"},
        "spec": {"populationFrom": 0, "agents": 10, "storage": "2Gi", "mailboxQuota": "1Gi",
            "resources": {"cpu": "500m", "memory": "768Mi"}}})
}

pub(super) fn collectivity(spec: &Value) -> Value {
    let mut all = json!({"siren": LISIEUX, "legalName": "Lisieux", "kind": "Commune",
        "inseeCode": "14366", "population": 20000, "region": "normandie", "plan": "ville",
        "domains": ["lisieux.example"],
        "overrides": {"agents": 5, "storage": "3Gi", "mailboxQuota": "1Gi"},
        "contacts": {"dsi": "dsi@lisieux.example", "dpo": "dpo@lisieux.example"},
        "unalignedMail": "Junk", "lifecycle": "Active"});
    merge(&mut all, spec);
    json!({"apiVersion": "melouvert.fr/v1alpha1", "kind": "Collectivity",
        "metadata": {"name": format!("col-{LISIEUX}")}, "spec": all})
}

pub(super) fn migration(spec: &Value) -> Value {
    let mut all = json!({"source": {"host": "imap.ancien.example", "port": 993,
            "cidrs": ["203.0.113.7/32"], "ca": "", "allowCleartext": false, "startTls": true,
            "auth": "Plain", "master": "admin"},
        "waves": [{"name": "a", "accountsSecret": "migration-essai-1-accounts", "accounts": ["u"],
            "windows": ["Fri 20:00-Mon 06:00 Europe/Paris"],
            "notBefore": "2026-11-27T19:00:00Z", "stage": "Presync"}],
        "jobs": 2, "limits": {"connectionsPerHost": 4, "bytesPerSecond": 1_000_000},
        "stage": "Presync", "paused": true, "sourceFrozen": false, "run": 0, "retry": 0,
        "rollbackDays": 14});
    merge(&mut all, spec);
    json!({"apiVersion": "melouvert.fr/v1alpha1", "kind": "Migration",
        "metadata": {"name": "essai", "namespace": "col-211401187"}, "spec": all})
}

fn merge(all: &mut Value, more: &Value) {
    for (key, value) in more.as_object().into_iter().flatten() {
        all[key] = value.clone();
    }
}

pub(super) fn send(verb: &[&str], object: &Value) -> anyhow::Result<String> {
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), object.to_string())?;
    let path = file.path().to_string_lossy().into_owned();
    kubectl(&[verb, &["-f", &path]].concat())
}

/// The API server takes the good object and refuses each broken one, naming the field.
fn refused_one_by_one(good: &Value, cases: &[Case]) -> anyhow::Result<()> {
    let create = |object: &Value| send(&["create", "--dry-run=server"], object);
    create(good).context("control: the good object is refused")?;
    for (pointer, value, expected) in cases {
        let mut broken = good.clone();
        let place = broken.pointer_mut(pointer);
        *place.with_context(|| format!("no field {pointer}"))? = value.clone();
        let said = match create(&broken) {
            Err(error) => format!("{error:#}"),
            Ok(_) => "accepted".into(),
        };
        ensure!(said.contains(expected), "{pointer} = {value}: {said}");
    }
    Ok(())
}

/// Every leaf of the good spec is broken by some case.
fn every_field_is_broken(good: &Value, cases: &[Case]) -> anyhow::Result<()> {
    let mut leaves = Vec::new();
    collect(&good["spec"], "/spec", &mut leaves);
    let unbroken: Vec<&String> = leaves
        .iter()
        .filter(|leaf| cases.iter().all(|(pointer, ..)| pointer != leaf))
        .collect();
    ensure!(unbroken.is_empty(), "no case breaks {unbroken:?}");
    Ok(())
}

fn collect(value: &Value, path: &str, leaves: &mut Vec<String>) {
    match value {
        Value::Object(map) => map
            .iter()
            .for_each(|(key, value)| collect(value, &format!("{path}/{key}"), leaves)),
        Value::Array(items) if items.iter().any(Value::is_object) => items
            .iter()
            .enumerate()
            .for_each(|(place, value)| collect(value, &format!("{path}/{place}"), leaves)),
        _ => leaves.push(path.to_owned()),
    }
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn each_broken_field_of_a_region_is_named() -> anyhow::Result<()> {
    let cases = [
        ("/spec/baseDomain", json!("Normandie"), "spec.baseDomain"),
        (
            "/spec/storageClass",
            json!("Le Disque"),
            "spec.storageClass",
        ),
        ("/spec/images/dovecot", json!(""), "spec.images.dovecot"),
        ("/spec/images/exim", json!("a b"), "spec.images.exim"),
        ("/spec/images/melouvert", json!(7), "spec.images.melouvert"),
        (
            "/spec/database/host",
            json!("pg essai"),
            "spec.database.host",
        ),
        ("/spec/database/port", json!(0), "spec.database.port"),
        (
            "/spec/database/cidr",
            json!("192.0.2.7"),
            "spec.database.cidr",
        ),
        ("/spec/database/ca", json!("MIIB"), "spec.database.ca"),
        ("/spec/dnsCidrs", json!(["résolveur"]), "spec.dnsCidrs"),
        ("/spec/sourceCidrs", json!(["ancien"]), "spec.sourceCidrs"),
        ("/spec/ownCidrs", json!(["nœuds"]), "spec.ownCidrs"),
        ("/spec/migrationDoor", json!("oui"), "spec.migrationDoor"),
        (
            "/spec/trustedProxies",
            json!(["192.0.2.7/28"]),
            "spec.trustedProxies",
        ),
    ];
    every_field_is_broken(&region(), &cases)?;
    refused_one_by_one(&region(), &cases)
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn each_broken_field_of_a_plan_is_named() -> anyhow::Result<()> {
    let cases = [
        ("/spec/populationFrom", json!(-1), "spec.populationFrom"),
        ("/spec/agents", json!(0), "spec.agents"),
        ("/spec/storage", json!("20G"), "spec.storage"),
        ("/spec/mailboxQuota", json!("beaucoup"), "spec.mailboxQuota"),
        (
            "/spec/resources/cpu",
            json!("99999999"),
            "spec.resources.cpu",
        ),
        (
            "/spec/resources/memory",
            json!("0Mi"),
            "spec.resources.memory",
        ),
    ];
    every_field_is_broken(&plan(), &cases)?;
    refused_one_by_one(&plan(), &cases)
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn each_broken_field_of_a_collectivity_is_named() -> anyhow::Result<()> {
    let cases = [
        ("/metadata/name", json!("lisieux"), "col-<spec.siren>"),
        ("/spec/siren", json!("211403663"), "Luhn"),
        ("/spec/siren", json!("21140"), "spec.siren"),
        ("/spec/legalName", json!(""), "spec.legalName"),
        ("/spec/kind", json!("Village"), "spec.kind"),
        ("/spec/inseeCode", json!("2C366"), "spec.inseeCode"),
        ("/spec/population", json!(-1), "spec.population"),
        ("/spec/region", json!(""), "spec.region"),
        ("/spec/plan", json!(""), "spec.plan"),
        ("/spec/domains", json!([]), "spec.domains"),
        ("/spec/domains", json!(["Lisieux"]), "spec.domains"),
        ("/spec/domains", json!(["lisieux.gouv.fr"]), "gouv.fr"),
        (
            "/spec/domains",
            json!(["a.example", "a.example"]),
            "must not repeat",
        ),
        ("/spec/overrides/agents", json!(0), "spec.overrides.agents"),
        (
            "/spec/overrides/storage",
            json!("3G"),
            "spec.overrides.storage",
        ),
        (
            "/spec/overrides/mailboxQuota",
            json!("-1Gi"),
            "spec.overrides.mailboxQuota",
        ),
        ("/spec/contacts/dsi", json!("la DSI"), "spec.contacts.dsi"),
        ("/spec/contacts/dpo", json!("@"), "spec.contacts.dpo"),
        ("/spec/unalignedMail", json!("Garder"), "spec.unalignedMail"),
        ("/spec/lifecycle", json!("Endormie"), "spec.lifecycle"),
    ];
    let good = collectivity(&json!({}));
    every_field_is_broken(&good, &cases)?;
    refused_one_by_one(&good, &cases)
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn each_broken_field_of_a_migration_is_named() -> anyhow::Result<()> {
    two_spaces()?;
    let cases = [
        ("/spec/source/host", json!(""), "spec.source.host"),
        ("/spec/source/port", json!(70000), "spec.source.port"),
        ("/spec/source/cidrs", json!(["ancien"]), "spec.source.cidrs"),
        ("/spec/source/ca", json!(7), "spec.source.ca"),
        (
            "/spec/source/allowCleartext",
            json!("oui"),
            "spec.source.allowCleartext",
        ),
        (
            "/spec/source/startTls",
            json!("oui"),
            "spec.source.startTls",
        ),
        ("/spec/source/auth", json!("Kerberos"), "spec.source.auth"),
        ("/spec/source/master", json!(""), "spec.source.master"),
        ("/spec/waves", json!([]), "spec.waves"),
        ("/spec/waves/0/name", json!("Vague A"), "waves[].name"),
        (
            "/spec/waves/0/accountsSecret",
            json!(""),
            "spec.waves[0].accountsSecret",
        ),
        (
            "/spec/waves/0/accountsSecret",
            json!("tenant-ca"),
            "spec.waves[0].accountsSecret",
        ),
        (
            "/spec/waves/0/accounts",
            json!([""]),
            "spec.waves[0].accounts",
        ),
        (
            "/spec/waves/0/windows",
            json!(["la nuit"]),
            "spec.waves[0].windows",
        ),
        (
            "/spec/waves/0/notBefore",
            json!("vendredi"),
            "spec.waves[0].notBefore",
        ),
        ("/spec/waves/0/stage", json!("Vite"), "spec.waves[0].stage"),
        ("/spec/jobs", json!(0), "spec.jobs"),
        (
            "/spec/limits/connectionsPerHost",
            json!(0),
            "spec.limits.connectionsPerHost",
        ),
        (
            "/spec/limits/bytesPerSecond",
            json!(1),
            "spec.limits.bytesPerSecond",
        ),
        ("/spec/stage", json!("Finie"), "spec.stage"),
        ("/spec/paused", json!("oui"), "spec.paused"),
        ("/spec/sourceFrozen", json!("oui"), "spec.sourceFrozen"),
        ("/spec/run", json!(-1), "spec.run"),
        ("/spec/retry", json!(-1), "spec.retry"),
        ("/spec/rollbackDays", json!(0), "spec.rollbackDays"),
    ];
    let good = migration(&json!({}));
    every_field_is_broken(&good, &cases)?;
    refused_one_by_one(&good, &cases)
}
