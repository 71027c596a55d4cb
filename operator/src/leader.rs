//! One operator at a time: a Lease of the operator's namespace.

use kube::Client;
use kube_lease_manager::{LeaseManager, LeaseManagerBuilder, LeaseManagerError};
use tokio::{sync::watch, task::JoinHandle};

use crate::settings::{OPERATOR_ACCOUNT, Settings};

/// Seconds after which a silent holder loses the lease.
const DURATION: u64 = 15;
/// Seconds before that at which the holder renews it.
const GRACE: u64 = 5;

/// Why there is no lease.
#[derive(Debug, thiserror::Error)]
pub enum LeaderError {
    /// The Lease could not be made or read.
    #[error("failed to open the lease {OPERATOR_ACCOUNT}")]
    Open(#[source] Box<LeaseManagerError>),
    /// The lease went to someone else, or could not be renewed in time.
    #[error("the lease {OPERATOR_ACCOUNT} was lost")]
    Lost,
    /// The task that renews it ended.
    #[error("the task that renews the lease {OPERATOR_ACCOUNT} ended: {0}")]
    Dead(String),
}

/// Whether this process leads.
#[derive(Clone)]
pub struct Leadership(watch::Receiver<bool>);

/// The running lease.
pub struct Lease {
    state: watch::Receiver<bool>,
    task: JoinHandle<Result<LeaseManager, LeaseManagerError>>,
}

impl Leadership {
    /// Whether the lease is held now.
    pub fn held(&self) -> bool {
        *self.0.borrow()
    }
}

/// Starts competing for the lease; this pod's name and UID are the identity. By the name alone, the
/// pod of a `StatefulSet` would take the lease from one of the same name that still runs: on a node
/// that was cut off, or after `kubectl delete --force`.
pub async fn compete(client: Client, settings: &Settings) -> Result<Lease, LeaderError> {
    let manager = LeaseManagerBuilder::new(client, OPERATOR_ACCOUNT)
        .with_namespace(&settings.namespace)
        .with_identity(settings.identity())
        .with_duration(DURATION)
        .with_grace(GRACE)
        .build()
        .await
        .map_err(|error| LeaderError::Open(Box::new(error)))?;
    let (state, task) = manager.watch().await;
    Ok(Lease { state, task })
}

impl Lease {
    /// A view for the health endpoints.
    pub fn leadership(&self) -> Leadership {
        Leadership(self.state.clone())
    }

    /// Waits until this process leads.
    pub async fn acquired(&mut self) -> Result<(), LeaderError> {
        tokio::select! {
            held = self.state.wait_for(|held| *held) => held.map(|_| ()).map_err(|_| LeaderError::Lost),
            ended = &mut self.task => Err(dead(ended)),
        }
    }

    /// Waits for the end of the lease; never returns while it is held and renewed.
    pub async fn lost(&mut self) -> LeaderError {
        tokio::select! {
            _ = self.state.wait_for(|held| !*held) => LeaderError::Lost,
            ended = &mut self.task => dead(ended),
        }
    }
}

fn dead(
    ended: Result<Result<LeaseManager, LeaseManagerError>, tokio::task::JoinError>,
) -> LeaderError {
    LeaderError::Dead(match ended {
        Ok(Ok(_)) => "it was released".into(),
        Ok(Err(error)) => crate::errors::chain(&error),
        Err(error) => error.to_string(),
    })
}
