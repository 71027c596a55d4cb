//! What can go wrong with the databases, told apart by what the caller can do about it.

use sqlx::migrate::MigrateError;

use crate::journal::BrokenLink;

/// Why a store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nothing answered in time, or every connection is busy: try again later.
    #[error("failed to reach the database server at {host}:{port}")]
    Unreachable {
        /// The server's name.
        host: String,
        /// Its TCP port.
        port: u16,
        /// What was seen.
        #[source]
        source: sqlx::Error,
    },
    /// The connection was lost in the middle: nothing of the transaction was kept.
    #[error("failed to keep the connection to the database: the change was not made")]
    Lost(#[source] sqlx::Error),
    /// Others kept a lock for too long: the change was not made.
    #[error("failed to get a lock of the database in time: {holders}")]
    Locked {
        /// Who had a transaction open.
        holders: String,
        /// What was seen.
        #[source]
        source: sqlx::Error,
    },
    /// The server's certificate was refused: wrong authority, name or date.
    #[error(
        "failed to trust the database server at {host}:{port}: expected a certificate of the given authority for this name"
    )]
    Tls {
        /// The server's name.
        host: String,
        /// Its TCP port.
        port: u16,
        /// What was seen.
        #[source]
        source: sqlx::Error,
    },
    /// The server refused the user, its password or its right to connect.
    #[error("failed to log in to the database server at {host}:{port} as {user}")]
    Refused {
        /// The server's name.
        host: String,
        /// Its TCP port.
        port: u16,
        /// The role that was refused.
        user: String,
        /// What was seen.
        #[source]
        source: sqlx::Error,
    },
    /// Another row has this value already.
    #[error("{field} {value:?} is already taken")]
    Conflict {
        /// The field, as the wire names it.
        field: &'static str,
        /// The value asked for.
        value: String,
    },
    /// A value that the store does not accept.
    #[error("{field} is not acceptable: expected {expected}")]
    Invalid {
        /// The field, as the wire names it.
        field: &'static str,
        /// What is accepted.
        expected: &'static str,
    },
    /// No such thing.
    #[error("no {what} {name:?}")]
    NotFound {
        /// What was looked for: `tenant`, `agent` or `report`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// The tenant's plan has no room for this.
    #[error("the plan allows {limit} agents: {used} exist and {requested} more were asked for")]
    LimitReached {
        /// How many agents the plan allows.
        limit: u64,
        /// How many there are.
        used: u64,
        /// How many more were asked for.
        requested: u64,
    },
    /// A database that was made once is not there, or is empty: it is not made again by itself.
    #[error("database {database} was made before and is absent or empty: restore it from a backup")]
    Gone {
        /// Its name.
        database: String,
    },
    /// A journal was altered.
    #[error("the journal is broken")]
    BrokenJournal(#[from] BrokenLink),
    /// A schema migration failed.
    #[error("failed to bring the schema up to date")]
    Migrate(#[from] MigrateError),
    /// The database refused a statement.
    #[error("failed to run a database statement")]
    Query(#[source] sqlx::Error),
}

impl StoreError {
    /// Whether the same call may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::Lost(_) | Self::Locked { .. }
        )
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        // 55P03: `lock_timeout` passed.
        if sql_state(&error).as_deref() == Some("55P03") {
            Self::Locked {
                holders: "by whom is not known".into(),
                source: error,
            }
        } else if is_outage(&error) {
            Self::Lost(error)
        } else {
            Self::Query(error)
        }
    }
}

/// Whether the server is away rather than unwilling.
pub(crate) fn is_outage(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        // Class 57P: shut down or starting up; class 08: connection exceptions; 53300: too many
        // connections.
        sqlx::Error::Database(database) => database
            .code()
            .is_some_and(|c| c.starts_with("57P") || c.starts_with("08") || c == "53300"),
        _ => false,
    }
}

/// The SQLSTATE of a database error.
pub(crate) fn sql_state(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}
