//! Whose a namespace is: this object's, of this installation, or one that was left by an object that
//! is gone and that this one takes over by name.

use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt;
use melouvert_api::{Collectivity, Reason, labels};
use melouvert_tenant_template::COLLECTIVITY_UID;

use super::{dereference::References, validate::Refusal};

/// How a namespace stands to an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ownership {
    /// It was opened for this object, or is not there.
    Own,
    /// It was opened for an object of the same SIREN that is gone, and this one asks for it.
    Adopted {
        /// The UID of the object that is gone.
        from: String,
    },
    /// As above, but nobody asked.
    Orphan {
        /// The namespace's UID, which asking needs.
        token: String,
    },
    /// The operator of another installation keeps it.
    Elsewhere {
        /// The namespace of that installation.
        installation: String,
    },
    /// It is no space.
    Foreign,
}

/// How `namespace` stands to `tenant`, for the operator of `system`.
pub fn of(tenant: &Collectivity, namespace: Option<&Namespace>, system: &str) -> Ownership {
    let told = tenant
        .status
        .as_ref()
        .and_then(|status| status.installation.as_deref());
    let elsewhere = |installation: &str| Ownership::Elsewhere {
        installation: installation.to_owned(),
    };
    let Some(namespace) = namespace else {
        return match told.filter(|told| *told != system) {
            Some(told) => elsewhere(told),
            None => Ownership::Own,
        };
    };
    let marks = namespace.annotations();
    let holder = marks.get(labels::INSTALLATION).map(String::as_str).or(told);
    if let Some(holder) = holder.filter(|holder| *holder != system) {
        return elsewhere(holder);
    }
    let owner = marks.get(COLLECTIVITY_UID);
    if owner.is_some() && owner == tenant.metadata.uid.as_ref() {
        return Ownership::Own;
    }
    let label = |name| namespace.labels().get(name).map(String::as_str);
    let same = label(labels::SIREN) == Some(tenant.spec.siren.as_str())
        && label(labels::MANAGED_BY) == Some(labels::MANAGER);
    // One object per SIREN, by its name: an owner of another UID is gone.
    match (owner, namespace.metadata.uid.as_ref()) {
        (Some(owner), Some(uid)) if same && tenant.spec.adopts.as_ref() == Some(uid) => {
            Ownership::Adopted {
                from: owner.clone(),
            }
        }
        (Some(_), Some(uid)) if same => Ownership::Orphan { token: uid.clone() },
        _ => Ownership::Foreign,
    }
}

/// Refuses what is not this object's.
pub fn check(
    tenant: &Collectivity,
    references: &References,
    system: &str,
    refusals: &mut Vec<Refusal>,
) {
    let name = tenant.name_any();
    let siren = &tenant.spec.siren;
    let message = match of(tenant, references.namespace.as_ref(), system) {
        Ownership::Own | Ownership::Adopted { .. } => return,
        Ownership::Orphan { token } => format!(
            "namespace {name} holds the space of an object that is gone, with its mail and keys; nothing \
             of it was touched: to take it over, melouvert collectivity adopt {siren} --namespace-uid {token}"
        ),
        Ownership::Elsewhere { installation } => format!(
            "the space is kept by the installation in namespace {installation}; the operator in {system} \
             leaves it alone: remove one of the two installations"
        ),
        Ownership::Foreign => format!(
            "namespace {name} exists and is no space; the hoster must move what is in it, then remove it"
        ),
    };
    refusals.push(Refusal::new(
        "metadata.name",
        Reason::NamespaceTaken,
        message,
    ));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const UID: &str = "6b1f2f0e-0000-4000-8000-000000000009";

    fn tenant(adopts: Option<&str>, installation: Option<&str>) -> Collectivity {
        serde_json::from_value(json!({
            "apiVersion": "melouvert.fr/v1alpha1", "kind": "Collectivity",
            "metadata": {"name": "col-211401187", "uid": "new"},
            "spec": {"siren": "211401187", "legalName": "x", "kind": "Commune", "population": 1,
                "region": "r", "plan": "p", "domains": ["a.example"], "adopts": adopts},
            "status": {"installation": installation}}))
        .unwrap()
    }

    fn namespace(owner: Option<&str>, installation: Option<&str>, siren: &str) -> Namespace {
        let mut namespace: Namespace = serde_json::from_value(json!({"metadata": {
            "name": "col-211401187", "uid": UID,
            "labels": {"melouvert.fr/siren": siren, "app.kubernetes.io/managed-by": "melouvert"}}}))
        .unwrap();
        let marks = namespace.metadata.annotations.get_or_insert_default();
        let pairs = [
            (COLLECTIVITY_UID, owner),
            (labels::INSTALLATION, installation),
        ];
        for (key, value) in pairs {
            if let Some(value) = value {
                marks.insert(key.into(), value.into());
            }
        }
        namespace
    }

    fn owned(adopts: Option<&str>, namespace: &Namespace) -> Ownership {
        of(&tenant(adopts, None), Some(namespace), "sys")
    }

    #[test]
    fn a_space_is_its_objects_and_its_installations() {
        let own = namespace(Some("new"), Some("sys"), "211401187");
        assert_eq!(owned(None, &own), Ownership::Own);
        assert_eq!(of(&tenant(None, None), None, "sys"), Ownership::Own);
        // Opened before installations were recorded.
        assert_eq!(
            owned(None, &namespace(Some("new"), None, "211401187")),
            Ownership::Own
        );
    }

    #[test]
    fn another_installation_leaves_it_alone_whatever_is_asked() {
        let elsewhere = Ownership::Elsewhere {
            installation: "other".into(),
        };
        let theirs = namespace(Some("new"), Some("other"), "211401187");
        assert_eq!(owned(None, &theirs), elsewhere);
        assert_eq!(
            owned(
                Some(UID),
                &namespace(Some("old"), Some("other"), "211401187")
            ),
            elsewhere
        );
        // While it is being erased its namespace may be gone before the object.
        assert_eq!(of(&tenant(None, Some("other")), None, "sys"), elsewhere);
        let unmarked = namespace(Some("new"), None, "211401187");
        assert_eq!(
            of(&tenant(None, Some("other")), Some(&unmarked), "sys"),
            elsewhere
        );
    }

    #[test]
    fn an_orphan_is_taken_over_by_its_own_uid_alone() {
        let left = namespace(Some("old"), Some("sys"), "211401187");
        assert_eq!(owned(None, &left), Ownership::Orphan { token: UID.into() });
        assert_eq!(
            owned(Some("6b1f2f0e-0000-4000-8000-000000000008"), &left),
            Ownership::Orphan { token: UID.into() }
        );
        assert_eq!(
            owned(Some(UID), &left),
            Ownership::Adopted { from: "old".into() }
        );
        // Not even by its UID when it is another SIREN's, or no space.
        assert_eq!(
            owned(Some(UID), &namespace(Some("old"), Some("sys"), "217605401")),
            Ownership::Foreign
        );
        assert_eq!(
            owned(Some(UID), &namespace(None, None, "211401187")),
            Ownership::Foreign
        );
    }
}
