//! What every request works with.

use std::sync::Arc;

use kube::Client;
use melouvert_store::PlatformStore;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use super::{
    error::ApiError,
    hashing::Hashing,
    places::Places,
    tenant::Tenant,
    tls::TlsMaterial,
    unread::{Bounds, Reading, Unread},
};

/// What every request works with.
pub struct Platform {
    /// The cluster, under the operator's own account.
    pub kube: Client,
    /// The databases.
    pub store: PlatformStore,
    /// The authorities in force.
    pub material: watch::Receiver<TlsMaterial>,
    /// Who computes password hashes next.
    pub hashing: Arc<Hashing>,
    /// Long bodies under way.
    pub reading: Reading,
    /// Requests under way.
    pub places: Places,
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
            hashing: Arc::new(Hashing::new(processors)),
            reading: Reading::default(),
            places: Places::default(),
        })
    }

    /// Reads a body within `bounds`, now that the caller may act upon `tenant`.
    pub async fn read<T: DeserializeOwned + Send + 'static>(
        &self,
        body: Unread,
        tenant: &Tenant,
        bounds: Bounds,
    ) -> Result<T, ApiError> {
        body.json(tenant, bounds).await
    }
}
