//! What a caller may do: Kubernetes' own rules, asked by SubjectAccessReview on virtual resources.

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::{Api, Client, api::PostParams};
use melouvert_domain::NamespaceName;

use super::{
    authenticate::User,
    error::ApiError,
    places::Place,
    state::Platform,
    waiting::{Busy, Caller},
};

/// A virtual resource of the group `melouvert.fr`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// The agents of a tenant: `list`, `create`, `update`, `delete`.
    Agents,
    /// The use of its mailboxes: `get`.
    Mailboxes,
    /// Its journal, or the platform's without a namespace: `list`.
    Journal,
    /// The proofs and progress of its migrations: `get`, `create`.
    MigrationReports,
}

impl Resource {
    fn as_str(self) -> &'static str {
        match self {
            Self::Agents => "agents",
            Self::Mailboxes => "mailboxes",
            Self::Journal => "journal",
            Self::MigrationReports => "migrationreports",
        }
    }
}

/// One right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Right<'a> {
    /// `list`, `get`, `create`, `update` or `delete`.
    pub verb: &'static str,
    /// On what.
    pub resource: Resource,
    /// In which tenant; `None` for the platform itself.
    pub namespace: Option<&'a NamespaceName>,
    /// On which one, when a Role may name it.
    pub name: Option<&'a str>,
}

/// A request that the cluster allowed, while it is under way.
#[derive(Debug)]
pub struct Admitted {
    _identity: Place,
    _busy: Option<Busy>,
}

impl Platform {
    /// Lets `user` do what `right` says, unless it has too many requests under way.
    pub async fn admit(&self, user: &User, right: &Right<'_>) -> Result<Admitted, ApiError> {
        // First, so that nobody makes the API server work without end either.
        let identity = self.places.identity(&user.name)?;
        authorize(&self.kube, user, right).await?;
        Ok(Admitted {
            _identity: identity,
            _busy: user.caller.as_ref().map(Caller::busy),
        })
    }
}

/// Refuses unless `user` has `right`. Asked anew for each request: a right that is withdrawn is
/// gone at once.
async fn authorize(kube: &Client, user: &User, right: &Right<'_>) -> Result<(), ApiError> {
    let review = Api::<SubjectAccessReview>::all(kube.clone())
        .create(&PostParams::default(), &request(user, right))
        .await?;
    let status = review.status.unwrap_or_default();
    if status.allowed && status.denied != Some(true) {
        return Ok(());
    }
    if let Some(error) = status.evaluation_error {
        tracing::warn!(error, "the API server could not evaluate every rule");
    }
    Err(ApiError::forbidden(
        &user.name,
        right.verb,
        right.resource.as_str(),
        right.namespace.map(NamespaceName::as_str),
    ))
}

fn request(user: &User, right: &Right<'_>) -> SubjectAccessReview {
    SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(user.name.clone()),
            uid: user.uid.clone(),
            groups: Some(user.groups.clone()),
            extra: (!user.extra.is_empty()).then(|| user.extra.clone()),
            resource_attributes: Some(ResourceAttributes {
                group: Some(melouvert_api::GROUP.into()),
                version: Some(melouvert_api::VERSION.into()),
                resource: Some(right.resource.as_str().into()),
                verb: Some(right.verb.into()),
                namespace: right.namespace.map(ToString::to_string),
                name: right.name.map(Into::into),
                ..ResourceAttributes::default()
            }),
            non_resource_attributes: None,
        },
        ..SubjectAccessReview::default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn user() -> User {
        User {
            name: "jeanne".into(),
            uid: None,
            groups: vec!["dsi-caen".into(), "system:authenticated".into()],
            extra: BTreeMap::new(),
            caller: None,
        }
    }

    #[test]
    fn a_right_in_a_tenant_names_its_namespace() {
        let namespace = NamespaceName::of(&"211401187".parse().unwrap());
        let right = Right {
            verb: "create",
            resource: Resource::Agents,
            namespace: Some(&namespace),
            name: None,
        };
        assert_eq!(
            serde_json::to_value(request(&user(), &right).spec).unwrap(),
            serde_json::json!({
                "user": "jeanne",
                "groups": ["dsi-caen", "system:authenticated"],
                "resourceAttributes": {
                    "group": "melouvert.fr", "version": "v1alpha1", "resource": "agents",
                    "verb": "create", "namespace": "col-211401187",
                },
            })
        );
    }

    #[test]
    fn the_platforms_journal_is_cluster_scoped() {
        let right = Right {
            verb: "list",
            resource: Resource::Journal,
            namespace: None,
            name: None,
        };
        let attributes = request(&user(), &right).spec.resource_attributes.unwrap();
        assert_eq!(attributes.namespace, None);
        assert_eq!(attributes.resource.as_deref(), Some("journal"));
    }
}
