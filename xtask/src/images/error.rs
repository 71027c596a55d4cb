//! What can go wrong while building images.

use std::path::PathBuf;

/// A failure to build an image, with its remedy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory could not be read or written.
    #[error("failed to {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A recipe is not valid.
    #[error("failed to read the recipe {}: {reason}", path.display())]
    Recipe {
        /// The recipe file.
        path: PathBuf,
        /// The parser's words, with line and column.
        reason: String,
    },
    /// A program could not be started.
    #[error("failed to start {program}; install it: {remedy}")]
    Spawn {
        /// The program.
        program: String,
        /// The command that provides it.
        remedy: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A program ended with a failure.
    #[error("failed to run {program} ({status}): {output}")]
    Program {
        /// The program and its arguments.
        program: String,
        /// Its exit status.
        status: std::process::ExitStatus,
        /// The end of its standard error.
        output: String,
    },
    /// A root file system can only be unpacked by root.
    #[error("failed to build images as an ordinary user: run the same command as root (sudo -E)")]
    NotRoot,
    /// What builds images is missing.
    #[error("failed to find the programs that build images")]
    Packages(#[source] Box<melouvert_cluster::Error>),
    /// The machine's apt configuration names no Debian archive.
    #[error(
        "failed to find a {label} archive in this machine's apt configuration: run `apt-get \
         update`, or set {variable} to the URL of a mirror"
    )]
    NoMirror {
        /// The archive's label.
        label: &'static str,
        /// The variable that names one instead.
        variable: &'static str,
    },
    /// No directory for the cache.
    #[error("failed to find a cache directory: set MELOUVERT_CACHE or HOME")]
    NoCacheDirectory,
    /// A compiled program that goes into an image is not there.
    #[error("failed to find the program {}: run `cargo build` for it first", .0.display())]
    MissingBinary(PathBuf),
    /// JSON of ours could not be read back.
    #[error("failed to read the cache entry {}; remove it and try again", path.display())]
    CacheEntry {
        /// The entry.
        path: PathBuf,
        /// Why it failed.
        source: serde_json::Error,
    },
    /// A builder's thread ended without a result.
    #[error("failed to build {0}: its builder panicked")]
    Panicked(&'static str),
}

/// Adds the action and the path to an I/O error.
pub(super) fn io(
    action: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.into();
    move |source| Error::Io {
        action,
        path,
        source,
    }
}
