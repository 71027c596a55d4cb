//! From a `Migration` and its tenant to what can be rendered and decided upon, or the list of what
//! must change.

use std::collections::HashMap;

use jiff::Timestamp;
use kube::ResourceExt;
use melouvert_api::{
    Collectivity, Migration, Reason, Region, collectivity::LifecycleSchema, migration::StageSchema,
};
use melouvert_domain::NamespaceName;
use melouvert_tenant_template::{MIGRATION_NAME_MAXIMUM, ValidatedMigration};
use melouvert_waves::{Limits, Wave};

use super::{
    accounts::{ListError, Listed},
    resource_name,
};

mod source;
mod waves;

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
    pub reason: Reason,
    /// What is wrong and what to do.
    pub message: String,
}

/// A refusal of a field.
pub fn refusal(field: impl Into<String>, reason: Reason, message: impl Into<String>) -> Refusal {
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
        refusals.push(refusal("metadata.name", Reason::InvalidSpec, message));
    }
    refusals.extend(tenant(references));
    let region = references.region.as_ref().map(|region| &region.spec);
    let rules = region.map(source::rules).transpose();
    let rules = rules.unwrap_or_else(|refusal| {
        refusals.push(refusal);
        None
    });
    let ranges = source::source(migration, &rules.unwrap_or_default(), &mut refusals);
    refusals.extend(rollback(migration, now));
    let waves = waves::waves(migration, references, &mut refusals);
    let (Some(namespace), Some(name), Some(region), true) =
        (namespace, name, region, refusals.is_empty())
    else {
        if refusals.is_empty() {
            refusals.push(refusal(
                "metadata.namespace",
                Reason::TenantNotReady,
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
            source_ranges: ranges,
            root_pem: root_pem.into(),
            image: region.images.melouvert.clone(),
            storage_class: region.storage_class.clone(),
            dns_cidrs: region.dns_cidrs.clone(),
            system_namespace: system_namespace.into(),
            door: region.migration_door,
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

/// A cut-over may be rolled back until the date that was shown.
fn rollback(migration: &Migration, now: Timestamp) -> Option<Refusal> {
    let status = migration.status.as_ref()?;
    let until = status.rollback_until.as_deref()?;
    let asked = migration.spec.stage == StageSchema::RolledBack;
    let done = status.phase.as_deref() == Some("RolledBack");
    let over = until.parse::<Timestamp>().is_ok_and(|until| until < now);
    (asked && !done && over).then(|| {
        let message = format!("it could be rolled back until {until}; set spec.stage to Cutover");
        refusal("spec.stage", Reason::RollbackExpired, message)
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
            Reason::NotATenant,
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
            Reason::TenantSuspended,
            "the space is suspended: logins are refused; resume it first",
        )),
        LifecycleSchema::Terminating => Some(refusal(
            field,
            Reason::TenantTerminating,
            "the space ends; ask it back first",
        )),
        LifecycleSchema::Active if !applied => Some(refusal(
            field,
            Reason::TenantNotReady,
            "the space is not open yet; wait until it is Ready",
        )),
        LifecycleSchema::Active => None,
    }
}

#[cfg(test)]
mod tests;
