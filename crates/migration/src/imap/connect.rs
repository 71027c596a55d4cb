//! Opens TCP and TLS connections.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{ImapError, Wire};

/// Anything bytes flow through both ways.
pub trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// How long a server may keep a worker waiting.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// TCP, TLS and greeting.
    pub connect: Duration,
    /// One response line, and the base of a literal's time.
    pub response: Duration,
    /// A literal gets its size divided by this rate (bytes per second) on top.
    pub min_rate: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            response: Duration::from_mins(2),
            min_rate: 4096,
        }
    }
}

impl Timeouts {
    /// Time allowed for a transfer of `bytes`.
    pub fn transfer(&self, bytes: u64) -> Duration {
        self.response + Duration::from_secs(bytes / self.min_rate.max(1))
    }
}

/// Cleartext or TLS.
#[derive(Clone)]
pub enum Security {
    /// `imap://`: no encryption, only when the person allowed it.
    Cleartext,
    /// `imaps://`: TLS from the first byte.
    Tls(Arc<rustls::ClientConfig>),
}

impl std::fmt::Debug for Security {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Cleartext => "Cleartext",
            Self::Tls(_) => "Tls",
        })
    }
}

impl Security {
    /// TLS that trusts the public authorities and, if given, those of a PEM file.
    pub fn tls(ca_file: Option<&Path>) -> Result<Self, ImapError> {
        let mut roots = rustls::RootCertStore::empty();
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        if let Some(path) = ca_file {
            add_pem(&mut roots, path)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| ImapError::CaFile(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self::Tls(Arc::new(config)))
    }
}

fn add_pem(roots: &mut rustls::RootCertStore, path: &Path) -> Result<(), ImapError> {
    let explain = |reason: String| ImapError::CaFile(format!("{}: {reason}", path.display()));
    let mut found = 0;
    for certificate in
        CertificateDer::pem_file_iter(path).map_err(|error| explain(error.to_string()))?
    {
        let certificate = certificate.map_err(|error| explain(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| explain(error.to_string()))?;
        found += 1;
    }
    if found == 0 {
        return Err(explain("it holds no PEM certificate".to_owned()));
    }
    Ok(())
}

/// Opens a connection; the greeting is not read yet.
pub async fn connect(
    host: &str,
    port: u16,
    security: &Security,
    timeouts: Timeouts,
) -> Result<Wire, ImapError> {
    let address = format!("{host}:{port}");
    let elapsed = || ImapError::Timeout {
        address: address.clone(),
        limit: timeouts.connect,
    };
    let tcp = timeout(timeouts.connect, TcpStream::connect((host, port)))
        .await
        .map_err(|_| elapsed())?
        .map_err(|source| ImapError::Connect {
            address: address.clone(),
            source,
        })?;
    tcp.set_nodelay(true).map_err(|source| ImapError::Connect {
        address: address.clone(),
        source,
    })?;
    let stream: Box<dyn Stream> = match security {
        Security::Cleartext => Box::new(tcp),
        Security::Tls(config) => {
            let refused = |source| ImapError::Tls {
                address: address.clone(),
                source,
            };
            let name = ServerName::try_from(host.to_owned())
                .map_err(|error| refused(std::io::Error::other(error)))?;
            let session = TlsConnector::from(Arc::clone(config)).connect(name, tcp);
            let tls = timeout(timeouts.connect, session)
                .await
                .map_err(|_| elapsed())?
                .map_err(refused)?;
            Box::new(tls)
        }
    };
    Ok(Wire::new(stream, address, timeouts))
}
