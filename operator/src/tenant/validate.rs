//! From a `Collectivity` and what it refers to, to a tenant whose every field was checked, or the
//! list of what must be changed.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use melouvert_api::{Collectivity, PlanSpec, Reason, RegionSpec};
use melouvert_domain::{MailDomain, NamespaceName, Siren, StorageSize};
use melouvert_tenant_template::{TenantQuota, TenantResources, ValidatedTenant};

use super::dereference::References;

/// One reason why a spec was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The field, e.g. `spec.domains[0]`.
    pub field: String,
    /// A CamelCase word for programs.
    pub reason: Reason,
    /// What is wrong and what to do, told to the tenant as well.
    pub message: String,
    /// What only the hoster may read, e.g. who holds a domain.
    pub hoster_only: Option<String>,
}

impl Refusal {
    fn new(field: impl Into<String>, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            reason,
            message: message.into(),
            hoster_only: None,
        }
    }
}

/// Checks everything and reports every fault at once.
///
/// `others` are the region's other tenants, whatever their state.
pub fn validate<'a>(
    tenant: &Collectivity,
    references: &References,
    others: impl IntoIterator<Item = &'a Collectivity>,
    system_namespace: &str,
) -> Result<ValidatedTenant, Vec<Refusal>> {
    let mut refusals = Vec::new();
    let siren = siren(tenant, &mut refusals);
    let domains = domains(tenant, &mut refusals);
    taken(tenant, others, &mut refusals);
    let region = region(tenant, references, &mut refusals);
    let figures = plan(tenant, references)
        .and_then(|plan| figures(tenant, plan, references))
        .map_err(|refusal| refusals.push(refusal))
        .ok();
    namespace(tenant, references, &mut refusals);
    let uid = tenant.uid().unwrap_or_default();
    let (Some(siren), Some(region), Some((quota, resources)), [main, rest @ ..], true) = (
        siren,
        region,
        figures,
        domains.as_slice(),
        refusals.is_empty(),
    ) else {
        return Err(refusals);
    };
    Ok(ValidatedTenant {
        uid,
        namespace: NamespaceName::of(&siren),
        siren,
        legal_name: tenant.spec.legal_name.clone(),
        main_domain: main.clone(),
        other_domains: rest.to_vec(),
        lifecycle: tenant.spec.lifecycle.into(),
        quota,
        resources,
        region,
        system_namespace: system_namespace.into(),
    })
}

/// What decides who had a domain first: the oldest object, then the smallest UID.
pub fn seniority(tenant: &Collectivity) -> (Option<Time>, Option<String>) {
    (
        tenant.metadata.creation_timestamp.clone(),
        tenant.metadata.uid.clone(),
    )
}

/// The domains that a tenant was accepted with, as its status tells them: one MX record each.
pub fn served(tenant: &Collectivity) -> Vec<MailDomain> {
    let status = tenant.status.as_ref();
    let records = status.map(|status| status.dns_records.as_slice());
    records
        .unwrap_or_default()
        .iter()
        .filter(|record| record.kind == "MX")
        .filter_map(|record| record.name.trim_end_matches('.').parse().ok())
        .collect()
}

fn siren(tenant: &Collectivity, refusals: &mut Vec<Refusal>) -> Option<Siren> {
    let parsed = tenant.spec.siren.parse::<Siren>();
    let refusal = match parsed {
        Ok(siren) if NamespaceName::of(&siren).as_str() == tenant.name_any() => return Some(siren),
        Ok(siren) => Refusal::new(
            "metadata.name",
            Reason::InvalidSpec,
            format!("expected col-{siren}: one object per SIREN; create it again under this name"),
        ),
        Err(error) => Refusal::new("spec.siren", Reason::InvalidSpec, error.to_string()),
    };
    refusals.push(refusal);
    None
}

fn domains(tenant: &Collectivity, refusals: &mut Vec<Refusal>) -> Vec<MailDomain> {
    let mut good: Vec<MailDomain> = Vec::new();
    for (place, text) in tenant.spec.domains.iter().enumerate() {
        let field = format!("spec.domains[{place}]");
        match text.parse::<MailDomain>() {
            Ok(domain) if good.contains(&domain) => refusals.push(Refusal::new(
                field,
                Reason::InvalidSpec,
                format!("{domain} is listed twice; remove one"),
            )),
            Ok(domain) => good.push(domain),
            Err(error) => {
                refusals.push(Refusal::new(field, Reason::InvalidSpec, error.to_string()));
            }
        }
    }
    if tenant.spec.domains.is_empty() {
        refusals.push(Refusal::new(
            "spec.domains",
            Reason::InvalidSpec,
            "at least one domain is expected",
        ));
    }
    good
}

