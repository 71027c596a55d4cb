//! From a `Migration` and its tenant to what can be rendered, or the list of what must change.

use kube::ResourceExt;
use melouvert_api::{Collectivity, Migration, Region, collectivity::LifecycleSchema};
use melouvert_domain::NamespaceName;
use melouvert_tenant_template::{MIGRATION_NAME_MAXIMUM, ValidatedMigration};

use super::resource_name;

/// What a migration refers to.
#[derive(Debug, Default)]
pub struct References {
    /// The tenant of its namespace.
    pub tenant: Option<Collectivity>,
    /// The tenant's region.
    pub region: Option<Region>,
    /// Whether the Secret exists and has `accounts.csv`.
    pub has_accounts: bool,
}

/// One reason why a migration was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The field.
    pub field: &'static str,
    /// A CamelCase word for programs.
    pub reason: &'static str,
    /// What is wrong and what to do.
    pub message: String,
}

fn refusal(field: &'static str, reason: &'static str, message: impl Into<String>) -> Refusal {
    Refusal {
        field,
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
) -> Result<ValidatedMigration, Vec<Refusal>> {
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
    if references.tenant.is_some() && !references.has_accounts {
        let secret = &migration.spec.accounts_secret;
        let message = format!(
            "Secret {secret:?} with key accounts.csv does not exist in this namespace; create it"
        );
        refusals.push(refusal("spec.accountsSecret", "AccountsMissing", message));
    }
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
    Ok(ValidatedMigration {
        uid: migration.uid().unwrap_or_default(),
        name,
        run: migration.spec.run,
        siren: namespace.siren().clone(),
        namespace,
        source: migration.spec.source.clone(),
        accounts_secret: migration.spec.accounts_secret.clone(),
        jobs: migration.spec.jobs,
        root_pem: root_pem.into(),
        image: region.images.melouvert.clone(),
        storage_class: region.storage_class.clone(),
        dns_cidrs: region.dns_cidrs.clone(),
        system_namespace: system_namespace.into(),
    })
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
    use serde_json::json;

    use super::*;

    fn migration() -> Migration {
        serde_json::from_value(json!({
            "apiVersion": "melouvert.fr/v1alpha1", "kind": "Migration",
            "metadata": {"name": "old-mail", "namespace": "col-211401187", "uid": "u"},
            "spec": {"source": {"host": "imap.old.example", "port": 993, "cidrs": ["203.0.113.7/32"]},
                "accountsSecret": "accounts"}}))
        .unwrap()
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
            has_accounts: true,
        }
    }

    fn reasons(migration: &Migration, references: &References) -> Vec<&'static str> {
        let refusals = validate(migration, references, "root", "sys").unwrap_err();
        refusals.iter().map(|refusal| refusal.reason).collect()
    }

    #[test]
    fn a_good_migration_is_accepted() {
        let valid = validate(&migration(), &references("Active"), "root", "sys").unwrap();
        assert_eq!((valid.jobs, valid.run, valid.image.as_str()), (2, 0, "m"));
    }

    #[test]
    fn a_space_that_does_not_serve_refuses_it() {
        assert_eq!(
            reasons(&migration(), &references("Suspended")),
            ["TenantSuspended"]
        );
        assert_eq!(
            reasons(&migration(), &references("Terminating")),
            ["TenantTerminating"]
        );
        assert_eq!(
            reasons(&migration(), &References::default()),
            ["NotATenant"]
        );
        let mut young = references("Active");
        young.tenant.as_mut().unwrap().status = None;
        assert_eq!(reasons(&migration(), &young), ["TenantNotReady"]);
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let mut bad = migration();
        bad.spec.source.host = "-rf /".into();
        bad.metadata.name = Some("x".repeat(60));
        let mut found = references("Active");
        found.has_accounts = false;
        assert_eq!(
            reasons(&bad, &found),
            ["InvalidSpec", "InvalidSpec", "AccountsMissing"]
        );
    }
}
