//! Who is copied from where to where.

mod files;
mod list;
mod place;
pub mod sheet;

use secrecy::{ExposeSecret, SecretString};

use crate::imap::{Compressing, Login, Security};

pub use files::{FileDestination, FileKind, FileOrigin, FileTargetKind, Files, MboxDialect};
pub use list::{AccountsError, COLUMNS, EndpointOptions, parse_accounts, read_accounts};

/// One server and one login on it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The URL without credentials.
    pub url: String,
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Cleartext or TLS.
    pub security: Security,
    /// Login name.
    pub user: String,
    /// Password, or token.
    pub password: SecretString,
    /// How to log in.
    pub login: Login,
    /// When to compress.
    pub compress: Compressing,
}

impl Endpoint {
    /// Reads a URL as an accounts file has it, with the user and password that go with it.
    ///
    /// # Errors
    ///
    /// What is wrong, with the column it would stand in.
    pub fn parse(
        cells: [&str; 3],
        options: &EndpointOptions,
        tls: &Security,
    ) -> Result<Self, String> {
        let reader = place::Reader {
            cells,
            first: 0,
            options,
            tls,
        };
        reader
            .endpoint()
            .map_err(|(column, reason)| format!("{column}: {reason}"))
    }

    /// True when two endpoints name the same login on the same server.
    pub fn same_place(&self, other: &Self) -> bool {
        self.host == other.host && self.port == other.port && self.user == other.user
    }

    /// Length of the password, for tests that it survived quoting.
    #[doc(hidden)]
    pub fn password_length(&self) -> usize {
        self.password.expose_secret().len()
    }
}

/// One side of a copy.
#[derive(Clone, Debug)]
pub enum Side<K> {
    /// An IMAP server.
    Imap(Endpoint),
    /// Files on this machine.
    Files(Files<K>),
}

/// Where messages come from.
pub type Origin = Side<FileKind>;
/// Where messages go.
pub type Destination = Side<FileTargetKind>;

impl<K> Side<K> {
    /// The URL without credentials.
    pub fn url(&self) -> &str {
        match self {
            Self::Imap(endpoint) => &endpoint.url,
            Self::Files(files) => files.url(),
        }
    }

    /// The login name; the path of files.
    pub fn user(&self) -> &str {
        match self {
            Self::Imap(endpoint) => &endpoint.user,
            Self::Files(files) => files.name(),
        }
    }
}

/// One mailbox to copy.
#[derive(Clone, Debug)]
pub struct Account {
    /// Where from.
    pub source: Origin,
    /// Where to.
    pub target: Destination,
}

impl Account {
    /// A directory name for this account: readable, unique, without path separators.
    pub fn key(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for part in [
            self.source.url(),
            self.source.user(),
            self.target.url(),
            self.target.user(),
        ] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        let readable: String = self
            .source
            .user()
            .chars()
            .take(40)
            .map(|c| {
                if c.is_ascii_alphanumeric() || "-_@".contains(c) {
                    c
                } else {
                    '_'
                }
            })
            .collect();
        format!("{readable}-{}", &hasher.finalize().to_hex()[..16])
    }
}
