//! What every request works with.

use std::sync::Arc;

use kube::Client;
use melouvert_store::PlatformStore;
use tokio::sync::{Semaphore, watch};

use super::tls::TlsMaterial;

/// What every request works with.
pub struct Platform {
    /// The cluster, under the operator's own account.
    pub kube: Client,
    /// The databases.
    pub store: PlatformStore,
    /// The authorities in force.
    pub material: watch::Receiver<TlsMaterial>,
    /// Password hashes computed at once: one per processor.
    pub hashing: Arc<Semaphore>,
}

impl Platform {
    /// Joins the parts.
    pub fn new(
        kube: Client,
        store: PlatformStore,
        material: watch::Receiver<TlsMaterial>,
    ) -> Arc<Self> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Arc::new(Self {
            kube,
            store,
            material,
            hashing: Arc::new(Semaphore::new(processors)),
        })
    }
}
