//! The export that leaves nothing behind in a form of ours: per folder one `.eml` file per message
//! (its exact bytes), one mboxrd file, an index of flags, keywords and dates; one manifest with
//! SHA-256 and BLAKE3 of every file, and `SHA256SUMS` for `sha256sum -c`.
//!
//! Below the root: `mail/…/messages/00000001.eml`, `mail/…/messages.mbox`, `mail/…/index.jsonl`,
//! `mail/…/folder.json`, `collections/…`, `manifest.json`, `SHA256SUMS`, and `.melouvert/`, which
//! only this program needs.

mod index;
mod manifest;
mod mbox;
pub(crate) mod names;

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use index::{Index, Line};
use names::{FOLDER, MESSAGES};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::disk;
use super::shelf::{FilesTarget, Parcel, Shelf, Which};
use super::{FlagChange, Target, TargetFolder, WantedFolder};
use crate::matcher::Held;
use crate::model::{FlagSet, Uid};

/// What only this program needs.
const OWN: &str = ".melouvert";
/// There while the summaries do not tell everything.
const INCOMPLETE: &str = "incomplete";

/// An export as a target.
pub fn open(root: &Path) -> Box<dyn Target> {
    Box::new(FilesTarget::new(root, Export::new(root)))
}

/// Says that the manifest no longer tells everything; the next end of a run writes it anew.
pub(crate) fn mark_incomplete(root: &Path) -> io::Result<()> {
    let own = root.join(OWN);
    let mark = own.join(INCOMPLETE);
    if mark.exists() {
        return Ok(());
    }
    disk::make_directories(&own)?;
    File::create(&mark).map_err(|error| disk::at(&mark, &error))?;
    disk::sync_directory(&own)
}

/// What `folder.json` tells.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Description {
    /// Levels of the path at the source.
    path: Vec<String>,
    /// Changes when the folder was made anew.
    validity: u32,
    /// Whether the user subscribed to it.
    subscribed: bool,
}

struct Folder {
    directory: PathBuf,
    description: Description,
    index: Index,
}

struct Export {
    root: PathBuf,
    /// Held while this target writes.
    lock: Option<File>,
    marked: bool,
    folders: HashMap<String, Folder>,
}

struct Coming {
    file: File,
    part: PathBuf,
    number: Uid,
    line: Line,
}

impl Folder {
    fn read(directory: &Path) -> io::Result<Self> {
        let path = directory.join(FOLDER);
        let bytes = fs::read(&path).map_err(|error| disk::at(&path, &error))?;
        Ok(Self {
            directory: directory.to_owned(),
            description: serde_json::from_slice(&bytes)?,
            index: Index::read(directory)?,
        })
    }

    fn message(&self, number: Uid) -> PathBuf {
        self.directory.join(MESSAGES).join(index::file_name(number))
    }

    fn part(&self, number: Uid) -> PathBuf {
        let name = format!("{}.part", index::file_name(number));
        self.directory.join(MESSAGES).join(name)
    }

