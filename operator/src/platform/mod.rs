//! The platform API: what is not in etcd (agents, quotas in use, journals, proofs), for the same
//! identities and under the same rules as the cluster's own API.
//!
//! One file per resource; the wire types are in `melouvert_api::wire`.

mod agents;
mod authenticate;
mod authorize;
mod error;
mod extract;
mod hashing;
mod journal;
mod listener;
mod mailstore;
mod migrations;
mod new_agent;
mod passwords;
mod places;
mod proof;
mod quota;
mod router;
mod shape;
mod state;
mod store_error;
mod tenant;
mod tls;
mod unread;
mod waiting;

use std::{io, net::SocketAddr};

use kube::Client;
use melouvert_store::PlatformStore;
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

pub use tls::{TlsError, TlsMaterial};

/// What the platform API is given.
pub struct Settings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Its certificate and the authorities it trusts; each new value serves the connections that
    /// are opened after it.
    pub tls: watch::Receiver<TlsMaterial>,
    /// The cluster, under the operator's own account.
    pub kube: Client,
    /// The databases.
    pub store: PlatformStore,
    /// Ends it: open requests are finished, new connections refused.
    pub shutdown: CancellationToken,
}

/// Why the platform API could not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken or not ours.
    #[error("failed to listen on {listen}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The first certificate or authority is unusable.
    #[error("failed to set up TLS")]
    Tls(#[from] TlsError),
}

/// Serves until `settings.shutdown`; returns at once when it cannot start.
pub async fn serve(settings: Settings) -> Result<(), ServeError> {
    let Settings {
        listen,
        tls,
        kube,
        store,
        shutdown,
    } = settings;
    // A certificate that cannot serve is told at start, not at the first connection.
    let first = tls::server_config(&tls.borrow())?;
    let socket = TcpListener::bind(listen)
        .await
        .map_err(|source| ServeError::Listen { listen, source })?;
    let router = router::router(state::Platform::new(kube, store, tls.clone()));
    tracing::info!(%listen, "the platform API listens");
    listener::run(socket, router, first, tls, shutdown).await;
    Ok(())
}
