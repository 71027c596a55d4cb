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
    waiting::Waiting,
};

/// Connections at once. One more cuts the one that waits for longest without a request.
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
    let waiting = Waiting::default();
    material.mark_changed();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accept(&socket, &places, &waiting) => accepted,
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
        let caller = waiting.open();
        tasks.spawn(async move {
            tokio::select! {
                () = connection(stream, peer, config, router.layer(Extension(caller.clone())), shutdown) => {}
                () = caller.cut() => tracing::debug!(%peer, "a silent connection was cut"),
            }
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
    waiting: &Waiting,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    loop {
        match socket.accept().await {
            Ok((stream, peer)) => {
                if places.available_permits() == 0 {
                    waiting.cut_oldest();
                }
                let place = Arc::clone(places).acquire_owned().await.ok()?;
                return Some((stream, peer, place));
            }
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

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use rustls_pki_types::ServerName;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_rustls::TlsConnector;

    use super::*;

    fn material() -> TlsMaterial {
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["localhost".into()]).unwrap();
        TlsMaterial {
            certificate_pem: cert.pem(),
            key_pem: signing_key.serialize_pem().into(),
            client_ca_pem: cert.pem(),
            region_ca_pem: cert.pem(),
        }
    }

    async fn ask(address: SocketAddr, ca: &str) -> std::io::Result<String> {
        let connector = TlsConnector::from(tls::client_config(ca).unwrap());
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = connector.connect(name, stream).await?;
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            .await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    #[tokio::test]
    async fn silent_connections_do_not_close_the_api() {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let material = material();
        let (_sender, receiver) = watch::channel(material.clone());
        let config = tls::server_config(&material).unwrap();
        let router = Router::new().route("/", get(async || "here"));
        let stop = CancellationToken::new();
        let served = tokio::spawn(run(socket, router, config, receiver, stop.clone()));
        let good = |answer: &str| answer.starts_with("HTTP/1.1 200") && answer.ends_with("here");
        let before = ask(address, &material.region_ca_pem).await.unwrap();
        assert!(good(&before), "the control: {before}");
        let mut silent = Vec::new();
        for _ in 0..CONNECTIONS + 10 {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        let asked = ask(address, &material.region_ca_pem);
        let answer = tokio::time::timeout(PATIENCE / 3, asked).await;
        let answer = answer
            .expect("no answer beside silent connections")
            .unwrap();
        assert!(good(&answer), "{answer}");
        drop(silent);
        stop.cancel();
        served.await.unwrap();
    }
}
