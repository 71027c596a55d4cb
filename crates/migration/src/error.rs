//! What can go wrong, in words a support team can act on.

use std::path::PathBuf;

use thiserror::Error;

use crate::imap::ImapError;
use crate::source::file::ArchiveError;

/// What ended the work with a source or a target.
#[derive(Debug, Error)]
pub enum EndpointError {
    /// An IMAP server.
    #[error(transparent)]
    Imap(#[from] ImapError),
    /// Files that are read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Files of a kind that this program does not copy.
    #[error("failed to use {url}: this kind is not supported yet; use another one")]
    Unsupported {
        /// The URL.
        url: String,
    },
    /// A target was found again on another connection before what it took was on its disk.
    #[error("the connection broke before what was sent over it was on the server's disk")]
    Interrupted,
    /// A file.
    #[error("failed to use {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl EndpointError {
    /// True when the credentials were refused: trying again will not help.
    pub fn is_login(&self) -> bool {
        matches!(self, Self::Imap(error) if error.is_login())
    }

    /// True when a server kept sending, but too slowly.
    pub fn is_slow(&self) -> bool {
        matches!(self, Self::Imap(error) if error.is_slow())
    }

    /// True when a server asked for more patience than there is.
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Imap(error) if error.is_busy())
    }

    /// True when the mailbox shows no folder at all.
    pub fn is_bare(&self) -> bool {
        matches!(self, Self::Imap(error) if error.is_bare())
    }

    /// True when TLS fails for what the server speaks.
    pub fn is_tls_version(&self) -> bool {
        matches!(self, Self::Imap(error) if error.is_tls_version())
    }

    /// True when files are meant: no server can be at fault.
    pub fn is_files(&self) -> bool {
        !matches!(self, Self::Imap(_) | Self::Interrupted)
    }
}

/// A failure that ends one account's run, or the whole run before it began.
#[derive(Debug, Error)]
pub enum MigrationError {
    /// The source could not be reached, or refused the login, or went away for good.
    #[error("failed to read the source of {account}")]
    Source {
        /// Source user.
        account: String,
        /// Why.
        #[source]
        source: EndpointError,
    },
    /// The target could not be reached, or refused the login, or went away for good.
    #[error("failed to write the target of {account}")]
    Target {
        /// Target user.
        account: String,
        /// Why.
        #[source]
        source: EndpointError,
    },
    /// The target may have forgotten what it acknowledged: nothing of that is journalled, and the
    /// journal tells where to go on.
    #[error("failed to have the target of {account} put on disk what it acknowledged")]
    Unsettled {
        /// Target user.
        account: String,
        /// Why.
        #[source]
        source: EndpointError,
    },
    /// The journal could not be read or written.
    #[error("failed to keep the journal {}", path.display())]
    Journal {
        /// The journal's file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The journal was written by a newer program.
    #[error("failed to read the journal {}: its format {found} is unknown here; use the newer program that wrote it", path.display())]
    JournalFormat {
        /// The journal's file.
        path: PathBuf,
        /// The format's number.
        found: u16,
    },
    /// Another worker copies this account.
    #[error("failed to lock {}: another worker is copying this account; wait for it or stop it", path.display())]
    Locked {
        /// The lock's file.
        path: PathBuf,
    },
    /// Large messages could not be kept on disk.
    #[error("failed to keep a large message in {}", path.display())]
    Spill {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The run was stopped on request; what was acknowledged is journalled.
    #[error("stopped on request; run it again to go on")]
    Stopped,
    /// A worker task ended without an answer.
    #[error("failed to finish: an internal task ended early ({0})")]
    Task(String),
}

impl MigrationError {
    /// A stable identifier for reports.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Source { source, .. } if source.is_login() => "source_login_refused",
            Self::Target { source, .. } if source.is_login() => "target_login_refused",
            Self::Source { source, .. } if source.is_files() => "source_unreadable",
            Self::Target { source, .. } if source.is_files() => "target_unwritable",
            Self::Source { source, .. } if source.is_slow() => "source_too_slow",
            Self::Target { source, .. } if source.is_slow() => "target_too_slow",
            Self::Source { source, .. } if source.is_busy() => "source_busy",
            Self::Target { source, .. } if source.is_busy() => "target_busy",
            Self::Source { source, .. } if source.is_bare() => "source_without_folders",
            Self::Source { source, .. } if source.is_tls_version() => "source_tls_unknown",
            Self::Target { source, .. } if source.is_tls_version() => "target_tls_unknown",
            Self::Source { .. } => "source_unreachable",
            Self::Target { .. } | Self::Unsettled { .. } => "target_unreachable",
            Self::Journal { .. } | Self::JournalFormat { .. } => "journal_unusable",
            Self::Locked { .. } => "account_locked",
            Self::Spill { .. } => "spill_failed",
            Self::Stopped => "stopped",
            Self::Task(_) => "internal",
        }
    }

    /// The error with every cause, on one line.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}
