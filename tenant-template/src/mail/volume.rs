//! The tenant's volume: mailboxes and the mail queue. Nothing here ever deletes it.

use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements,
};

use crate::{Object, ValidatedTenant, meta::Place, pod::quantities};

/// The name of the claim.
pub const CLAIM: &str = "mail-data";

pub(crate) fn render(tenant: &ValidatedTenant, place: &Place<'_>) -> Object {
    Object::of(&claim(
        place,
        CLAIM,
        tenant.volume.size.to_string(),
        tenant.volume.class.clone(),
    ))
}

/// A claim of `size` that one node mounts.
pub(crate) fn claim(
    place: &Place<'_>,
    name: &str,
    size: String,
    storage_class: Option<String>,
) -> PersistentVolumeClaim {
    PersistentVolumeClaim {
        metadata: place.meta(name),
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".into()]),
            resources: Some(VolumeResourceRequirements {
                requests: Some(quantities([("storage", size)])),
                limits: None,
            }),
            storage_class_name: storage_class,
            ..PersistentVolumeClaimSpec::default()
        }),
        ..PersistentVolumeClaim::default()
    }
}
