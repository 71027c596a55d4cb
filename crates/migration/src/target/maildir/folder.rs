//! One folder of a Maildir++: its files and their UIDs.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::super::disk;
use super::lists;
use super::lock::DotLock;
use super::names;
use super::uidlist::{FILE, Stamp, UidList};
use crate::matcher::Held;
use crate::model::{InternalDate, Uid};
use crate::target::TargetFolder;
use crate::target::shelf::Which;

/// Where a message's file is.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Place {
    new: bool,
    name: String,
}

/// One folder as it was last looked at.
pub(super) struct Folder {
    pub(super) path: PathBuf,
    host: String,
    pub(super) list: UidList,
    files: HashMap<String, Place>,
    pub(super) keywords: Vec<String>,
}

impl Folder {
    /// Looks at a folder; its list is made when there is none.
    pub(super) fn open(path: &Path, host: &str) -> io::Result<Self> {
        let mut folder = Self {
            path: path.to_owned(),
            host: host.to_owned(),
            list: UidList::default(),
            files: HashMap::new(),
            keywords: Vec::new(),
        };
        folder.look()?;
        Ok(folder)
    }

    /// The lock under which UIDs are given.
    pub(super) fn lock(&self) -> io::Result<DotLock> {
        DotLock::of(&self.path.join(FILE), &self.host)
    }

    /// Reads files and UIDs anew; files without a UID are given one.
    pub(super) fn look(&mut self) -> io::Result<()> {
        self.files = list_files(&self.path)?;
        self.read_list()?;
        let unlisted = self.list.validity == 0 || self.unlisted().next().is_some();
        if unlisted {
            let _lock = self.lock()?;
            self.look_locked()?;
        }
        self.keywords = lists::keywords(&self.path)?;
        Ok(())
    }

    /// The same, by who holds the lock.
    pub(super) fn look_locked(&mut self) -> io::Result<()> {
        self.read_list()?;
        if self.list.validity == 0 {
            self.list = UidList::create(&self.path, new_validity(), &new_guid())?;
        }
        self.files = list_files(&self.path)?;
        let mut bases: Vec<String> = self.unlisted().cloned().collect();
        if !bases.is_empty() {
            bases.sort_unstable();
            self.list.append(&self.path, &bases)?;
        }
        Ok(())
    }

    fn unlisted(&self) -> impl Iterator<Item = &String> {
        self.files
            .keys()
            .filter(|base| self.list.uid(base).is_none())
    }

    /// Reads the list when it is not the one that is known.
    pub(super) fn read_list(&mut self) -> io::Result<()> {
        if self.list.validity == 0 || self.list.stamp != Stamp::of(&self.path.join(FILE)) {
            self.list = UidList::read(&self.path)?.unwrap_or_default();
        }
        Ok(())
    }

    /// Takes note of files that were just renamed into `cur`.
    pub(super) fn arrived(&mut self, base: String, name: String) {
        self.files.insert(base, Place { new: false, name });
    }

    /// Where a message's file is, as far as is known.
    pub(super) fn path_of(&self, base: &str) -> Option<PathBuf> {
        self.files.get(base).map(|place| self.file(place))
    }

    /// What the engine is told.
    pub(super) fn state(&self, name: &str) -> TargetFolder {
        let messages = self
            .files
            .keys()
            .filter(|base| self.list.uid(base).is_some());
        TargetFolder {
            name: name.to_owned(),
            validity: self.list.validity,
            uid_next: self.list.next,
            messages: u32::try_from(messages.count()).unwrap_or(u32::MAX),
        }
    }

    fn file(&self, place: &Place) -> PathBuf {
        let part = if place.new { "new" } else { "cur" };
        self.path.join(part).join(&place.name)
    }

