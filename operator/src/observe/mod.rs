//! Asking a tenant's servers themselves: a greeting over TLS with the expected certificate, and a
//! delivery accepted through the region's relay.

pub mod imap;
pub mod recipients;
pub mod room;
pub mod smtp;
mod tls;

use std::time::Duration;

/// How long one conversation may take in all.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// The longest line that a server may send.
const LINE_LIMIT: usize = 4096;

/// Why a server was not seen to work.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// No connection.
    #[error("failed to connect to {address}")]
    Connect {
        /// Host and port.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No TLS, or a certificate outside the region's hierarchy.
    #[error("failed to open TLS with {address}")]
    Tls {
        /// Host and port.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The region's root is unusable.
    #[error("failed to trust the region's root")]
    Root(#[source] rustls::Error),
    /// Not the certificate that was issued last: the pod still serves an older one.
    #[error(
        "failed to recognize the certificate of {address}: expected fingerprint {expected}, found {found}"
    )]
    OtherCertificate {
        /// Host and port.
        address: String,
        /// SHA-256 of the issued leaf.
        expected: String,
        /// SHA-256 of what was served.
        found: String,
    },
    /// The connection broke.
    #[error("failed to talk with {address}")]
    Talk {
        /// Host and port.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It answered something else.
    #[error("failed to get {expected} from {address}: it said {found:?}")]
    Answer {
        /// Host and port.
        address: String,
        /// What was hoped for.
        expected: &'static str,
        /// What came.
        found: String,
    },
    /// It took too long.
    #[error("failed to hear from {address} within {} s", PATIENCE.as_secs())]
    Late {
        /// Host and port.
        address: String,
    },
}

/// Reads one line, bounded, without its end.
pub(crate) async fn line(
    stream: &mut (impl tokio::io::AsyncBufRead + Unpin),
) -> std::io::Result<String> {
    use tokio::io::{AsyncBufReadExt, AsyncReadExt};
    let mut bytes = Vec::new();
    let limit = u64::try_from(LINE_LIMIT).unwrap_or(u64::MAX);
    stream.take(limit).read_until(b'\n', &mut bytes).await?;
    if bytes.is_empty() {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}
