//! A TLS client that trusts the region's root and nothing else.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::ObserveError;

/// Opens TLS as a client of `host`, verified against `root_pem`.
pub(super) async fn open(
    stream: TcpStream,
    host: &str,
    address: &str,
    root_pem: &str,
) -> Result<TlsStream<TcpStream>, ObserveError> {
    let failed = |source| ObserveError::Tls {
        address: address.into(),
        source,
    };
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error| failed(std::io::Error::new(std::io::ErrorKind::InvalidInput, error)))?;
    let config = ClientConfig::builder()
        .with_root_certificates(roots(root_pem)?)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(failed)
}

/// SHA-256 of the served leaf, in hexadecimal.
pub(super) fn fingerprint(stream: &TlsStream<TcpStream>) -> String {
    let leaf = stream
        .get_ref()
        .1
        .peer_certificates()
        .and_then(<[_]>::first);
    leaf.map(|leaf| hex::encode(Sha256::digest(leaf)))
        .unwrap_or_default()
}

fn roots(root_pem: &str) -> Result<RootCertStore, ObserveError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(root_pem.as_bytes()) {
        let certificate = certificate
            .map_err(|error| ObserveError::Root(rustls::Error::General(error.to_string())))?;
        roots.add(certificate).map_err(ObserveError::Root)?;
    }
    Ok(roots)
}
