//! Who may act in a tenant's namespace: the operator, and people by their roles; pods hold no token.

use k8s_openapi::api::{
    core::v1::ServiceAccount,
    rbac::v1::{RoleBinding, RoleRef, Subject},
};
use melouvert_api::{
    access::{AccessRole, Grant},
    labels,
};
use melouvert_domain::{NamespaceName, Siren};

use crate::{Object, ValidatedTenant, meta::Place};

/// The API group of rights, and of people as their subjects.
const GROUP: &str = "rbac.authorization.k8s.io";

/// The operator's ServiceAccount and its binding's name.
const OPERATOR: &str = "melouvert-operator";

/// The operator's right to work in the namespace: everything else needs it first.
pub(crate) fn binding(tenant: &ValidatedTenant, place: &Place<'_>) -> Object {
    let subject = account(OPERATOR, &tenant.system_namespace);
    bind(place, OPERATOR, labels::TENANT_MANAGER_ROLE, vec![subject])
}

/// The right of a migration's Job to report to the platform API, and none to the cluster.
pub(crate) fn worker_binding(tenant: &ValidatedTenant, place: &Place<'_>) -> Object {
    let subject = account(labels::component::MIGRATION, tenant.namespace.as_str());
    let role = labels::MIGRATION_WORKER_ROLE;
    bind(place, role, role, vec![subject])
}

/// The right of those who run migrations on the whole region to hand over accounts in this space:
/// no right on Secrets is given on the whole cluster.
pub(crate) fn migrators_binding(tenant: &ValidatedTenant, place: &Place<'_>) -> Object {
    let role = labels::MIGRATION_ACCOUNTS_ROLE;
    bind(place, role, role, tenant.migrators.clone())
}

/// The bindings of people in one space: one a role, whether somebody has it or not, so that a grant
/// that is withdrawn leaves an empty binding and nothing needs to be deleted.
pub fn render_access(siren: &Siren, grants: &[Grant]) -> Vec<Object> {
    let namespace = NamespaceName::of(siren);
    let place = Place {
        namespace: Some(namespace.as_str()),
        siren: Some(siren),
        component: labels::component::ACCESS,
        owner: None,
    };
    let subjects = |role: AccessRole| -> Vec<Subject> {
        let mut held: Vec<_> = grants.iter().filter(|grant| grant.role == role).collect();
        held.sort();
        held.dedup();
        held.into_iter().map(person).collect()
    };
    let binding = |role: AccessRole| {
        let name = role.as_str();
        let cluster_role = format!("melouvert-{name}");
        bind(
            &place,
            &format!("access-{name}"),
            &cluster_role,
            subjects(role),
        )
    };
    let mut all: Vec<_> = AccessRole::ALL.map(binding).into();
    // The helpdesk runs migrations, and hands over their accounts.
    let accounts = labels::MIGRATION_ACCOUNTS_ROLE;
    let helpdesk = subjects(AccessRole::Helpdesk);
    all.push(bind(
        &place,
        "access-migration-accounts",
        accounts,
        helpdesk,
    ));
    all
}

fn person(grant: &Grant) -> Subject {
    Subject {
        api_group: Some(GROUP.into()),
        kind: grant.kind.as_str().into(),
        name: grant.name.clone(),
        namespace: None,
    }
}

fn bind(place: &Place<'_>, name: &str, cluster_role: &str, subjects: Vec<Subject>) -> Object {
    Object::of(&RoleBinding {
        metadata: place.meta(name),
        role_ref: RoleRef {
            api_group: Some(GROUP.into()),
            kind: "ClusterRole".into(),
            name: cluster_role.into(),
        },
        subjects: Some(subjects),
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

#[cfg(test)]
mod tests {
    use melouvert_api::access::SubjectKind;
    use serde_json::json;

    use super::*;

    fn grant(role: AccessRole, name: &str) -> Grant {
        Grant {
            role,
            kind: SubjectKind::User,
            name: name.into(),
        }
    }

    #[test]
    fn a_role_without_anybody_keeps_an_empty_binding() {
        let siren = "211401187".parse().unwrap();
        let grants = [
            grant(AccessRole::Helpdesk, "zoe"),
            grant(AccessRole::Helpdesk, "anne"),
        ];
        let bindings = render_access(&siren, &grants);
        let told: Vec<_> = bindings
            .iter()
            .map(|object| {
                let names: Vec<_> = object.value["subjects"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|subject| subject["name"].as_str().unwrap())
                    .collect();
                let role = object.value["roleRef"]["name"].as_str().unwrap();
                assert_eq!(object.namespace.as_deref(), Some("col-211401187"));
                json!([object.name, role, names])
            })
            .collect();
        assert_eq!(
            told,
            [
                json!(["access-dsi", "melouvert-dsi", []]),
                json!(["access-helpdesk", "melouvert-helpdesk", ["anne", "zoe"]]),
                json!(["access-auditor", "melouvert-auditor", []]),
                json!([
                    "access-migration-accounts",
                    "melouvert-migration-accounts",
                    ["anne", "zoe"]
                ]),
            ]
        );
    }
}
