//! Calendars and contacts: checked, counted, kept unaltered as files beside the mail.
//!
//! Owns: the check of iCalendar and vCard, the folder in which they are kept, their part of the
//! proof. They never go through a [`Target`]: until a target for them stands, they are files.
//!
//! Below the folder: `calendars/NAME.ics` and `contacts/NAME.vcf` are the source's own files,
//! `calendars/NAME/UID-HASH.ics` and `contacts/NAME/UID-HASH.vcf` one file per object.
//!
//! [`Target`]: crate::target::Target

mod check;
mod import;
mod lines;

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use check::{Bad, Object, Split, split};
pub use import::{Import, import};
pub use lines::Malformed;

use crate::model::{MessageHash, hash_of_hashes};
use crate::proof::CollectionProof;
use crate::raw;
use crate::target::disk;
use crate::target::export::names::write_level;

/// Characters of a UID that a file's name shows.
const SHOWN: usize = 60;

/// What a collection holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// iCalendar: events, tasks.
    Calendar,
    /// vCard.
    Contacts,
}

impl Kind {
    fn folder(self) -> &'static str {
        match self {
            Self::Calendar => "calendars",
            Self::Contacts => "contacts",
        }
    }

    /// The extension of its files.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Calendar => "ics",
            Self::Contacts => "vcf",
        }
    }
}

/// One collection on its way to disk.
pub struct Collection {
    kind: Kind,
    name: String,
    root: PathBuf,
    folder: PathBuf,
    /// File names and hashes of the objects seen.
    seen: BTreeSet<(String, MessageHash)>,
    written: u64,
    exceptions: u64,
}

impl Collection {
    /// Opens a collection below `root`, the folder of all collections. `levels` name it.
    pub fn open(root: &Path, kind: Kind, levels: &[String]) -> io::Result<Self> {
        let mut folder = root.join(kind.folder());
        for level in levels {
            folder.push(write_level(level));
        }
        disk::make_directories(&folder)?;
        Ok(Self {
            kind,
            name: levels.join("/"),
            root: root.to_owned(),
            folder,
            seen: BTreeSet::new(),
            written: 0,
            exceptions: 0,
        })
    }

    /// Keeps an object. The same object again changes nothing; another version of it is kept
    /// beside the first.
    pub fn add(&mut self, object: &Object) -> io::Result<()> {
        let bytes = raw::bytes(&object.text);
        let hash = MessageHash::of(&bytes);
        let uid = object.uid.as_deref().unwrap_or("sans-uid");
        let shown: String = uid
            .chars()
            .take(SHOWN)
            .map(|c| {
                if c.is_ascii_alphanumeric() || "-_@".contains(c) {
                    c
                } else {
                    '_'
                }
            })
            .collect();
        let short = &hash.to_string()[..16];
        let name = format!("{shown}-{short}.{}", self.kind.extension());
        let path = self.folder.join(&name);
        if !self.seen.insert((name, hash)) {
            return Ok(());
        }
        if self.put(&path, &bytes)? {
            self.written += 1;
        }
        Ok(())
    }

    /// Keeps the source's own file, unaltered, beside the folder of its objects.
    pub fn keep_original(&mut self, bytes: &[u8]) -> io::Result<()> {
        let extension = self.kind.extension();
        let stem = self
            .folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let hash = MessageHash::of(bytes).to_string();
        for name in [
            format!("{stem}.{extension}"),
            format!("{stem}-{}.{extension}", &hash[..16]),
        ] {
            let path = self.folder.with_file_name(name);
            if !path.exists() || holds(&path, bytes)? {
                self.put(&path, bytes)?;
                return Ok(());
            }
        }
        Ok(())
    }

    /// Counts something that could not be kept as an object.
    pub fn fail(&mut self) {
        self.exceptions += 1;
    }

    /// Writes a new file, for good; false when one is there already, whatever is in it: reading
    /// back tells.
    fn put(&self, path: &Path, bytes: &[u8]) -> io::Result<bool> {
        if path.exists() {
            return Ok(false);
        }
        let beside = self.root.join(".part");
        let mut file = fs::File::create(&beside).map_err(|error| disk::at(&beside, &error))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        disk::rename_new(&beside, path)?;
        Ok(true)
    }

    /// Makes everything durable, reads it back, and tells.
    pub fn finish(self) -> io::Result<CollectionProof> {
        disk::sync_directory(&self.folder)?;
        if let Some(parent) = self.folder.parent() {
            disk::sync_directory(parent)?;
        }
        let mut stored = Vec::with_capacity(self.seen.len());
        let mut bytes = 0;
        for (name, _) in &self.seen {
            let (size, hash) = disk::hash_file(&self.folder.join(name))?;
            bytes += size;
            stored.push(hash);
        }
        let items = self.seen.len() as u64;
        let source = hash_of_hashes(self.seen.into_iter().map(|(_, hash)| hash));
        let stored = hash_of_hashes(stored);
        Ok(CollectionProof {
            kind: self.kind,
            name: self.name,
            items,
            written: self.written,
            bytes,
            source_hash: source.to_string(),
            stored_hash: stored.to_string(),
            exceptions: self.exceptions,
            complete: self.exceptions == 0 && source == stored,
        })
    }
}

fn holds(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    let (size, hash) = disk::hash_file(path).map_err(|error| disk::at(path, &error))?;
    Ok(size == bytes.len() as u64 && hash == MessageHash::of(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(uid: &str, text: &str) -> Object {
        Object {
            uid: Some(uid.to_owned()),
            text: text.to_owned(),
        }
    }

    #[test]
    fn the_same_again_writes_nothing_and_another_version_stays_beside() {
        let root = tempfile::tempdir().expect("folder");
        let run = |objects: &[Object], original: &[u8]| {
            let levels = ["École".to_owned(), "a/b".to_owned()];
            let mut collection =
                Collection::open(root.path(), Kind::Calendar, &levels).expect("open");
            for object in objects {
                collection.add(object).expect("add");
            }
            collection.keep_original(original).expect("original");
            collection.finish().expect("finish")
        };
        let objects = [object("../../x", "A"), object("y", "B"), object("y", "B")];
        let first = run(&objects, b"AB");
        assert_eq!(
            (first.items, first.written, first.bytes, first.complete),
            (2, 2, 2, true)
        );
        let again = run(&objects, b"AB");
        assert_eq!((again.items, again.written), (2, 0));
        assert_eq!(again.stored_hash, first.stored_hash);
        let changed = run(&[object("y", "C")], b"C");
        assert_eq!((changed.items, changed.written), (1, 1));
        let folder = root.path().join("calendars/École");
        let files = |folder: &Path| fs::read_dir(folder).expect("read").count();
        assert_eq!(files(&folder.join("a%2Fb")), 3);
        assert_eq!(
            files(&folder),
            3,
            "the folder, the original, its other version"
        );
    }
}