    /// Reads messages back.
    pub(super) fn read(&mut self, which: &Which) -> io::Result<Vec<Held>> {
        let known = |folder: &Self, uid: &Uid| {
            let base = folder.list.by_uid.get(uid);
            base.is_some_and(|base| folder.files.contains_key(base))
        };
        let stale = match which {
            Which::Above(_) => true,
            Which::These(uids) => !uids.iter().all(|uid| known(self, uid)),
        };
        if stale {
            self.look()?;
        }
        let uids: Vec<Uid> = match which {
            Which::Above(above) => {
                let above = above.saturating_add(1);
                self.list
                    .by_uid
                    .range(above..)
                    .map(|(uid, _)| *uid)
                    .collect()
            }
            Which::These(uids) => uids.clone(),
        };
        let mut held = Vec::with_capacity(uids.len());
        for uid in uids {
            held.extend(self.read_one(uid)?);
        }
        Ok(held)
    }

    fn read_one(&mut self, uid: Uid) -> io::Result<Option<Held>> {
        for _ in 0..3 {
            let base = self.list.by_uid.get(&uid);
            let Some(place) = base.and_then(|base| self.files.get(base)) else {
                return Ok(None);
            };
            let path = self.file(place);
            let read = disk::hash_file(&path).and_then(|(size, hash)| {
                let modified = fs::metadata(&path)?.modified()?;
                Ok(Held {
                    uid,
                    hash,
                    size,
                    flags: names::flags(names::split(&place.name).1, &self.keywords),
                    date: Some(InternalDate {
                        unix: seconds(modified),
                        offset_minutes: 0,
                    }),
                })
            });
            match read {
                Ok(held) => return Ok(Some(held)),
                // Its flags were changed, and so its name, or it was deleted.
                Err(error) if error.kind() == io::ErrorKind::NotFound => self.look()?,
                Err(error) => return Err(disk::at(&path, &error)),
            }
        }
        Ok(None)
    }

    /// Gives a message other flags: its file gets another name.
    pub(super) fn change(&mut self, change: &crate::target::FlagChange) -> io::Result<()> {
        for _ in 0..3 {
            let Some(base) = self.list.by_uid.get(&change.uid).cloned() else {
                return Ok(());
            };
            let Some(place) = self.files.get(&base).cloned() else {
                return Ok(());
            };
            let (_, old) = names::split(&place.name);
            let now = names::flags(old, &self.keywords);
            let kept = now.minus(&change.remove);
            let wanted = crate::model::FlagSet::new(kept.iter().chain(change.add.iter()));
            let letters = names::letters(&wanted, &self.keywords, old);
            let name = format!("{base}:2,{letters}");
            if name == place.name && !place.new {
                return Ok(());
            }
            let to = self.path.join("cur").join(&name);
            match disk::rename_new(&self.file(&place), &to) {
                Ok(()) => {
                    self.arrived(base, name);
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => self.look()?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn list_files(folder: &Path) -> io::Result<HashMap<String, Place>> {
    let mut files = HashMap::new();
    for (part, new) in [("new", true), ("cur", false)] {
        let path = folder.join(part);
        let entries = fs::read_dir(&path).map_err(|error| disk::at(&path, &error))?;
        for entry in entries {
            let entry = entry.map_err(|error| disk::at(&path, &error))?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            if !name.starts_with('.') {
                let base = names::split(&name).0.to_owned();
                files.insert(base, Place { new, name });
            }
        }
    }
    Ok(files)
}

fn seconds(time: std::time::SystemTime) -> i64 {
    match time.duration_since(std::time::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
        Err(before) => {
            let before = before.duration();
            let up = u64::from(before.subsec_nanos() > 0);
            -i64::try_from(before.as_secs() + up).unwrap_or(i64::MAX)
        }
    }
}

/// A UIDVALIDITY is the time at which the folder was made, as for Dovecot.
fn new_validity() -> u32 {
    let now = seconds(std::time::SystemTime::now());
    u32::try_from(now).unwrap_or(1).max(1)
}

fn new_guid() -> String {
    hex::encode(rand::random::<[u8; 16]>())
}
