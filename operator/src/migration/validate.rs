//! From a `Migration` and its tenant to what can be rendered and decided upon, or the list of what
//! must change.

use std::collections::HashMap;

use jiff::Timestamp;
use kube::ResourceExt;
use melouvert_api::{
    Collectivity, Migration, Region,
    collectivity::LifecycleSchema,
    migration::{StageSchema, WaveSpec},
};
use melouvert_domain::NamespaceName;
use melouvert_tenant_template::{MIGRATION_NAME_MAXIMUM, ValidatedMigration};
use melouvert_waves::{Limits, Stage, Want, Wave, Window};

use super::{
    accounts::{ListError, Listed},
    resource_name,
};

/// The name of the wave of a migration that states none.
pub const WHOLE: &str = "all";

/// What a migration refers to.
#[derive(Debug, Default)]
pub struct References {
    /// The tenant of its namespace.
    pub tenant: Option<Collectivity>,
    /// The tenant's region.
    pub region: Option<Region>,
    /// The accounts of each Secret that exists.
    pub accounts: HashMap<String, Result<Vec<Listed>, ListError>>,
}

/// A migration whose every field was checked.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What is rendered.
    pub valid: ValidatedMigration,
    /// The collectivity's legal name.
    pub legal_name: String,
    /// The waves, in order.
    pub waves: Vec<PlannedWave>,
    /// The caps.
    pub limits: Limits,
    /// Whether everything is to stand still.
    pub paused: bool,
}

/// A wave whose every field was checked.
#[derive(Debug, Clone)]
pub struct PlannedWave {
    /// Its name.
    pub name: String,
    /// The Secret of its accounts.
    pub secret: String,
    /// Its accounts; `None` when its Secret is gone.
    pub listed: Option<Vec<Listed>>,
    /// When it may run and how far.
    pub rules: Wave,
}

/// One reason why a migration was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The field.
    pub field: String,
    /// A CamelCase word for programs.
    pub reason: &'static str,
    /// What is wrong and what to do.
    pub message: String,
}

/// A refusal of a field.
pub fn refusal(
    field: impl Into<String>,
    reason: &'static str,
    message: impl Into<String>,
) -> Refusal {
    Refusal {
        field: field.into(),
        reason,
        message: message.into(),
    }
}

/// Checks everything and reports every fault at once.
pub fn validate(
    migration: &Migration,
    references: &References,
    root_pem: &str,
    system_namespace: &str,
    now: Timestamp,
) -> Result<Plan, Vec<Refusal>> {
    let mut refusals = Vec::new();
    let namespace = NamespaceName::parse(&migration.namespace().unwrap_or_default());
    let name = resource_name(&migration.name_any())
        .filter(|name| name.as_str().len() <= MIGRATION_NAME_MAXIMUM);
    if name.is_none() {
        let message = format!(
            "expected at most {MIGRATION_NAME_MAXIMUM} lower-case letters, digits or hyphens"
        );
        refusals.push(refusal("metadata.name", "InvalidSpec", message));
    }
    refusals.extend(tenant(references));
    refusals.extend(source(migration));
    refusals.extend(rollback(migration, now));
    let waves = waves(migration, references, &mut refusals);
    let region = references.region.as_ref().map(|region| &region.spec);
    let (Some(namespace), Some(name), Some(region), true) =
        (namespace, name, region, refusals.is_empty())
    else {
        if refusals.is_empty() {
            refusals.push(refusal(
                "metadata.namespace",
                "TenantNotReady",
                "the region of this space does not exist",
            ));
        }
        return Err(refusals);
    };
    let spec = &migration.spec;
    Ok(Plan {
        valid: ValidatedMigration {
            uid: migration.uid().unwrap_or_default(),
            name,
            siren: namespace.siren().clone(),
            namespace,
            source: spec.source.clone(),
            root_pem: root_pem.into(),
            image: region.images.melouvert.clone(),
            storage_class: region.storage_class.clone(),
            dns_cidrs: region.dns_cidrs.clone(),
            system_namespace: system_namespace.into(),
        },
        legal_name: tenant_name(references),
        waves,
        limits: Limits {
            jobs: spec.jobs,
            connections: spec.limits.connections_per_host,
            bytes_per_second: spec.limits.bytes_per_second,
        },
        paused: spec.paused,
    })
}

/// The waves of the spec; one of all accounts when it states none.
fn waves(
    migration: &Migration,
    references: &References,
    refusals: &mut Vec<Refusal>,
) -> Vec<PlannedWave> {
    let spec = &migration.spec;
    let whole = spec.accounts_secret.as_ref().map(|secret| WaveSpec {
        name: WHOLE.into(),
        accounts_secret: secret.clone(),
        accounts: Vec::new(),
        windows: Vec::new(),
        not_before: None,
        stage: None,
    });
    let stated: Vec<WaveSpec> = if spec.waves.is_empty() {
        whole.into_iter().collect()
    } else {
        spec.waves.clone()
    };
    let mut seen: HashMap<String, String> = HashMap::new();
    let mut planned = Vec::new();
    for wave in &stated {
        let field = if spec.waves.is_empty() {
            "spec".to_owned()
        } else {
            format!("spec.waves[{}]", wave.name)
        };
        let listed = match listed(wave, references, &field) {
            Ok(listed) => listed,
            Err(found) => {
                refusals.push(found);
                continue;
            }
        };
        for account in listed.iter().flatten() {
            if let Some(first) = seen.insert(account.id.clone(), wave.name.clone()) {
                let user = &account.source_user;
                let message = format!("{user} is in {first} already; leave it in one wave");
                refusals.push(refusal(format!("{field}.accounts"), "InvalidSpec", message));
            }
        }
        match rules(migration, wave, &field) {
            Ok(rules) => planned.push(PlannedWave {
                name: wave.name.clone(),
                secret: wave.accounts_secret.clone(),
                listed,
                rules,
            }),
            Err(found) => refusals.push(found),
        }
    }
    planned
}

