//! The door of a tenant: the right first, then whether it exists.

use axum::http::StatusCode;
use kube::Api;
use melouvert_api::{Collectivity, collectivity::QuotaStatus};
use melouvert_domain::{NamespaceName, Siren, StorageSize};
use melouvert_store::{Actor, StoreError, TenantStore};

use super::{
    authenticate::User,
    authorize::{Admitted, Resource, Right},
    error::ApiError,
    places::Place,
    state::Platform,
};

/// A tenant that the caller may act upon.
#[derive(Debug)]
pub struct Tenant {
    /// Its namespace.
    pub namespace: NamespaceName,
    /// Its object.
    pub object: Collectivity,
    /// Its database.
    pub store: TenantStore,
    /// The caller, as the journal names them.
    pub actor: Actor,
    _admitted: Admitted,
    _place: Place,
}

/// What a tenant may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many agents.
    pub agents: u32,
    /// The size of its mail volume.
    pub storage: StorageSize,
    /// The default quota of one mailbox.
    pub mailbox: StorageSize,
}

impl Platform {
    /// Lets `user` into a tenant for `verb` on `resource`.
    ///
    /// Without the right the answer is the same whether the tenant exists or not.
    pub async fn enter(
        &self,
        user: &User,
        verb: &'static str,
        resource: Resource,
        siren: &str,
    ) -> Result<Tenant, ApiError> {
        self.enter_for(user, verb, resource, siren, None).await
    }

    /// As [`Platform::enter`], for one object that a Role may name.
    pub async fn enter_for(
        &self,
        user: &User,
        verb: &'static str,
        resource: Resource,
        siren: &str,
        name: Option<&str>,
    ) -> Result<Tenant, ApiError> {
        let siren = parse(siren)?;
        let namespace = NamespaceName::of(&siren);
        let right = Right {
            verb,
            resource,
            namespace: Some(&namespace),
            name,
        };
        let admitted = self.admit(user, &right).await?;
        let place = self.places.space(siren.as_str())?;
        let actor = Actor::new(user.name.clone())?;
        let object = Api::<Collectivity>::all(self.kube.clone())
            .get_opt(namespace.as_str())
            .await?
            .ok_or_else(|| absent(&siren))?;
        let store = match self.store.tenant(&siren).await {
            Err(StoreError::NotFound { .. }) => return Err(not_ready(&siren)),
            other => other?,
        };
        Ok(Tenant {
            namespace,
            object,
            store,
            actor,
            _admitted: admitted,
            _place: place,
        })
    }
}

impl Tenant {
    /// What the operator granted; refused while it has granted nothing yet.
    pub fn limits(&self) -> Result<Limits, ApiError> {
        self.object
            .status
            .as_ref()
            .and_then(|status| status.quota.as_ref())
            .and_then(limits)
            .ok_or_else(|| not_ready(self.namespace.siren()))
    }
}

fn limits(quota: &QuotaStatus) -> Option<Limits> {
    Some(Limits {
        agents: quota.agents,
        storage: quota.storage.parse().ok()?,
        mailbox: quota.mailbox_quota.parse().ok()?,
    })
}

fn parse(siren: &str) -> Result<Siren, ApiError> {
    siren.parse().map_err(|error| {
        ApiError::new(
            StatusCode::BAD_REQUEST,
            "InvalidField",
            (
                &format!("SIREN {siren:?} incorrect : neuf chiffres, le dernier de contrôle"),
                &format!("{error}"),
            ),
            ("vérifiez le SIREN", "check the SIREN"),
        )
        .field("siren")
    })
}

fn absent(siren: &Siren) -> ApiError {
    ApiError::not_found(
        "TenantNotFound",
        "siren",
        (
            &format!("aucune collectivité {siren} sur cette plateforme"),
            &format!("no collectivity {siren} on this platform"),
        ),
        (
            "vérifiez le SIREN : melouvert collectivity list",
            "check the SIREN: melouvert collectivity list",
        ),
    )
}

fn not_ready(siren: &Siren) -> ApiError {
    ApiError::conflict(
        "TenantNotReady",
        (
            &format!("l'espace de {siren} n'est pas encore prêt"),
            &format!("the space of {siren} is not ready yet"),
        ),
        (
            "attendez qu'il le soit : melouvert collectivity show",
            "wait until it is: melouvert collectivity show",
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_from_what_was_granted() {
        let quota = QuotaStatus {
            agents: 20,
            storage: "20Gi".into(),
            mailbox_quota: "2Gi".into(),
        };
        let read = limits(&quota).unwrap();
        assert_eq!((read.agents, read.storage.bytes()), (20, 20 << 30));
        assert_eq!(limits(&QuotaStatus::default()), None);
    }

    #[test]
    fn a_mistyped_siren_is_a_bad_request() {
        let error = parse("211401188").unwrap_err();
        assert_eq!(error.status, StatusCode::BAD_REQUEST);
        assert_eq!(error.detail.field.as_deref(), Some("siren"));
    }
}
