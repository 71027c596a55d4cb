//! A Maildir's folders and the files in each.

use std::collections::HashSet;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::super::{ArchiveError, Stamp, inbox, short};
use super::names;
use crate::model::FolderPath;

/// Levels of folders followed: more is a loop.
const DEPTH: usize = 40;

/// One folder of a Maildir.
pub(super) struct Directory {
    pub(super) folder: FolderPath,
    pub(super) path: PathBuf,
}

/// One message's file.
pub(super) struct Mail {
    /// `cur` or `new`.
    pub(super) part: &'static str,
    pub(super) name: OsString,
    size: u64,
    /// Seconds since 1970.
    pub(super) modified: i64,
    nanoseconds: i64,
}

impl Mail {
    /// Stays when the message's flags change.
    pub(super) fn stamp(&self, folder: &FolderPath) -> Stamp {
        let name = self.name.to_string_lossy();
        let mut hasher = blake3::Hasher::new();
        for level in &folder.0 {
            hasher.update(level.as_bytes());
            hasher.update(b"\0");
        }
        hasher.update(names::split(&name).0.as_bytes());
        hasher.update(&self.size.to_le_bytes());
        hasher.update(&self.modified.to_le_bytes());
        hasher.update(&self.nanoseconds.to_le_bytes());
        short(&hasher)
    }
}

/// Lists the folders below `root`, itself first when it holds messages.
pub(super) fn directories(root: &Path) -> Result<Vec<Directory>, ArchiveError> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    let top = FolderPath(Vec::new());
    descend(root, &top, 0, &mut seen, &mut found)?;
    if found.is_empty() {
        let reason = "no Maildir is there: neither it nor a folder in it has \"cur\" and \"new\"; \
                      name the folder that has them";
        return Err(ArchiveError::unusable(root, reason));
    }
    Ok(found)
}

fn descend(
    path: &Path,
    folder: &FolderPath,
    depth: usize,
    seen: &mut HashSet<(u64, u64)>,
    found: &mut Vec<Directory>,
) -> Result<(), ArchiveError> {
    let metadata = std::fs::metadata(path).map_err(ArchiveError::io(path))?;
    if depth > DEPTH || !seen.insert((metadata.dev(), metadata.ino())) {
        return Ok(());
    }
    let holds = path.join("cur").is_dir() || path.join("new").is_dir();
    if holds {
        let folder = if folder.0.is_empty() {
            FolderPath(vec!["INBOX".to_owned()])
        } else {
            folder.clone()
        };
        found.push(Directory {
            folder: inbox(folder),
            path: path.to_owned(),
        });
    }
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        // Its messages are told as unreadable when they are listed.
        Err(_) if holds => return Ok(()),
        Err(error) => return Err(ArchiveError::io(path)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(ArchiveError::io(path))?;
        names.push(entry.file_name());
    }
    names.sort();
    for name in names {
        let text = name.to_string_lossy();
        let below = path.join(&name);
        let mail = holds && ["cur", "new", "tmp"].contains(&&*text);
        if mail || !below.is_dir() {
            continue;
        }
        let inner = match text.strip_prefix('.') {
            // A folder's own names begin with a dot as well.
            Some(_) if !below.join("cur").is_dir() && !below.join("new").is_dir() => continue,
            Some(dotted) => names::dotted(folder, dotted),
            None => {
                let mut levels = folder.0.clone();
                levels.push(names::level(&text));
                FolderPath(levels)
            }
        };
        descend(&below, &inner, depth + 1, seen, found)?;
    }
    Ok(())
}

impl Directory {
    /// The messages, as they arrived.
    pub(super) fn mails(&self) -> std::io::Result<Vec<Mail>> {
        let mut mails = Vec::new();
        for part in ["cur", "new"] {
            let directory = self.path.join(part);
            let entries = match std::fs::read_dir(&directory) {
                Ok(entries) => entries,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            for entry in entries {
                let entry = entry?;
                let name = entry.file_name();
                if name.as_encoded_bytes().starts_with(b".") {
                    continue;
                }
                let metadata = match std::fs::metadata(entry.path()) {
                    Ok(metadata) => metadata,
                    // Renamed or deleted meanwhile; a dangling link.
                    Err(_) => match entry.metadata() {
                        Ok(metadata) => metadata,
                        Err(_) => continue,
                    },
                };
                if metadata.is_dir() {
                    continue;
                }
                mails.push(Mail {
                    part,
                    name,
                    size: metadata.len(),
                    modified: metadata.mtime(),
                    nanoseconds: metadata.mtime_nsec(),
                });
            }
        }
        mails.sort_by_cached_key(|mail| {
            let name = mail.name.to_string_lossy().into_owned();
            (names::arrival(&name), name)
        });
        Ok(mails)
    }
}

/// The file of a message whose flags changed since the folder was listed.
pub(super) fn renamed(directory: &Path, base: &str) -> std::io::Result<Option<PathBuf>> {
    for part in ["cur", "new"] {
        let Ok(entries) = std::fs::read_dir(directory.join(part)) else {
            continue;
        };
        for entry in entries {
            let entry = entry?;
            if names::split(&entry.file_name().to_string_lossy()).0 == base {
                return Ok(Some(entry.path()));
            }
        }
    }
    Ok(None)
}