/// The accounts of a wave; `None` when its Secret does not exist.
fn listed(
    wave: &WaveSpec,
    references: &References,
    field: &str,
) -> Result<Option<Vec<Listed>>, Refusal> {
    let secret = &wave.accounts_secret;
    let all = match references.accounts.get(secret) {
        None => return Ok(None),
        Some(Ok(all)) => all,
        Some(Err(error)) => {
            let field = format!("{field}.accountsSecret");
            let message = format!("Secret {secret:?}: {error}; correct it");
            return Err(refusal(field, "AccountsMissing", message));
        }
    };
    if wave.accounts.is_empty() {
        return Ok(Some(all.clone()));
    }
    let named = |user: &&String| !all.iter().any(|account| account.source_user == **user);
    if let Some(absent) = wave.accounts.iter().find(named) {
        let message = format!("{absent:?} is not in Secret {secret:?}; add it or remove it here");
        return Err(refusal(
            format!("{field}.accounts"),
            "AccountsMissing",
            message,
        ));
    }
    let chosen = all
        .iter()
        .filter(|account| wave.accounts.contains(&account.source_user));
    Ok(Some(chosen.cloned().collect()))
}

fn rules(migration: &Migration, wave: &WaveSpec, field: &str) -> Result<Wave, Refusal> {
    let spec = &migration.spec;
    let windows: Result<Vec<Window>, _> = wave.windows.iter().map(|text| text.parse()).collect();
    let windows = windows.map_err(|error: melouvert_waves::WindowError| {
        refusal(format!("{field}.windows"), "InvalidSpec", error.to_string())
    })?;
    let not_before = wave.not_before.as_deref().map(str::parse::<Timestamp>);
    let not_before = not_before.transpose().map_err(|_| {
        let message = "expected an instant, e.g. 2026-11-27T19:00:00Z";
        refusal(format!("{field}.notBefore"), "InvalidSpec", message)
    })?;
    // A roll-back is of the whole.
    let whole = spec.stage == StageSchema::RolledBack;
    let stage = match wave.stage.filter(|_| !whole).unwrap_or(spec.stage) {
        StageSchema::Presync => Stage::Presync,
        StageSchema::Cutover => Stage::Cutover,
        StageSchema::RolledBack => Stage::RolledBack,
    };
    Ok(Wave {
        want: Want {
            stage,
            run: spec.run,
            retry: spec.retry,
            frozen: spec.source_frozen,
        },
        not_before,
        windows,
    })
}

/// A cut-over may be rolled back until the date that was shown.
fn rollback(migration: &Migration, now: Timestamp) -> Option<Refusal> {
    let status = migration.status.as_ref()?;
    let until = status.rollback_until.as_deref()?;
    let asked = migration.spec.stage == StageSchema::RolledBack;
    let done = status.phase.as_deref() == Some("RolledBack");
    let over = until.parse::<Timestamp>().is_ok_and(|until| until < now);
    (asked && !done && over).then(|| {
        let message = format!("it could be rolled back until {until}; set spec.stage to Cutover");
        refusal("spec.stage", "RollbackExpired", message)
    })
}

fn tenant_name(references: &References) -> String {
    let tenant = references.tenant.as_ref();
    tenant.map_or_else(String::new, |tenant| tenant.spec.legal_name.clone())
}

fn tenant(references: &References) -> Option<Refusal> {
    let field = "metadata.namespace";
    let Some(tenant) = &references.tenant else {
        return Some(refusal(
            field,
            "NotATenant",
            "this namespace belongs to no collectivity; create the migration in col-<siren>",
        ));
    };
    let applied = tenant
        .status
        .as_ref()
        .is_some_and(|status| status.namespace.is_some());
    match tenant.spec.lifecycle {
        LifecycleSchema::Suspended => Some(refusal(
            field,
            "TenantSuspended",
            "the space is suspended: logins are refused; resume it first",
        )),
        LifecycleSchema::Terminating => Some(refusal(
            field,
            "TenantTerminating",
            "the space ends; ask it back first",
        )),
        LifecycleSchema::Active if !applied => Some(refusal(
            field,
            "TenantNotReady",
            "the space is not open yet; wait until it is Ready",
        )),
        LifecycleSchema::Active => None,
    }
}

fn source(migration: &Migration) -> Option<Refusal> {
    let host = &migration.spec.source.host;
    let good = !host.starts_with('-')
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._:".contains(&b));
    (!good).then(|| {
        refusal(
            "spec.source.host",
            "InvalidSpec",
            format!("{host:?} is no host name; e.g. imap.mairie.example"),
        )
    })
}

#[cfg(test)]
mod tests {
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

    fn reasons(migration: &Migration, references: &References) -> Vec<&'static str> {
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
            ["TenantSuspended"]
        );
        assert_eq!(
            reasons(&simple(), &references("Terminating")),
            ["TenantTerminating"]
        );
        assert_eq!(reasons(&simple(), &References::default()), ["NotATenant"]);
        let mut young = references("Active");
        young.tenant.as_mut().unwrap().status = None;
        assert_eq!(reasons(&simple(), &young), ["TenantNotReady"]);
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
            ["InvalidSpec", "InvalidSpec", "AccountsMissing"]
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
        assert_eq!(reasons(&late, &references("Active")), ["RollbackExpired"]);
    }
}
