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
    let subject = account(OPERATOR, &tenant.system_namespace);
    bind(place, OPERATOR, labels::TENANT_MANAGER_ROLE, subject)
}

/// The right of a migration's Job to report to the platform API, and none to the cluster.
pub(crate) fn worker_binding(tenant: &ValidatedTenant, place: &Place<'_>) -> Object {
    let subject = account(labels::component::MIGRATION, tenant.namespace.as_str());
    let role = labels::MIGRATION_WORKER_ROLE;
    bind(place, role, role, subject)
}

fn bind(place: &Place<'_>, name: &str, cluster_role: &str, subject: Subject) -> Object {
    Object::of(&RoleBinding {
        metadata: place.meta(name),
        role_ref: RoleRef {
            api_group: Some("rbac.authorization.k8s.io".into()),
            kind: "ClusterRole".into(),
            name: cluster_role.into(),
        },
        subjects: Some(vec![subject]),
    })
}

fn account(name: &str, namespace: &str) -> Subject {
    Subject {
        kind: "ServiceAccount".into(),
        name: name.into(),
        namespace: Some(namespace.into()),
        ..Subject::default()
    }
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
