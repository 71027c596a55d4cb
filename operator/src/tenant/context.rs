//! What every reconciliation works with.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use futures::channel::mpsc;
use kube::{
    Client, Resource, ResourceExt,
    runtime::reflector::{ObjectRef, Store},
};
use melouvert_api::{Collectivity, Migration};
use melouvert_pki::{PrivateKey, dkim};
use melouvert_store::{Actor, StoreError};

use crate::{
    backoff::Backoff, bootstrap::Platform, cluster::Applier, database::Database, events::Events,
    metrics::Metrics, rollout::Rollout, settings::Settings, tolerant::Unreadable,
};

/// What every reconciliation works with.
pub struct Context {
    /// The API.
    pub client: Client,
    /// The operator's settings.
    pub settings: Settings,
    /// What tenants are issued under.
    pub platform: Platform,
    /// The databases.
    pub database: Database,
    /// All tenants of the region, as last seen.
    pub tenants: Store<Collectivity>,
    /// Those that cannot be read.
    pub unreadable: Unreadable<Collectivity>,
    /// Migrations that cannot be read.
    pub unreadable_migrations: Unreadable<Migration>,
    /// Writes objects.
    pub applier: Arc<Applier>,
    /// The shared recorder.
    pub events: Events,
    /// The figures.
    pub metrics: Arc<Metrics>,
    /// Failures in a row.
    pub backoff: Backoff,
    /// The expensive keys.
    pub rsa: RsaKeys,
    /// Whose turn it is to take a change of region or plan.
    pub rollout: Rollout,
}

impl Context {
    /// Under which name the operator's own acts are journaled.
    pub fn own_actor(&self) -> Result<Actor, StoreError> {
        Actor::new(self.settings.own_identity())
    }
}

/// RSA keys made away from the reconciliation: 135 ms of processor time each.
pub struct RsaKeys {
    state: Arc<Mutex<RsaState>>,
    done: mpsc::UnboundedSender<ObjectRef<Collectivity>>,
    one_at_a_time: Arc<tokio::sync::Semaphore>,
}

#[derive(Default)]
struct RsaState {
    asked: HashSet<String>,
    made: HashMap<String, PrivateKey>,
}

impl RsaKeys {
    /// An empty store, and the stream of tenants whose key is made.
    pub fn new() -> (Self, mpsc::UnboundedReceiver<ObjectRef<Collectivity>>) {
        let (done, stream) = mpsc::unbounded();
        let one_at_a_time = Arc::new(tokio::sync::Semaphore::new(1));
        (
            Self {
                state: Arc::default(),
                done,
                one_at_a_time,
            },
            stream,
        )
    }

    /// Makes the controller look at a tenant.
    pub fn waker(&self) -> mpsc::UnboundedSender<ObjectRef<Collectivity>> {
        self.done.clone()
    }

    /// The key made for `tenant`, if it is; asks for one otherwise.
    pub fn take_or_ask(&self, tenant: &Collectivity) -> Option<PrivateKey> {
        let uid = tenant.uid()?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = state.made.get(&uid) {
            return Some(key.clone());
        }
        if state.asked.insert(uid.clone()) {
            let (shared, done) = (self.state.clone(), self.done.clone());
            let turn = self.one_at_a_time.clone();
            let reference = ObjectRef::from_obj(tenant);
            tokio::spawn(async move {
                // Closed only when the process ends.
                let Ok(_turn) = turn.acquire().await else {
                    return;
                };
                let made = tokio::task::spawn_blocking(dkim::rsa2048).await;
                let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
                state.asked.remove(&uid);
                match made {
                    Ok(Ok(key)) => {
                        state.made.insert(uid, key);
                    }
                    Ok(Err(error)) => {
                        tracing::warn!(error = crate::errors::chain(&error), "no RSA key");
                    }
                    Err(error) => tracing::warn!(%error, "no RSA key"),
                }
                // Nobody listens any more only when the process ends.
                let _ = done.unbounded_send(reference);
            });
        }
        None
    }

    /// Forgets the key: it is in its Secret now, or the tenant is gone.
    pub fn stored(&self, uid: &str) {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .made
            .remove(uid);
    }
}

/// The reference that Events are about.
pub fn reference(tenant: &Collectivity) -> k8s_openapi::api::core::v1::ObjectReference {
    tenant.object_ref(&())
}