    /// Ends what a crash interrupted: a message in the index gets its name, another one goes.
    fn recover(&mut self) -> io::Result<()> {
        let messages = self.directory.join(MESSAGES);
        let mut changed = false;
        for entry in fs::read_dir(&messages).map_err(|error| disk::at(&messages, &error))? {
            let path = entry?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "part")
            {
                let number = path
                    .file_name()
                    .and_then(|name| name.to_str()?.split('.').next()?.parse().ok());
                match number.filter(|number| self.index.lines.contains_key(number)) {
                    Some(number) => disk::rename_new(&path, &self.message(number))?,
                    None => fs::remove_file(&path)?,
                }
                changed = true;
            }
        }
        if changed {
            disk::sync_directory(&messages)?;
        }
        Ok(())
    }

    /// Numbers of the messages whose files are there.
    fn present(&self) -> io::Result<HashSet<Uid>> {
        let messages = self.directory.join(MESSAGES);
        let mut present = HashSet::new();
        for entry in fs::read_dir(&messages).map_err(|error| disk::at(&messages, &error))? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".eml"));
            present.extend(number.and_then(|number| number.parse::<Uid>().ok()));
        }
        Ok(present)
    }

    fn state(&self, name: &str) -> io::Result<TargetFolder> {
        let present = self.present()?;
        let messages = self
            .index
            .lines
            .keys()
            .filter(|n| present.contains(n))
            .count();
        Ok(TargetFolder {
            name: name.to_owned(),
            validity: self.description.validity,
            uid_next: self.index.next(),
            messages: u32::try_from(messages).unwrap_or(u32::MAX),
        })
    }

    fn write_one(&self, number: Uid, mut parcel: Parcel) -> io::Result<Coming> {
        let part = self.part(number);
        let mut file = disk::create_new(&part)?;
        let mut digest = Sha256::new();
        let written = parcel.pour(|bytes| {
            digest.update(bytes);
            file.write_all(bytes)
        });
        if let Err(error) = written {
            // The first error tells more than one about the leftover.
            let _ = fs::remove_file(&part);
            return Err(disk::at(&part, &error));
        }
        let line = Line {
            number,
            size: parcel.size,
            sha256: hex::encode(digest.finalize()),
            blake3: parcel.hash.to_string(),
            date: parcel.date.and_then(index::write_date),
            flags: parcel.flags.iter().map(str::to_owned).collect(),
        };
        Ok(Coming {
            file,
            part,
            number,
            line,
        })
    }

    /// The index first, then the names: a crash in between is ended by [`Folder::recover`].
    fn place(&mut self, coming: &[Coming]) -> io::Result<Vec<Uid>> {
        let lines = coming.iter().map(|one| one.line.clone()).collect();
        self.index.append(lines)?;
        for one in coming {
            disk::rename_new(&one.part, &self.message(one.number))?;
        }
        disk::sync_directory(&self.directory.join(MESSAGES))?;
        Ok(coming.iter().map(|one| one.number).collect())
    }

    fn read_back(&mut self, which: &Which) -> io::Result<Vec<Held>> {
        self.index.reload()?;
        let mut held = Vec::new();
        for line in self.index.lines.values() {
            if !which.holds(line.number) {
                continue;
            }
            let path = self.message(line.number);
            let (size, hash) = match disk::hash_file(&path) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(disk::at(&path, &error)),
            };
            held.push(Held {
                uid: line.number,
                hash,
                size,
                flags: FlagSet::new(line.flags.iter().map(String::as_str)),
                date: line.date.as_deref().and_then(index::read_date),
            });
        }
        Ok(held)
    }
}

impl Export {
    fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            lock: None,
            marked: false,
            folders: HashMap::new(),
        }
    }

    /// One writer at a time.
    fn lock(&mut self) -> io::Result<()> {
        if self.lock.is_some() {
            return Ok(());
        }
        let own = self.root.join(OWN);
        disk::make_directories(&own)?;
        let path = own.join("lock");
        let mut options = File::options();
        let file = options.create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|error| disk::at(&path, &error))?;
        file.try_lock().map_err(|error| {
            let words = format!("another run writes to this export ({error}); wait for it");
            disk::at(&path, &io::Error::new(io::ErrorKind::WouldBlock, words))
        })?;
        self.lock = Some(file);
        Ok(())
    }

    fn mark(&mut self) -> io::Result<()> {
        if !self.marked {
            mark_incomplete(&self.root)?;
            self.marked = true;
        }
        Ok(())
    }

    fn directory(&self, name: &str) -> PathBuf {
        self.root.join("mail").join(name)
    }

    fn folder(&mut self, name: &str) -> io::Result<&mut Folder> {
        if !self.folders.contains_key(name) {
            let folder = Folder::read(&self.directory(name))?;
            self.folders.insert(name.to_owned(), folder);
        }
        self.folders
            .get_mut(name)
            .ok_or_else(|| io::Error::other("the folder is gone"))
    }

    /// Makes one folder, or takes note of it.
    fn prepare_one(&mut self, wanted: &WantedFolder, name: &str) -> io::Result<TargetFolder> {
        let directory = self.directory(name);
        disk::make_directories(&directory.join(MESSAGES))?;
        let path = directory.join(FOLDER);
        let known = match fs::read(&path) {
            Ok(bytes) => Some(serde_json::from_slice::<Description>(&bytes)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(disk::at(&path, &error)),
        };
        let subscribed = wanted.subscribe || known.as_ref().is_some_and(|known| known.subscribed);
        if known
            .as_ref()
            .is_none_or(|known| known.subscribed != subscribed)
        {
            self.mark()?;
            let description = Description {
                path: wanted.path.0.clone(),
                validity: known.map_or_else(|| rand::random::<u32>() | 1, |known| known.validity),
                subscribed,
            };
            let bytes = serde_json::to_vec_pretty(&description)?;
            disk::replace(&path, &self.root.join(OWN).join("folder.json"), &bytes)?;
        }
        self.folders.remove(name);
        let folder = self.folder(name)?;
        folder.recover()?;
        folder.state(name)
    }
}

