//! `Access`: who has which role in one space.
//!
//! One object per space, in its namespace, rather than an object per grant: the API server stamps an
//! author on a change, never on a deletion, so a grant is withdrawn by taking it off the list. Not a
//! part of `Collectivity` either: the head of information systems reads its own space's list without
//! seeing the other spaces, and a right to change it can be given for one space.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name of a space's one object.
pub const NAME: &str = "access";

/// Who has which role in a space; the operator makes the bindings from it.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[kube(
    group = "melouvert.fr",
    version = "v1alpha1",
    kind = "Access",
    plural = "accesses",
    namespaced,
    category = "melouvert",
    status = "AccessStatus",
    derive = "PartialEq",
    validation = Rule::new("self.metadata.name == 'access'").message("metadata.name must be access: one object per space"),
    printcolumn(json_path = ".status.observedGeneration", name = "In force", type_ = "integer"),
    printcolumn(json_path = ".metadata.creationTimestamp", name = "Age", type_ = "date")
)]
#[serde(rename_all = "camelCase")]
pub struct AccessSpec {
    /// The grants. One that is taken off the list is withdrawn.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self.all(g, self.exists_one(h, h == g))").message("grants must not repeat"))]
    #[schemars(length(max = 64))]
    pub grants: Vec<Grant>,
}

/// One role for one person or group.
#[derive(
    KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// The role.
    pub role: AccessRole,
    /// Whether `name` is a person's or a group's.
    pub kind: SubjectKind,
    /// As Kubernetes authenticates it.
    #[x_kube(
        validation = Rule::new("!self.startsWith('system:')").message("name must be a person or a group, not one of Kubernetes' own (system:)"),
        validation = Rule::new(r"self.matches('^[^\\p{C}\\s]([^\\p{C}]*[^\\p{C}\\s])?$')").message("name must hold no invisible character and neither start nor end with a space"),
    )]
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// The roles that can be given in one space.
#[derive(
    JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
#[serde(rename_all = "lowercase")]
pub enum AccessRole {
    /// Manages the agents and reads the journal.
    Dsi,
    /// Runs migrations and renews passwords.
    Helpdesk,
    /// Reads agents, journal and proofs.
    Auditor,
}

impl AccessRole {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Dsi, Self::Helpdesk, Self::Auditor];

    /// As objects and commands spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dsi => "dsi",
            Self::Helpdesk => "helpdesk",
            Self::Auditor => "auditor",
        }
    }
}

/// What a name is of.
#[derive(
    JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
pub enum SubjectKind {
    /// A person.
    User,
    /// A group.
    Group,
}

impl SubjectKind {
    /// As Kubernetes spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
        }
    }
}

impl std::fmt::Display for Grant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { role, kind, name } = self;
        write!(f, "{} {} {name:?}", role.as_str(), kind.as_str())
    }
}

/// What is in force.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AccessStatus {
    /// The generation whose grants are bound and written in the journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The grants that are bound and written in the journal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub grants: Vec<Grant>,
}

/// What a list of grants changes of what is in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// New ones.
    pub granted: Vec<Grant>,
    /// Those taken off.
    pub revoked: Vec<Grant>,
    /// Those that stay.
    pub kept: Vec<Grant>,
}

/// Compares what is asked with what is in force.
pub fn difference(asked: &[Grant], in_force: &[Grant]) -> Difference {
    let (kept, granted) = asked
        .iter()
        .cloned()
        .partition(|grant| in_force.contains(grant));
    let gone = |grant: &&Grant| !asked.contains(grant);
    Difference {
        granted,
        revoked: in_force.iter().filter(gone).cloned().collect(),
        kept,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(role: AccessRole, name: &str) -> Grant {
        Grant {
            role,
            kind: SubjectKind::Group,
            name: name.into(),
        }
    }

    #[test]
    fn what_changes_is_told_apart_by_role_and_name() {
        let (dsi, aide) = (
            grant(AccessRole::Dsi, "dsi-caen"),
            grant(AccessRole::Helpdesk, "aide"),
        );
        let promoted = grant(AccessRole::Dsi, "aide");
        let change = difference(
            &[dsi.clone(), promoted.clone()],
            &[aide.clone(), dsi.clone()],
        );
        assert_eq!(change.granted, [promoted]);
        assert_eq!(change.revoked, [aide]);
        assert_eq!(change.kept, [dsi]);
    }

    #[test]
    fn roles_are_spelt_as_the_object_spells_them() {
        for role in AccessRole::ALL {
            assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
        }
    }
}
