//! Sources that are files: each kind walks its items in order, one adaptor makes a [`Source`] of
//! them.
//!
//! A file has no UIDs. The adaptor numbers items by the BLAKE3 of their bytes, so that a second
//! import of the same messages, from a file that was moved, reordered or grew, writes only what
//! is new.
//!
//! [`Source`]: super::Source

mod adaptor;
mod crlf;
mod deliver;
pub mod eml;
pub(crate) mod headers;
mod inflate;
mod look;
pub mod maildir;
pub mod mbox;
mod numbers;
mod survey;
pub mod zipped;

use std::io::Read;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

pub use adaptor::FileSource;

use crate::account::{FileKind, FileOrigin};
use crate::model::{FlagSet, FolderPath, InternalDate};

/// 16 bytes that change whenever what they stand for may have changed.
pub type Stamp = [u8; 16];

/// A kind of files, read without any thread or task of its own.
///
/// Nothing here may write beside the files, or depend on where they are.
pub trait Archive: Send {
    /// Walks every item in order with bounded memory; `visit` may stop the walk. An item that
    /// cannot be read is still visited, with `body: Err(words)`. Only an unusable archive is an
    /// error.
    fn walk(
        &mut self,
        visit: &mut dyn FnMut(Found<'_>) -> ControlFlow<()>,
    ) -> Result<(), ArchiveError>;

    /// Folders that exist even when no item is in them, with whether the user subscribed to each.
    /// Those that only items name are added by the adaptor, as subscribed.
    fn folders(&mut self) -> Result<Vec<(FolderPath, bool)>, ArchiveError> {
        Ok(Vec::new())
    }

    /// A stamp of the whole archive, from the names, sizes and times of its files: when it is the
    /// one of an earlier survey, nothing is walked. `None` when that cannot be told.
    fn stamp(&mut self) -> Result<Option<Stamp>, ArchiveError> {
        Ok(None)
    }
}

/// One item of a walk.
pub struct Found<'a> {
    /// The folder it is in.
    pub folder: FolderPath,
    /// Its flags and keywords.
    pub flags: FlagSet,
    /// When it arrived.
    pub date: Option<InternalDate>,
    /// Where in the file it is, for exceptions: a path, a byte offset, an entry's name.
    pub locator: String,
    /// A stamp of its bytes when they need not be read to know that they are those of an earlier
    /// survey, as with one file per message.
    pub stamp: Option<Stamp>,
    /// Its bytes, or why they cannot be read. The error `NotFound` says that the item is gone since
    /// it was listed: it is passed over. A line end that is a bare LF becomes CRLF on the
    /// way to the engine; nothing else is altered.
    pub body: Result<&'a mut dyn Read, String>,
}

impl<'a> Found<'a> {
    /// An item without flags, date and stamp.
    pub fn new(
        folder: FolderPath,
        locator: impl Into<String>,
        body: Result<&'a mut dyn Read, String>,
    ) -> Self {
        Self {
            folder,
            flags: FlagSet::default(),
            date: None,
            locator: locator.into(),
            stamp: None,
            body,
        }
    }
}

/// Why an archive cannot be used at all.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// A file cannot be read.
    #[error("failed to read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not what its URL says, or is damaged beyond use.
    #[error("failed to read {}: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong, and the remedy.
        reason: String,
    },
}

impl ArchiveError {
    /// For `map_err` on what is done with a file.
    pub fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    /// A file that cannot be used, and why.
    pub fn unusable(path: &Path, reason: impl Into<String>) -> Self {
        Self::Unusable {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }
}

/// The archive that an origin names; it is not opened yet.
pub(crate) fn archive(origin: &FileOrigin) -> Option<Box<dyn Archive>> {
    let path = &origin.path;
    Some(match origin.kind {
        FileKind::Maildir => Box::new(maildir::Maildir::new(path)),
        FileKind::Mbox(dialect) => Box::new(mbox::Mbox::new(path, dialect)),
        FileKind::Takeout => Box::new(mbox::Mbox::takeout(path)),
        FileKind::Eml if zipped::is_zip(path) => Box::new(zipped::Zipped::new(path)),
        FileKind::Eml => Box::new(eml::Eml::new(path)),
        FileKind::Pst | FileKind::Ical | FileKind::Vcard => return None,
    })
}

/// A stamp from what was hashed.
fn short(hasher: &blake3::Hasher) -> Stamp {
    let mut stamp = Stamp::default();
    stamp.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    stamp
}

/// The stamp of an archive that is one file: from its size and time.
pub(super) fn stamp_of_file(path: &Path) -> Result<Stamp, ArchiveError> {
    let metadata = std::fs::metadata(path).map_err(ArchiveError::io(path))?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(&metadata.len().to_le_bytes());
    hasher.update(&metadata.mtime().to_le_bytes());
    hasher.update(&metadata.mtime_nsec().to_le_bytes());
    Ok(short(&hasher))
}

/// A path whose only level is the inbox in any case of letters is the inbox.
fn inbox(mut path: FolderPath) -> FolderPath {
    if let [only] = &mut path.0[..]
        && only.eq_ignore_ascii_case("INBOX")
    {
        "INBOX".clone_into(only);
    }
    path
}
