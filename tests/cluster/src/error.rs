//! Everything that can go wrong, in words for a developer.

use std::path::{Path, PathBuf};

/// Why a cluster could not be built, started, used or removed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or a device could not be used.
    #[error("failed to {what} {}", path.display())]
    File {
        /// The verb.
        what: &'static str,
        /// The path it was about.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A system call failed.
    #[error("failed to {what}")]
    System {
        /// The action.
        what: String,
        /// The cause.
        source: std::io::Error,
    },
    /// A file of this crate does not hold what it should.
    #[error("failed to read {} as JSON", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: serde_json::Error,
    },
    /// A certificate could not be made.
    #[error("failed to make the certificate of {subject}")]
    Certificate {
        /// Common name.
        subject: String,
        /// The cause.
        source: rcgen::Error,
    },
    /// Cluster names are used in paths, cgroups and network names.
    #[error(
        "cluster name {0:?} is not valid: use 1 to 24 of a-z, 0-9 and '-', starting with a letter"
    )]
    Name(String),
    /// Namespaces, mounts and cgroups need root.
    #[error("a cluster needs root (namespaces, mounts, cgroups): run the same command with sudo")]
    NotRoot,
    /// A Debian package is missing and could not be installed.
    #[error("Debian packages are missing: {missing}; install them with: {command}")]
    Packages {
        /// Names, separated by blanks.
        missing: String,
        /// What to type.
        command: String,
        /// Why they could not be installed here.
        source: Box<Error>,
    },
    /// Go is missing or too old.
    #[error(
        "Go 1.26 or later is needed (or Go 1.21 or later, which fetches it as a module): {found}; {remedy}"
    )]
    Go {
        /// What was found instead.
        found: String,
        /// What to do.
        remedy: String,
        /// What apt said, when it was asked.
        source: Option<Box<Error>>,
    },
    /// No usable cgroup hierarchy.
    #[error("failed to prepare cgroups: {0}")]
    Cgroups(String),
    /// A program ended with an error.
    #[error("failed to run `{command}` ({status}){output}")]
    Command {
        /// The command line.
        command: String,
        /// How it ended.
        status: String,
        /// The end of what it wrote, on lines of its own.
        output: String,
    },
    /// The node reported that it cannot start.
    #[error("failed to start cluster {name}: {message}")]
    Start {
        /// Cluster.
        name: String,
        /// What the node said, with the tail of the failing component's log.
        message: String,
    },
    /// There is no such cluster, or it has died.
    #[error("cluster {0} is not running: start it with `cargo xtask cluster up --name {0}`")]
    NotRunning(String),
    /// Something that should happen soon did not.
    #[error("gave up after {seconds} s waiting for {what}")]
    Deadline {
        /// What was awaited.
        what: String,
        /// For how long.
        seconds: u64,
    },
    /// A forward's target must be an address inside the cluster.
    #[error("forward target {0:?} is not ADDRESS:PORT, for example 10.96.12.7:993")]
    Target(String),
}

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Adds the path to an I/O error.
pub trait At<T> {
    /// Names the action and the path.
    fn at(self, what: &'static str, path: impl AsRef<Path>) -> Result<T>;
    /// Names the action alone.
    fn when(self, what: impl Into<String>) -> Result<T>;
}

impl<T, E: Into<std::io::Error>> At<T> for std::result::Result<T, E> {
    fn at(self, what: &'static str, path: impl AsRef<Path>) -> Result<T> {
        self.map_err(|source| Error::File {
            what,
            path: path.as_ref().to_owned(),
            source: source.into(),
        })
    }

    fn when(self, what: impl Into<String>) -> Result<T> {
        self.map_err(|source| Error::System {
            what: what.into(),
            source: source.into(),
        })
    }
}
