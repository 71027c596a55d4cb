//! Connections: each is accepted, proven by TLS and served on its own task, within bounds.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use rustls::ServerConfig;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    authenticate::PeerCertificate,
    tls::{self, TlsMaterial},
};

/// Connections at once; more wait in the kernel's queue.
const CONNECTIONS: usize = 256;
/// For a TLS handshake, and for each request's headers (idle connections end as well).
const PATIENCE: Duration = Duration::from_secs(15);
/// For requests in flight at shutdown.
const FAREWELL: Duration = Duration::from_secs(20);
/// Between failed accepts: out of descriptors, nothing tells when one is free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// Serves `router` until `shutdown`, then lets open requests end.
pub async fn run(
    socket: TcpListener,
    router: Router,
    mut config: Arc<ServerConfig>,
    mut material: watch::Receiver<TlsMaterial>,
    shutdown: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let tasks = TaskTracker::new();
    material.mark_changed();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accept(&socket, &places) => accepted,
        };
        let Some((stream, peer, place)) = accepted else {
            break;
        };
        // A sender that is gone only means that no renewal will come.
        if material.has_changed().unwrap_or(false) {
            config = renewed(&config, &mut material);
        }
        let (config, router) = (Arc::clone(&config), router.clone());
        let shutdown = shutdown.clone();
        tasks.spawn(async move {
            connection(stream, peer, config, router, shutdown).await;
            drop(place);
        });
    }
    tasks.close();
    if tokio::time::timeout(FAREWELL, tasks.wait()).await.is_err() {
        tracing::warn!(open = tasks.len(), "requests were cut at shutdown");
    }
}

/// The next connection; `None` when the semaphore is closed, which nobody does.
async fn accept(
    socket: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    loop {
        match socket.accept().await {
            Ok((stream, peer)) => return Some((stream, peer, place)),
            Err(error) => {
                tracing::warn!(%error, "failed to accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The configuration of the newest material; the present one when that cannot serve.
fn renewed(
    present: &Arc<ServerConfig>,
    material: &mut watch::Receiver<TlsMaterial>,
) -> Arc<ServerConfig> {
    match tls::server_config(&material.borrow_and_update()) {
        Ok(config) => config,
        Err(error) => {
            tracing::error!(%error, source = ?std::error::Error::source(&error), "the new certificate cannot serve: the present one stays");
            Arc::clone(present)
        }
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    config: Arc<ServerConfig>,
    router: Router,
    shutdown: CancellationToken,
) {
    let handshake = TlsAcceptor::from(config).accept(stream);
    let stream = match tokio::time::timeout(PATIENCE, handshake).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(%peer, %error, "a TLS handshake failed");
            return;
        }
        Err(_) => {
            tracing::debug!(%peer, "a TLS handshake took too long");
            return;
        }
    };
    let service = TowerToHyperService::new(router.layer(Extension(certificate(&stream))));
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(64 * 1024);
    let mut served = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = shutdown.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection ended early");
    }
}

fn certificate(stream: &TlsStream<TcpStream>) -> PeerCertificate {
    let chain = stream.get_ref().1.peer_certificates();
    PeerCertificate(
        chain
            .and_then(<[_]>::first)
            .map(|leaf| Arc::new(leaf.clone().into_owned())),
    )
}
