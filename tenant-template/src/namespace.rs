//! The tenant's namespace, which is its border.

use k8s_openapi::api::core::v1::Namespace;
use melouvert_api::labels;

use crate::{Object, ValidatedTenant, meta::Place};

/// The annotation with the UID of the Collectivity that a namespace was opened for.
pub const COLLECTIVITY_UID: &str = labels::COLLECTIVITY_UID;
/// The annotation with the official name.
const LEGAL_NAME: &str = "melouvert.fr/legal-name";

pub(crate) fn render(tenant: &ValidatedTenant) -> Object {
    let place = Place {
        namespace: None,
        siren: Some(&tenant.siren),
        component: "tenant",
        owner: None,
    };
    let mut metadata = place.meta(tenant.namespace.as_str());
    let marks = metadata.labels.get_or_insert_default();
    marks.insert(labels::INSTALLATION.into(), tenant.system_namespace.clone());
    for mode in ["enforce", "audit", "warn"] {
        let key = format!("pod-security.kubernetes.io/{mode}");
        marks.insert(key, "restricted".into());
    }
    let annotations = metadata.annotations.get_or_insert_default();
    annotations.insert(COLLECTIVITY_UID.into(), tenant.uid.clone());
    annotations.insert(labels::INSTALLATION.into(), tenant.system_namespace.clone());
    annotations.insert(labels::LAST_KNOWN.into(), tenant.last_known.clone());
    annotations.insert(LEGAL_NAME.into(), tenant.legal_name.clone());
    Object::of(&Namespace {
        metadata,
        ..Namespace::default()
    })
}
