//! From a `Collectivity` and what it refers to, to a tenant whose every field was checked, or the
//! list of what must be changed.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use melouvert_api::{Collectivity, Reason, RegionSpec, collectivity::Footing};
use melouvert_domain::{Cidr, MailDomain, NamespaceName, Siren, StorageSize};
use melouvert_tenant_template::{TenantQuota, TenantResources, TenantVolume, ValidatedTenant};

use super::{
    dereference::References,
    footing::{Chosen, LastKnown, millis},
    ownership, volume,
};

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
    /// A refusal that the tenant may read whole.
    pub fn new(field: impl Into<String>, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            reason,
            message: message.into(),
            hoster_only: None,
        }
    }
}

/// A tenant that can be rendered, and what of its spec cannot be applied: that part is kept as it
/// was, and told.
#[derive(Debug, Clone)]
pub struct Valid {
    /// What is rendered.
    pub tenant: ValidatedTenant,
    /// Which versions of region and plan it stands on.
    pub footing: Footing,
    /// What waits for somebody to change it.
    pub kept: Vec<Refusal>,
    /// What is under way.
    pub waits: Vec<(Reason, String)>,
}

/// Checks everything and reports every fault at once.
///
/// `others` are the region's other tenants, whatever their state. A space that was opened is kept
/// with what it had in place of what is refused; it is refused as a whole only when nothing can
/// stand in, or when it is not this object's or this installation's.
pub fn validate<'a>(
    tenant: &Collectivity,
    references: &References,
    chosen: Chosen,
    others: impl IntoIterator<Item = &'a Collectivity>,
    system_namespace: &str,
) -> Result<Valid, Vec<Refusal>> {
    let mut fatal = Vec::new();
    let siren = siren(tenant, &mut fatal);
    ownership::check(tenant, references, system_namespace, &mut fatal);
    let mut kept = Vec::new();
    let mut domains = domains(tenant, &mut kept);
    taken(tenant, others, &mut kept);
    let opened = references.namespace.is_some();
    let served = served(tenant);
    if opened && !kept.is_empty() && !served.is_empty() {
        domains = served;
    }
    kept.extend(chosen.refusals);
    let parts = chosen.region.zip(chosen.plan);
    let (Some(siren), Some((region, (plan_name, plan))), [main, rest @ ..], true, true) = (
        siren,
        parts,
        domains.as_slice(),
        fatal.is_empty(),
        opened || kept.is_empty(),
    ) else {
        fatal.extend(kept);
        return Err(fatal);
    };
    let mut waits: Vec<_> = chosen
        .waits
        .into_iter()
        .map(|text| (Reason::RolloutWaits, text))
        .collect();
    let known = LastKnown {
        region_name: tenant.spec.region.clone(),
        region,
        plan_name,
        plan,
    };
    let trusted_proxies = proxies(&known.region, &mut kept);
    let (quota, resources, volume) = figures(tenant, &known, references, &mut kept, &mut waits);
    if !opened && !kept.is_empty() {
        return Err(kept);
    }
    let valid = ValidatedTenant {
        uid: tenant.uid().unwrap_or_default(),
        namespace: NamespaceName::of(&siren),
        siren,
        legal_name: tenant.spec.legal_name.clone(),
        main_domain: main.clone(),
        other_domains: rest.to_vec(),
        lifecycle: tenant.spec.lifecycle.into(),
        quota,
        volume,
        resources,
        last_known: known.text(),
        region: known.region.clone(),
        trusted_proxies,
        system_namespace: system_namespace.into(),
        migrators: Vec::new(),
    };
    Ok(Valid {
        tenant: valid,
        footing: known.footing(),
        kept,
        waits,
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

fn proxies(region: &RegionSpec, kept: &mut Vec<Refusal>) -> Vec<Cidr> {
    region.proxies().unwrap_or_else(|error| {
        let message = format!("the region's trustedProxies: {error}");
        kept.push(Refusal::new("spec.region", Reason::InvalidSpec, message));
        vec![]
    })
}

/// The figures of the plan with what replaces them. The plan was found usable.
fn figures(
    tenant: &Collectivity,
    known: &LastKnown,
    references: &References,
    kept: &mut Vec<Refusal>,
    waits: &mut Vec<(Reason, String)>,
) -> (TenantQuota, TenantResources, TenantVolume) {
    let overrides = tenant.spec.overrides.clone().unwrap_or_default();
    let plan = &known.plan;
    let none = StorageSize::from_bytes(0);
    let of_plan = |text: &str| text.parse().unwrap_or(none);
    let mut own = |name: &str, text: Option<&str>, plan: &str| match text.map(str::parse) {
        Some(Ok(size)) => size,
        Some(Err(error)) => {
            let field = format!("spec.overrides.{name}");
            let error: melouvert_domain::StorageSizeError = error;
            kept.push(Refusal::new(field, Reason::InvalidSpec, error.to_string()));
            of_plan(plan)
        }
        None => of_plan(plan),
    };
    let wanted = own("storage", overrides.storage.as_deref(), &plan.storage);
    let mailbox = own(
        "mailboxQuota",
        overrides.mailbox_quota.as_deref(),
        &plan.mailbox_quota,
    );
    let class = known.region.storage_class.as_ref();
    let volume = volume::decide(references.claim.as_ref(), wanted, class);
    match volume.short {
        // The storage may still do it.
        Some((Reason::StorageNotGrown, text)) => waits.push((Reason::StorageNotGrown, text)),
        Some((reason, text)) => {
            let field = match overrides.storage {
                Some(_) => "spec.overrides.storage",
                None => "spec.plan",
            };
            kept.push(Refusal::new(field, reason, text));
        }
        None => {}
    }
    let quota = TenantQuota {
        agents: overrides.agents.unwrap_or(plan.agents),
        storage: volume.holds,
        mailbox,
    };
    let resources = TenantResources {
        cpu_millis: millis(&plan.resources.cpu).unwrap_or_default(),
        memory: of_plan(&plan.resources.memory),
    };
    (quota, resources, volume.asks)
}

#[cfg(test)]
mod tests;
