//! The mail pod: Dovecot and Exim with their configuration, volume and Service.

mod config;
pub mod paths;
pub mod ports;
mod service;
mod statefulset;
mod volume;

pub(crate) use config::MESSAGE_BYTES;
pub use config::{
    CONFIG_MAP, DKIM_SECRET, DOOR_KEY, DOVEADM_API_KEY, READER_PASSWORD, SERVERS_SECRET,
};
pub(crate) use service::render as service;
pub(crate) use statefulset::render as statefulset;
pub use volume::CLAIM;
pub(crate) use volume::{claim, render as volume};

use crate::{Material, Object, ValidatedTenant, certificates, meta::Place, object};

/// The name of the StatefulSet, Service, ServiceAccount and policy.
pub const NAME: &str = "mail";

/// Everything that the mail pod mounts and that changes without its template: certificates,
/// configuration, secrets.
pub(crate) fn content(
    tenant: &ValidatedTenant,
    material: &Material,
    place: &Place<'_>,
) -> Vec<Object> {
    let mut objects = certificates::leaves(material, place).to_vec();
    objects.extend(config::objects(tenant, material, place));
    objects
}

/// The hash of everything that the pod mounts: its change rolls the pod.
pub(crate) fn content_hash(content: &[Object]) -> String {
    object::hash(&content.iter().map(|object| object.hash.as_str()).collect())
}
