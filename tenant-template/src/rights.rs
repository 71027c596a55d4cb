//! Who may act in a tenant's namespace: the operator alone; pods hold no token.

use k8s_openapi::api::{
    core::v1::ServiceAccount,
    rbac::v1::{RoleBinding, RoleRef, Subject},
};
use melouvert_api::labels;

use crate::{Object, ValidatedTenant, meta::Place};

/// The operator's ServiceAccount and its binding's name.
const OPERATOR: &str = "melouvert-operator";

/// The operator's right to work in the namespace: everything else needs it first.
pub(crate) fn binding(tenant: &ValidatedTenant, place: &Place<'_>) -> Object {
    Object::of(&RoleBinding {
        metadata: place.meta(OPERATOR),
        role_ref: RoleRef {
            api_group: Some("rbac.authorization.k8s.io".into()),
            kind: "ClusterRole".into(),
            name: labels::TENANT_MANAGER_ROLE.into(),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".into(),
            name: OPERATOR.into(),
            namespace: Some(tenant.system_namespace.clone()),
            ..Subject::default()
        }]),
    })
}

/// One account per kind of pod, and `default`: none of them gets a token by itself.
pub(crate) fn accounts(place: &Place<'_>) -> [Object; 3] {
    [
        "default",
        labels::component::MAIL,
        labels::component::MIGRATION,
    ]
    .map(|name| {
        Object::of(&ServiceAccount {
            metadata: place.meta(name),
            automount_service_account_token: Some(false),
            ..ServiceAccount::default()
        })
    })
}
