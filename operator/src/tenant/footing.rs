//! Which region and plan a space is rendered with: the present ones, or those that it was last
//! rendered with while the present ones are gone, are unusable, or are tried on another space.

use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt;
use melouvert_api::{
    Collectivity, PlanSpec, Reason, RegionSpec,
    collectivity::{Footing, LifecycleSchema},
    labels,
};
use melouvert_domain::StorageSize;
use melouvert_tenant_template::hash;
use serde::{Deserialize, Serialize};

use super::{dereference::References, validate::Refusal};
use crate::rollout::{Shared, Turn};

/// What a space was last rendered with, kept with its namespace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastKnown {
    /// The region's name.
    pub region_name: String,
    /// What it said.
    pub region: RegionSpec,
    /// The plan's name.
    pub plan_name: String,
    /// What it said.
    pub plan: PlanSpec,
}

impl LastKnown {
    /// Reads it from a namespace; `None` when there is none or it cannot be read.
    pub fn of(namespace: &Namespace) -> Option<Self> {
        let text = namespace.annotations().get(labels::LAST_KNOWN)?;
        serde_json::from_str(text)
            .inspect_err(|error| {
                tracing::warn!(%error, namespace = namespace.name_any(), "unreadable last known values");
            })
            .ok()
    }

    /// As the namespace keeps it.
    pub fn text(&self) -> String {
        // Strings, numbers and lists: nothing that JSON cannot hold.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// As the status tells it.
    pub fn footing(&self) -> Footing {
        Footing {
            region: revision(&self.region_name, &self.region),
            plan: revision(&self.plan_name, &self.plan),
        }
    }
}

/// The name of an object with what tells one version of its spec from another.
pub fn revision(name: &str, spec: &impl Serialize) -> String {
    let value = serde_json::to_value(spec).unwrap_or_default();
    format!("{name}@{}", &hash(&value)[..16])
}

/// What a space is rendered with.
#[derive(Debug, Default)]
pub struct Chosen {
    /// The region; `None` when there is none, nor was one ever known.
    pub region: Option<RegionSpec>,
    /// The plan, likewise.
    pub plan: Option<(String, PlanSpec)>,
    /// What is wrong with the present ones.
    pub refusals: Vec<Refusal>,
    /// What is tried on another space first.
    pub waits: Vec<String>,
}

/// Chooses; `ask` says whether it is this space's turn to take a changed version.
pub fn choose(
    tenant: &Collectivity,
    references: &References,
    mut ask: impl FnMut(Shared, &str) -> Turn,
) -> Chosen {
    let known = references.namespace.as_ref().and_then(LastKnown::of);
    let runs = tenant.spec.lifecycle != LifecycleSchema::Terminating;
    let mut chosen = Chosen::default();
    let mut turn = |shared: Shared, name: &str, wanted: String, waits: &mut Vec<String>| {
        let Turn::Wait { behind } = ask(shared, &wanted) else {
            return true;
        };
        let kind = shared.kind();
        waits.push(format!(
            "the change of {kind} {name} is tried on {behind} first; this space keeps what it had until then"
        ));
        false
    };
    let before = known
        .as_ref()
        .filter(|known| known.region_name == tenant.spec.region);
    chosen.region = match (&references.region, before) {
        (None, known) => {
            chosen.refusals.push(no_region(tenant));
            known.map(|known| known.region.clone())
        }
        (Some(live), Some(known)) if runs && live.spec != known.region => {
            let wanted = revision(&known.region_name, &live.spec);
            let go = turn(
                Shared::Region,
                &known.region_name,
                wanted,
                &mut chosen.waits,
            );
            Some(if go { &live.spec } else { &known.region }.clone())
        }
        (Some(live), _) => Some(live.spec.clone()),
    };
    let last = known
        .as_ref()
        .map(|known| (known.plan_name.clone(), known.plan.clone()));
    let present = match &references.plan {
        None => Err(no_plan(tenant)),
        Some(plan) => usable(&tenant.spec.plan, &plan.spec).map(|()| plan.spec.clone()),
    };
    chosen.plan = match (present, last) {
        (Err(refusal), last) => {
            chosen.refusals.push(refusal);
            last
        }
        // Another plan is this space's own change; the same one changed for all that have it.
        (Ok(live), Some((name, plan))) if runs && name == tenant.spec.plan && live != plan => {
            let wanted = revision(&name, &live);
            let go = turn(Shared::Plan, &name, wanted, &mut chosen.waits);
            Some((name, if go { live } else { plan }))
        }
        (Ok(live), _) => Some((tenant.spec.plan.clone(), live)),
    };
    chosen
}

fn no_region(tenant: &Collectivity) -> Refusal {
    let name = &tenant.spec.region;
    let message = format!("region {name:?} does not exist; create it or name another");
    Refusal::new("spec.region", Reason::RegionNotFound, message)
}

fn no_plan(tenant: &Collectivity) -> Refusal {
    let name = &tenant.spec.plan;
    let message = format!("plan {name:?} does not exist; create it or name another");
    Refusal::new("spec.plan", Reason::PlanNotFound, message)
}

/// Whether every figure of a plan is one.
fn usable(name: &str, plan: &PlanSpec) -> Result<(), Refusal> {
    let refuse = |message: String| Refusal::new("spec.plan", Reason::InvalidPlan, message);
    let sizes = [
        ("storage", &plan.storage),
        ("mailboxQuota", &plan.mailbox_quota),
        ("resources.memory", &plan.resources.memory),
    ];
    for (field, text) in sizes {
        text.parse::<StorageSize>()
            .map_err(|error| refuse(format!("plan {name}: {field}: {error}")))?;
    }
    let cpu = &plan.resources.cpu;
    millis(cpu)
        .map(drop)
        .ok_or_else(|| refuse(format!("plan {name}: {cpu:?} is no amount of cores")))
}

/// Thousandths of a core in `2` or `500m`.
pub fn millis(text: &str) -> Option<u32> {
    match text.strip_suffix('m') {
        Some(millis) => millis.parse().ok(),
        None => text.parse::<u32>().ok()?.checked_mul(1000),
    }
    .filter(|millis| *millis > 0)
}

#[cfg(test)]
mod tests;