/// A domain belongs to whoever was accepted with it, else to the older object: an old tenant cannot
/// take a younger one's domain by naming it.
fn taken<'a>(
    tenant: &Collectivity,
    others: impl IntoIterator<Item = &'a Collectivity>,
    refusals: &mut Vec<Refusal>,
) {
    let own = served(tenant);
    let others = others
        .into_iter()
        .filter(|other| other.metadata.uid != tenant.metadata.uid);
    for other in others {
        let theirs = served(other);
        let older = seniority(other) < seniority(tenant);
        for (place, domain) in tenant.spec.domains.iter().enumerate() {
            let in_use = |served: &[MailDomain]| served.iter().any(|held| held.as_str() == domain);
            let named = other
                .spec
                .domains
                .iter()
                .any(|held| held.eq_ignore_ascii_case(domain));
            let theirs = match (in_use(&theirs), in_use(&own)) {
                (true, false) => true,
                (false, true) => false,
                _ => named && older,
            };
            if theirs {
                refusals.push(domain_taken(place, domain, other));
            }
        }
    }
}

fn domain_taken(place: usize, domain: &str, holder: &Collectivity) -> Refusal {
    let message = format!("{domain} is already used by another space; remove it or ask the hoster");
    let (name, legal_name) = (holder.name_any(), &holder.spec.legal_name);
    Refusal {
        hoster_only: Some(format!("{domain} is held by {name} ({legal_name})")),
        ..Refusal::new(
            format!("spec.domains[{place}]"),
            Reason::DomainTaken,
            message,
        )
    }
}

fn region(
    tenant: &Collectivity,
    references: &References,
    refusals: &mut Vec<Refusal>,
) -> Option<RegionSpec> {
    let found = references.region.as_ref().map(|region| region.spec.clone());
    if found.is_none() {
        let message = format!(
            "region {:?} does not exist; create it or name another",
            tenant.spec.region
        );
        refusals.push(Refusal::new("spec.region", Reason::RegionNotFound, message));
    }
    found
}

fn plan<'a>(tenant: &Collectivity, references: &'a References) -> Result<&'a PlanSpec, Refusal> {
    references
        .plan
        .as_ref()
        .map(|plan| &plan.spec)
        .ok_or_else(|| {
            let message = format!(
                "plan {:?} does not exist; create it or name another",
                tenant.spec.plan
            );
            Refusal::new("spec.plan", Reason::PlanNotFound, message)
        })
}

fn figures(
    tenant: &Collectivity,
    plan: &PlanSpec,
    references: &References,
) -> Result<(TenantQuota, TenantResources), Refusal> {
    let overrides = tenant.spec.overrides.clone().unwrap_or_default();
    let storage = size("storage", overrides.storage.as_deref(), &plan.storage)?;
    let mailbox = size(
        "mailboxQuota",
        overrides.mailbox_quota.as_deref(),
        &plan.mailbox_quota,
    )?;
    if let Some(current) = references.storage.filter(|current| *current > storage) {
        let message = format!(
            "the volume has {current} and cannot shrink to {storage}; ask for {current} or more"
        );
        return Err(Refusal::new(
            "spec.overrides.storage",
            Reason::StorageShrinks,
            message,
        ));
    }
    let cpu_millis = millis(&plan.resources.cpu).ok_or_else(|| {
        let message = format!(
            "plan {}: {:?} is no amount of cores",
            tenant.spec.plan, plan.resources.cpu
        );
        Refusal::new("spec.plan", Reason::InvalidPlan, message)
    })?;
    let memory = size("memory", None, &plan.resources.memory)?;
    let quota = TenantQuota {
        agents: overrides.agents.unwrap_or(plan.agents),
        storage,
        mailbox,
    };
    Ok((quota, TenantResources { cpu_millis, memory }))
}

fn size(name: &str, own: Option<&str>, plan: &str) -> Result<StorageSize, Refusal> {
    match own {
        Some(text) => text.parse::<StorageSize>().map_err(|error| {
            Refusal::new(
                format!("spec.overrides.{name}"),
                Reason::InvalidSpec,
                error.to_string(),
            )
        }),
        None => plan.parse::<StorageSize>().map_err(|error| {
            Refusal::new("spec.plan", Reason::InvalidPlan, format!("{name}: {error}"))
        }),
    }
}

/// Thousandths of a core in `2` or `500m`.
fn millis(text: &str) -> Option<u32> {
    match text.strip_suffix('m') {
        Some(millis) => millis.parse().ok(),
        None => text.parse::<u32>().ok()?.checked_mul(1000),
    }
    .filter(|millis| *millis > 0)
}

/// A namespace of this name that was opened for somebody else is never touched.
fn namespace(tenant: &Collectivity, references: &References, refusals: &mut Vec<Refusal>) {
    let foreign = references.namespace.as_ref().is_some_and(|namespace| {
        namespace
            .annotations()
            .get(melouvert_tenant_template::COLLECTIVITY_UID)
            != tenant.metadata.uid.as_ref()
    });
    if foreign {
        let message = format!(
            "namespace {} exists and was not opened for this object; the hoster must remove or restore it",
            tenant.name_any()
        );
        refusals.push(Refusal::new(
            "metadata.name",
            Reason::NamespaceTaken,
            message,
        ));
    }
}

#[cfg(test)]
mod tests;