impl Shelf for Export {
    fn prepare(
        &mut self,
        wanted: &[WantedFolder],
        reserved: &[String],
    ) -> io::Result<Vec<Result<TargetFolder, String>>> {
        self.lock()?;
        let chosen = wanted.iter().filter_map(|folder| folder.name.as_ref());
        let chosen = chosen.chain(reserved);
        let mut taken: HashSet<String> = chosen.map(|name| name.to_lowercase()).collect();
        let mut prepared = Vec::with_capacity(wanted.len());
        for folder in wanted {
            let name = folder.name.clone();
            let name = name.unwrap_or_else(|| names::directory(&folder.path, &mut taken));
            prepared.push(match self.prepare_one(folder, &name) {
                // A path that is too deep for the file system concerns this folder only.
                Err(error) if error.kind() == io::ErrorKind::InvalidFilename => {
                    Err(error.to_string())
                }
                other => Ok(other?),
            });
        }
        Ok(prepared)
    }

    fn state(&mut self, name: &str) -> io::Result<TargetFolder> {
        let folder = self.folder(name)?;
        folder.index.reload()?;
        folder.state(name)
    }

    fn read(&mut self, name: &str, which: &Which) -> io::Result<Vec<Held>> {
        self.folder(name)?.read_back(which)
    }

    fn store(&mut self, name: &str, parcels: Vec<Parcel>) -> io::Result<Vec<Uid>> {
        self.mark()?;
        let folder = self.folder(name)?;
        let first = folder.index.next();
        let mut coming = Vec::with_capacity(parcels.len());
        let mut outcome = Ok(());
        for (number, parcel) in (first..Uid::MAX).zip(parcels) {
            match folder.write_one(number, parcel) {
                Ok(one) => coming.push(one),
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
        // The first synchronisation carries most of the others along.
        let stored = outcome
            .and_then(|()| coming.iter().try_for_each(|one| one.file.sync_all()))
            .and_then(|()| folder.place(&coming));
        if stored.is_err() {
            let numbers: Vec<Uid> = coming.iter().map(|one| one.number).collect();
            for one in &coming {
                // A batch is stored whole or not at all: what was not acknowledged goes.
                let _ = fs::remove_file(&one.part);
                let _ = fs::remove_file(folder.message(one.number));
            }
            folder.index.forget(&numbers);
        }
        stored
    }

    fn change_flags(&mut self, name: &str, changes: &[FlagChange]) -> io::Result<()> {
        self.mark()?;
        let folder = self.folder(name)?;
        folder.index.reload()?;
        let mut updates = Vec::new();
        for change in changes {
            if let Some(line) = folder.index.lines.get(&change.uid) {
                let now = FlagSet::new(line.flags.iter().map(String::as_str));
                let kept = now.minus(&change.remove);
                let flags = FlagSet::new(kept.iter().chain(change.add.iter()));
                updates.push((change.uid, flags));
            }
        }
        folder.index.change(updates)
    }

    fn finish(&mut self) -> io::Result<()> {
        if !self.root.join(OWN).join(INCOMPLETE).exists() {
            return Ok(());
        }
        self.lock()?;
        self.folders.clear();
        self.marked = false;
        manifest::write(&self.root)
    }
}
