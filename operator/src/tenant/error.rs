//! Why a reconciliation stopped, one variant per step.

use melouvert_api::Reason;
use melouvert_pki::PkiError;
use melouvert_store::StoreError;

use super::{dereference::DereferenceError, lost::Lost, material::MaterialError, observe::NotSeen};
use crate::{cluster::ApplyError, database::DatabaseError};

/// Why a reconciliation stopped; all of it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// What the object refers to could not be read.
    #[error("failed to read what the object refers to")]
    Dereference(#[from] DereferenceError),
    /// Keys or certificates could not be made.
    #[error("failed to prepare keys and certificates")]
    Material(#[from] MaterialError),
    /// A certificate or key cannot be told.
    #[error("failed to describe keys and certificates")]
    Describe(#[from] PkiError),
    /// Something that was made once is gone.
    #[error("failed to find what was made before")]
    Lost(#[from] Lost),
    /// The database was not reached yet.
    #[error("failed to use the database")]
    NoDatabase(#[from] DatabaseError),
    /// The database refused or broke off.
    #[error("failed to prepare the tenant's database")]
    Database(#[from] StoreError),
    /// An object could not be applied.
    #[error("failed to apply the tenant's objects")]
    Apply(#[from] ApplyError),
    /// The servers were not seen to work.
    #[error("failed to see the servers work")]
    Observe(#[from] NotSeen),
    /// The API server refused something else.
    #[error("failed to {verb}")]
    Kube {
        /// What was tried.
        verb: &'static str,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
    /// An object whose SIREN is none cannot be erased by it.
    #[error("failed to read spec.siren: {found:?} is no SIREN")]
    Unnamed {
        /// What it says.
        found: String,
    },
}

impl ReconcileError {
    /// A CamelCase word for conditions, Events and metrics.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Dereference(_) | Self::Kube { .. } => Reason::ApiServerRefused,
            Self::Material(MaterialError::Lost { .. }) | Self::Lost(Lost::OtherKey { .. }) => {
                Reason::KeysLost
            }
            Self::Material(MaterialError::Root { .. }) => Reason::RootKeyNeeded,
            Self::Material(_) | Self::Describe(_) => Reason::KeysNotMade,
            Self::Lost(Lost::Volume) => Reason::VolumeLost,
            Self::NoDatabase(DatabaseError::Lost(_)) | Self::Database(StoreError::Gone { .. }) => {
                Reason::DatabaseLost
            }
            Self::NoDatabase(_) => Reason::DatabaseUnreachable,
            Self::Database(error) if error.is_transient() => Reason::DatabaseUnreachable,
            Self::Database(_) => Reason::DatabaseRefused,
            Self::Apply(ApplyError::Leaving { .. }) => Reason::ObjectLeaving,
            Self::Apply(_) => Reason::ApplyRefused,
            Self::Observe(not_seen) => not_seen.reason(),
            Self::Unnamed { .. } => Reason::InvalidSpec,
        }
    }

    /// Whether nothing will change until somebody brings something back.
    pub fn is_lost(&self) -> bool {
        matches!(
            self.reason(),
            Reason::DatabaseLost | Reason::KeysLost | Reason::VolumeLost | Reason::RootKeyNeeded
        )
    }

    /// Whether it is part of a normal start: nobody needs to be told.
    pub fn is_expected(&self) -> bool {
        matches!(
            self,
            Self::Observe(NotSeen::Pod) | Self::Apply(ApplyError::Leaving { .. })
        )
    }
}

/// Names what was tried.
pub fn kube_error(verb: &'static str) -> impl FnOnce(kube::Error) -> ReconcileError {
    move |source| ReconcileError::Kube {
        verb,
        source: Box::new(source),
    }
}
