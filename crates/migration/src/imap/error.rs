//! Failures of a conversation with an IMAP server.

use std::time::Duration;

use thiserror::Error;

use crate::patience::Temporary;

/// A failure of a conversation with an IMAP server.
#[derive(Debug, Error)]
pub enum ImapError {
    /// No TCP connection.
    #[error("failed to connect to {address}")]
    Connect {
        /// `host:port`.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No TLS session: usually an untrusted certificate.
    #[error(
        "failed to open TLS with {address}; if its certificate comes from a private authority, \
         give that authority with --ca-file"
    )]
    Tls {
        /// `host:port`.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It speaks no TLS that is spoken here.
    #[error(
        "failed to open TLS with {address}: TLS 1.2 or TLS 1.3 is needed, and {said}; let its \
         administrator allow one of them, or put a TLS proxy in front of it"
    )]
    TlsVersion {
        /// `host:port`.
        address: String,
        /// What it did.
        said: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It speaks no TLS on this port.
    #[error(
        "failed to open TLS with {address}: what it says is no TLS; use its TLS port, usually 993, \
         or imap+starttls:// with this one"
    )]
    NotTls {
        /// `host:port`.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No way to TLS: nothing is told in clear.
    #[error(
        "failed to open TLS with {address} through STARTTLS: {said}; nothing was sent in clear; \
         use imaps:// if it has a TLS port"
    )]
    NoStartTls {
        /// `host:port`.
        address: String,
        /// What it said instead.
        said: String,
    },
    /// The certificate bundle cannot be used.
    #[error("failed to use the CA file: {0}")]
    CaFile(String),
    /// The connection broke.
    #[error("failed to keep the connection with {address}")]
    Io {
        /// `host:port`.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The server closed the connection.
    #[error("failed to go on: {address} closed the connection{}", goodbye(said))]
    Closed {
        /// `host:port`.
        address: String,
        /// What its BYE said.
        said: String,
    },
    /// Nothing came, or too slowly.
    #[error("failed to get an answer from {address} within {} s", limit.as_secs())]
    Timeout {
        /// `host:port`.
        address: String,
        /// The time allowed.
        limit: Duration,
    },
    /// What came, came too slowly on average.
    #[error(
        "failed to go on with {address}: only {bytes} bytes passed in {} s of waiting, less than \
         {least} a second; look at its load and at the line, or allow less with --min-rate",
        waited.as_secs()
    )]
    TooSlow {
        /// `host:port`.
        address: String,
        /// What passed.
        bytes: u64,
        /// Time spent waiting for it.
        waited: Duration,
        /// Bytes a second that are expected.
        least: u64,
    },
    /// Bytes that are not IMAP.
    #[error("failed to understand {address}: {reason}")]
    Protocol {
        /// `host:port`.
        address: String,
        /// What was expected.
        reason: String,
    },
    /// Wrong user or password.
    #[error(
        "failed to log in as {user} at {address}: the server said \"{said}\"; check user and password"
    )]
    Login {
        /// `host:port`.
        address: String,
        /// The login name.
        user: String,
        /// The server's words.
        said: String,
    },
    /// A folder's name that no command can carry.
    #[error(
        "failed to use the folder name \"{name}\": it holds a line break or NUL; rename the folder"
    )]
    Name {
        /// The name, escaped.
        name: String,
    },
    /// A command was refused.
    #[error("failed to run {command}: {address} said \"{said}\"")]
    Refused {
        /// `host:port`.
        address: String,
        /// The command without its arguments' secrets.
        command: String,
        /// The server's words.
        said: String,
    },
    /// It asked for patience longer than there is.
    #[error(
        "failed to go on with {address}: it was waited for and still says \"{said}\"; run again later"
    )]
    Busy {
        /// `host:port`.
        address: String,
        /// The server's words.
        said: String,
    },
    /// A mailbox without a folder: every mailbox has an INBOX.
    #[error(
        "failed to find a folder: {address} lists none, and does not open INBOX ({said}); look at \
         the login's rights and, on Zimbra, for a share that is broken"
    )]
    NoFolder {
        /// `host:port`.
        address: String,
        /// What it said of INBOX.
        said: String,
    },
    /// A local file for a large message could not be used.
    #[error("failed to keep a large message on disk")]
    Spill(#[source] std::io::Error),
}

fn goodbye(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!(", saying \"{text}\"")
    }
}

impl ImapError {
    /// Why a TLS session could not be opened.
    pub(super) fn of_tls(address: &str, source: std::io::Error) -> Self {
        use rustls::{AlertDescription, Error};
        let address = address.to_owned();
        let inner = source
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<Error>());
        let said = match inner {
            Some(Error::InvalidMessage(_)) => return Self::NotTls { address, source },
            Some(Error::PeerIncompatible(_)) => "it speaks an older one",
            Some(Error::AlertReceived(AlertDescription::ProtocolVersion)) => "it refuses both",
            Some(Error::AlertReceived(
                AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity,
            )) => "it has no cipher in common with this program, as old servers do not",
            None if source.kind() == std::io::ErrorKind::UnexpectedEof
                || source.kind() == std::io::ErrorKind::ConnectionReset =>
            {
                "it hung up without a word, as servers do that speak only older ones"
            }
            _ => return Self::Tls { address, source },
        };
        Self::TlsVersion {
            address,
            said,
            source,
        }
    }

    /// True when TLS fails for what the server speaks, not for its certificate.
    pub fn is_tls_version(&self) -> bool {
        matches!(self, Self::TlsVersion { .. } | Self::NotTls { .. })
    }

    /// True when the credentials were refused: trying again will not help.
    pub fn is_login(&self) -> bool {
        matches!(self, Self::Login { .. })
    }

    /// True when the server kept sending, but too slowly: no message is at fault.
    pub fn is_slow(&self) -> bool {
        matches!(self, Self::TooSlow { .. })
    }

    /// True when the server asked for more patience than there is.
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Busy { .. })
    }

    /// Whether the server asked for patience.
    pub fn temporary(&self) -> Option<Temporary> {
        match self {
            Self::Refused { said, .. } | Self::Closed { said, .. } => Temporary::heard(said),
            _ => None,
        }
    }

    /// The error once patience is at its end.
    #[must_use]
    pub fn out_of_patience(self) -> Self {
        match self {
            Self::Refused { address, said, .. } | Self::Closed { address, said } => {
                Self::Busy { address, said }
            }
            other => other,
        }
    }

    /// True when the mailbox shows no folder at all.
    pub fn is_bare(&self) -> bool {
        matches!(self, Self::NoFolder { .. })
    }

    /// True when a new connection may help.
    pub fn is_transient(&self) -> bool {
        !matches!(
            self,
            Self::Login { .. }
                | Self::Name { .. }
                | Self::Busy { .. }
                | Self::CaFile(_)
                | Self::Spill(_)
                | Self::Tls { .. }
                | Self::TlsVersion { .. }
                | Self::NotTls { .. }
                | Self::NoStartTls { .. }
                | Self::NoFolder { .. }
        )
    }
}
