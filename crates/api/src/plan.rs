//! `Plan`: an offer of the hoster.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::SpecStatus;

/// An offer: what a tenant of this size gets.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[kube(
    group = "melouvert.fr",
    version = "v1alpha1",
    kind = "Plan",
    plural = "plans",
    category = "melouvert",
    status = "SpecStatus",
    derive = "PartialEq",
    printcolumn(
        json_path = ".spec.populationFrom",
        name = "From",
        type_ = "integer",
        description = "Smallest population that the plan is meant for"
    ),
    printcolumn(json_path = ".spec.agents", name = "Agents", type_ = "integer"),
    printcolumn(json_path = ".spec.storage", name = "Storage", type_ = "string"),
    printcolumn(json_path = ".spec.mailboxQuota", name = "Mailbox", type_ = "string"),
    printcolumn(
        json_path = ".metadata.creationTimestamp",
        name = "Age",
        type_ = "date"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct PlanSpec {
    /// The smallest population (inhabitants) that the plan is meant for.
    #[schemars(range(min = 0))]
    pub population_from: u32,
    /// How many agents a tenant may have.
    #[schemars(range(min = 1, max = 100_000))]
    pub agents: u32,
    /// The size of the tenant's mail volume, e.g. `20Gi`.
    #[x_kube(validation = Rule::new("self.matches('^[1-9][0-9]{0,6}(Mi|Gi|Ti)$')").message("storage must be a whole number of Mi, Gi or Ti, e.g. 20Gi"))]
    #[schemars(length(max = 16))]
    pub storage: String,
    /// The default quota of one mailbox, e.g. `2Gi`.
    #[x_kube(validation = Rule::new("self.matches('^[1-9][0-9]{0,6}(Mi|Gi|Ti)$')").message("mailboxQuota must be a whole number of Mi, Gi or Ti, e.g. 2Gi"))]
    #[schemars(length(max = 16))]
    pub mailbox_quota: String,
    /// What the tenant's pods may take together.
    pub resources: Resources,
}

/// Limits of a tenant's pods together.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// Processor time, e.g. `500m`.
    #[x_kube(validation = Rule::new("self.matches('^[1-9][0-9]{0,5}m?$')").message("cpu must be a whole number of cores or milli-cores, e.g. 500m"))]
    #[schemars(length(max = 16))]
    pub cpu: String,
    /// Memory, e.g. `768Mi`.
    #[x_kube(validation = Rule::new("self.matches('^[1-9][0-9]{0,6}(Mi|Gi)$')").message("memory must be a whole number of Mi or Gi, e.g. 768Mi"))]
    #[schemars(length(max = 16))]
    pub memory: String,
}
