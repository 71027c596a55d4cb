//! What a tenant's namespace may take from its neighbours: ResourceQuota and LimitRange.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{LimitRange, LimitRangeItem, LimitRangeSpec, ResourceQuota, ResourceQuotaSpec},
    apimachinery::pkg::api::resource::Quantity,
};

use crate::{
    Object, ValidatedTenant,
    meta::Place,
    migration,
    pod::{MEBI, quantities},
};

/// The name of the ResourceQuota and of the LimitRange.
const NAME: &str = "tenant";
/// Mail pods that may exist at once: the old one still ending while the new one starts.
const MAIL_PODS: u64 = 2;
/// Accounts that migrations may copy at once: as many Jobs, whose limits count against the ceiling.
const ACCOUNTS_AT_ONCE: u64 = 32;
/// Migrations whose state may be kept.
const MIGRATIONS_KEPT: u64 = 8;
/// Local disk that mail pods may take together, in bytes.
const EPHEMERAL: u64 = 4096 * MEBI;

/// The ceiling of the whole namespace: the plan's limits with room for a rolling update and
/// migrations, and no way out of the cluster (no node port, no load balancer).
pub(crate) fn quota(tenant: &ValidatedTenant, place: &Place<'_>) -> Object {
    let cpu = u64::from(tenant.resources.cpu_millis) * MAIL_PODS
        + migration::CPU_LIMIT_MILLIS * ACCOUNTS_AT_ONCE;
    let memory =
        tenant.resources.memory.bytes() * MAIL_PODS + migration::MEMORY_LIMIT * ACCOUNTS_AT_ONCE;
    let storage = tenant.volume.size.bytes() + migration::STATE_BYTES * MIGRATIONS_KEPT;
    let ephemeral = EPHEMERAL + migration::DISK_LIMIT * ACCOUNTS_AT_ONCE;
    let bytes = |n: u64| (n / MEBI).to_string() + "Mi";
    let hard = quantities([
        ("limits.cpu", format!("{cpu}m")),
        ("limits.memory", bytes(memory)),
        ("limits.ephemeral-storage", bytes(ephemeral)),
        ("requests.cpu", format!("{cpu}m")),
        ("requests.memory", bytes(memory)),
        ("requests.ephemeral-storage", bytes(ephemeral)),
        ("requests.storage", bytes(storage)),
        ("persistentvolumeclaims", (1 + MIGRATIONS_KEPT).to_string()),
        ("pods", (MAIL_PODS + 2 * ACCOUNTS_AT_ONCE).to_string()),
        ("services", "3".into()),
        ("services.nodeports", "0".into()),
        ("services.loadbalancers", "0".into()),
        ("secrets", "96".into()),
        ("configmaps", "32".into()),
        ("count/jobs.batch", (2 * ACCOUNTS_AT_ONCE).to_string()),
    ]);
    Object::of(&ResourceQuota {
        metadata: place.meta(NAME),
        spec: Some(ResourceQuotaSpec {
            hard: Some(hard),
            ..ResourceQuotaSpec::default()
        }),
        ..ResourceQuota::default()
    })
}

/// What a container gets that states nothing: little, and never without a limit.
pub(crate) fn limits(place: &Place<'_>) -> Object {
    let container = LimitRangeItem {
        type_: "Container".into(),
        default: Some(default_of("250m", "128Mi", "128Mi")),
        default_request: Some(default_of("10m", "32Mi", "16Mi")),
        ..LimitRangeItem::default()
    };
    Object::of(&LimitRange {
        metadata: place.meta(NAME),
        spec: Some(LimitRangeSpec {
            limits: vec![container],
        }),
    })
}

fn default_of(cpu: &str, memory: &str, disk: &str) -> BTreeMap<String, Quantity> {
    quantities([
        ("cpu", cpu.to_owned()),
        ("memory", memory.to_owned()),
        ("ephemeral-storage", disk.to_owned()),
    ])
}
