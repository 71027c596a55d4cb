//! Opens TCP and TLS connections.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{ImapError, LeastPace, Wire};
use crate::limits::{Limits, Metered, Pass};

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
    /// What a server must send on average, whatever it sends.
    pub pace: LeastPace,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            response: Duration::from_mins(2),
            min_rate: 4096,
            pace: LeastPace::default(),
        }
    }
}

impl Timeouts {
    /// Deadlines that allow for what limits hold back from `jobs` accounts at once.
    #[must_use]
    pub fn patient(mut self, limits: &Limits, jobs: usize) -> Self {
        if let Some(rate) = limits.bytes_per_second {
            let share = rate / (4 * jobs.max(1) as u64);
            self.min_rate = self.min_rate.min(share).max(1);
            let pace = &mut self.pace.bytes_per_second;
            *pace = (*pace).min(share);
        }
        self
    }

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
    /// `imap+starttls://`: TLS before anything is told, or nothing at all.
    StartTls(Arc<rustls::ClientConfig>),
}

impl std::fmt::Debug for Security {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Cleartext => "Cleartext",
            Self::Tls(_) => "Tls",
            Self::StartTls(_) => "StartTls",
        })
    }
}

impl Security {
    /// TLS that trusts the public authorities and, if given, those of a PEM file.
    pub fn tls(ca_file: Option<&Path>) -> Result<Self, ImapError> {
        Ok(Self::Tls(Arc::new(super::trust::config(ca_file)?)))
    }

    /// The same trust, reached through STARTTLS.
    #[must_use]
    pub fn upgraded(&self) -> Self {
        match self {
            Self::Tls(config) => Self::StartTls(Arc::clone(config)),
            other => other.clone(),
        }
    }
}

/// Opens a connection; the greeting is not read yet, and STARTTLS is still to come.
pub async fn connect(
    host: &str,
    port: u16,
    security: &Security,
    timeouts: Timeouts,
    pass: Pass,
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
    let tcp: Box<dyn Stream> = Box::new(Metered::new(tcp, pass));
    let stream = match security {
        Security::Cleartext | Security::StartTls(_) => tcp,
        Security::Tls(config) => secure(tcp, config, &address, timeouts).await?,
    };
    Ok(Wire::new(stream, address, timeouts))
}

/// Opens TLS on a stream; `address` is `host:port`.
pub(super) async fn secure(
    stream: Box<dyn Stream>,
    config: &Arc<rustls::ClientConfig>,
    address: &str,
    timeouts: Timeouts,
) -> Result<Box<dyn Stream>, ImapError> {
    let refused = |source| ImapError::of_tls(address, source);
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error| refused(std::io::Error::other(error)))?;
    let session = TlsConnector::from(Arc::clone(config)).connect(name, stream);
    let tls = timeout(timeouts.connect, session)
        .await
        .map_err(|_| ImapError::Timeout {
            address: address.to_owned(),
            limit: timeouts.connect,
        })?
        .map_err(refused)?;
    Ok(Box::new(tls))
}
