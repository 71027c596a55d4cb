//! A Maildir++ that Dovecot serves as it stands: UIDs in `dovecot-uidlist`, keywords in
//! `dovecot-keywords`, flags in the file's name, INTERNALDATE as its time of modification.
//!
//! Rules: <https://cr.yp.to/proto/maildir.html>, and Dovecot's mailbox format documentation.

mod folder;
mod lists;
mod lock;
mod names;
mod uidlist;

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, chown, fchown};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use folder::Folder;

use super::disk;
use super::shelf::{FilesTarget, Parcel, Shelf, Which};
use super::{FlagChange, Target, TargetFolder, WantedFolder};
use crate::matcher::Held;
use crate::model::{InternalDate, Uid};

/// Longest name that a file system takes for one file, in bytes.
const LONGEST_NAME: usize = 255;
const MARK: &str = "melouvert";

/// A Maildir++ as a target.
pub fn open(root: &Path) -> Box<dyn Target> {
    Box::new(FilesTarget::new(root, Maildir::new(root)))
}

struct Maildir {
    root: PathBuf,
    host: String,
    /// Whose files these are to be, when this program may say so.
    owner: Option<(u32, u32)>,
    folders: HashMap<String, Folder>,
    delivered: u64,
}

/// A file in `tmp`, on its way.
struct Coming {
    file: File,
    path: PathBuf,
    base: String,
    parcel: Parcel,
}

impl Maildir {
    fn new(root: &Path) -> Self {
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Self {
            root: root.to_owned(),
            host: host.trim().replace(['/', ':'], "_"),
            owner: None,
            folders: HashMap::new(),
            delivered: 0,
        }
    }

    fn directory(&self, name: &str) -> PathBuf {
        if name == "INBOX" {
            self.root.clone()
        } else {
            self.root.join(format!(".{name}"))
        }
    }

    /// Makes the mailbox, and remembers whose it is.
    fn make_root(&mut self) -> io::Result<()> {
        disk::make_directories(&self.root)?;
        if nix::unistd::geteuid().is_root() {
            let metadata = fs::metadata(&self.root)?;
            self.owner = Some((metadata.uid(), metadata.gid()));
        }
        Ok(())
    }

    fn make_folder(&self, name: &str) -> io::Result<()> {
        let path = self.directory(name);
        for part in ["", "tmp", "new", "cur"] {
            let part = path.join(part);
            if !part.is_dir() {
                disk::make_directories(&part)?;
                self.give(&part)?;
            }
        }
        if name != "INBOX" {
            let mark = path.join("maildirfolder");
            match disk::create_new(&mark) {
                Ok(_) => self.give(&mark)?,
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                Err(_) => {}
            }
        }
        self.remove_leftovers(&path.join("tmp"))?;
        disk::sync_directory(&path)
    }

    fn give(&self, path: &Path) -> io::Result<()> {
        match self.owner {
            Some((user, group)) => {
                chown(path, Some(user), Some(group)).map_err(|error| disk::at(path, &error))
            }
            None => Ok(()),
        }
    }

    fn give_lists(&self, folder: &Path) -> io::Result<()> {
        for name in [uidlist::FILE, "dovecot-keywords", "subscriptions"] {
            let path = folder.join(name);
            if path.exists() {
                self.give(&path)?;
            }
        }
        Ok(())
    }

    /// Removes what a killed run of this program left in `tmp`.
    fn remove_leftovers(&self, tmp: &Path) -> io::Result<()> {
        for entry in fs::read_dir(tmp).map_err(|error| disk::at(tmp, &error))? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let owner = name.split('.').nth(1).and_then(|unique| {
                let (_, pid) = unique.split_once('P')?;
                pid.split('Q').next()?.parse().ok()
            });
            let ours = name.ends_with(&format!("{MARK}.{}", self.host));
            if ours && owner.is_some_and(|pid| !lock::is_alive(pid)) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn folder(&mut self, name: &str) -> io::Result<&mut Folder> {
        if !self.folders.contains_key(name) {
            let folder = Folder::open(&self.directory(name), &self.host)?;
            self.give_lists(&folder.path)?;
            self.folders.insert(name.to_owned(), folder);
        }
        self.folders
            .get_mut(name)
            .ok_or_else(|| io::Error::other("the folder is gone"))
    }

    /// Writes one message to `tmp`; its name tells its size and its size with CRLF line ends.
    fn write_one(&mut self, tmp: &Path, mut parcel: Parcel) -> io::Result<Coming> {
        self.delivered += 1;
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let stem = format!(
            "{}.M{}P{}Q{}.{MARK}.{}",
            since.as_secs(),
            since.subsec_micros(),
            std::process::id(),
            // Two targets of one process may share a folder.
            format_args!("{}R{:08x}", self.delivered, rand::random::<u32>()),
            self.host
        );
        let path = tmp.join(&stem);
        let mut file = disk::create_new(&path)?;
        let mut line_ends = BareLineEnds::default();
        let written = parcel.pour(|bytes| {
            line_ends.count(bytes);
            file.write_all(bytes)
        });
        let set = written.and_then(|()| {
            if let Some((user, group)) = self.owner {
                fchown(&file, Some(user), Some(group))?;
            }
            parcel
                .date
                .map_or(Ok(()), |date| file.set_modified(time(date)))
        });
        if let Err(error) = set {
            // The first error tells more than one about the leftover.
            let _ = fs::remove_file(&path);
            return Err(disk::at(&path, &error));
        }
        let base = format!(
            "{stem},S={},W={}",
            parcel.size,
            parcel.size + line_ends.found
        );
        Ok(Coming {
            file,
            path,
            base,
            parcel,
        })
    }

    /// Renames a batch that is durable into `cur` and gives it UIDs, under the folder's lock.
    fn place(&mut self, name: &str, coming: &[Coming]) -> io::Result<Vec<Uid>> {
        let host = self.host.clone();
        let folder = self.folder(name)?;
        let _lock = folder.lock()?;
        // Somebody else may have given UIDs meanwhile.
        folder.read_list()?;
        if folder.list.validity == 0 {
            folder.look_locked()?;
        }
        let mut wanted: Vec<String> = Vec::new();
        for flag in coming.iter().flat_map(|one| one.parcel.flags.iter()) {
            let known = folder.keywords.iter().chain(&wanted);
            if names::is_keyword(flag) && !known.into_iter().any(|k| k.eq_ignore_ascii_case(flag)) {
                wanted.push(flag.to_owned());
            }
        }
        if !wanted.is_empty() {
            folder.keywords = lists::add_keywords(&folder.path, &wanted, &host)?;
        }
        let cur = folder.path.join("cur");
        let mut bases = Vec::with_capacity(coming.len());
        for one in coming {
            let letters = names::letters(&one.parcel.flags, &folder.keywords, "");
            let file = format!("{}:2,{letters}", one.base);
            disk::rename_new(&one.path, &cur.join(&file))?;
            folder.arrived(one.base.clone(), file);
            bases.push(one.base.clone());
        }
        disk::sync_directory(&cur)?;
        let path = folder.path.clone();
        let uids = folder.list.append(&path, &bases)?;
        self.give_lists(&path)?;
        let bytes: u64 = coming.iter().map(|one| one.parcel.size).sum();
        self.count_for_quota(bytes, coming.len())?;
        Ok(uids)
    }

    /// A batch is stored whole or not at all: what was not acknowledged goes.
    fn take_back(&mut self, name: &str, coming: &[Coming]) {
        let known = self.folders.remove(name);
        for one in coming {
            let placed = known.as_ref().and_then(|folder| folder.path_of(&one.base));
            for path in placed.into_iter().chain([one.path.clone()]) {
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        tracing::warn!(path = %path.display(), %error, "leftover_not_removed");
                    }
                    _ => {}
                }
            }
        }
    }

    /// Where a Maildir++ quota file is kept, it is told of what came.
    fn count_for_quota(&self, bytes: u64, messages: usize) -> io::Result<()> {
        let path = self.root.join("maildirsize");
        match fs::OpenOptions::new().append(true).open(&path) {
            Ok(mut file) => file.write_all(format!("{bytes} {messages}\n").as_bytes()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(disk::at(&path, &error)),
        }
    }
}

/// Counts line feeds without a carriage return, across pieces.
#[derive(Default)]
struct BareLineEnds {
    found: u64,
    last: u8,
}

impl BareLineEnds {
    fn count(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if *byte == b'\n' && self.last != b'\r' {
                self.found += 1;
            }
            self.last = *byte;
        }
    }
}

fn time(date: InternalDate) -> SystemTime {
    let distance = Duration::from_secs(date.unix.unsigned_abs());
    let moved = if date.unix < 0 {
        UNIX_EPOCH.checked_sub(distance)
    } else {
        UNIX_EPOCH.checked_add(distance)
    };
    moved.unwrap_or(UNIX_EPOCH)
}

impl Shelf for Maildir {
    fn prepare(
        &mut self,
        wanted: &[WantedFolder],
        reserved: &[String],
    ) -> io::Result<Vec<Result<TargetFolder, String>>> {
        self.make_root()?;
        self.make_folder("INBOX")?;
        let chosen = wanted.iter().filter_map(|folder| folder.name.as_ref());
        let chosen = chosen.chain(reserved);
        let mut taken: HashSet<String> = chosen.map(|name| name.to_lowercase()).collect();
        taken.insert("inbox".to_owned());
        let mut prepared = Vec::with_capacity(wanted.len());
        let mut subscribed = Vec::new();
        for folder in wanted {
            let name = folder.name.clone();
            let name = name.unwrap_or_else(|| names::folder(&folder.path, &mut taken));
            if name.len() >= LONGEST_NAME {
                prepared.push(Err(format!(
                    "the name is {} bytes long, more than the {LONGEST_NAME} of a file system",
                    name.len() + 1
                )));
                continue;
            }
            self.make_folder(&name)?;
            self.folders.remove(&name);
            prepared.push(Ok(self.folder(&name)?.state(&name)));
            if folder.subscribe {
                subscribed.push(name);
            }
        }
        let subscribed: Vec<&str> = subscribed.iter().map(String::as_str).collect();
        lists::subscribe(&self.root, &subscribed, &self.host)?;
        self.give_lists(&self.root)?;
        Ok(prepared)
    }

    fn state(&mut self, name: &str) -> io::Result<TargetFolder> {
        let folder = self.folder(name)?;
        folder.look()?;
        Ok(folder.state(name))
    }

    fn read(&mut self, name: &str, which: &Which) -> io::Result<Vec<Held>> {
        self.folder(name)?.read(which)
    }

    fn store(&mut self, name: &str, parcels: Vec<Parcel>) -> io::Result<Vec<Uid>> {
        let tmp = self.directory(name).join("tmp");
        let mut coming = Vec::with_capacity(parcels.len());
        let mut outcome = Ok(());
        for parcel in parcels {
            match self.write_one(&tmp, parcel) {
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
            .and_then(|()| self.place(name, &coming));
        if stored.is_err() {
            self.take_back(name, &coming);
        }
        stored
    }

    fn change_flags(&mut self, name: &str, changes: &[FlagChange]) -> io::Result<()> {
        let host = self.host.clone();
        let folder = self.folder(name)?;
        folder.look()?;
        let wanted: Vec<String> = changes
            .iter()
            .flat_map(|change| change.add.iter())
            .filter(|flag| names::is_keyword(flag))
            .map(str::to_owned)
            .collect();
        if !wanted.is_empty() {
            folder.keywords = lists::add_keywords(&folder.path, &wanted, &host)?;
        }
        for change in changes {
            folder.change(change)?;
        }
        let (path, cur) = (folder.path.clone(), folder.path.join("cur"));
        disk::sync_directory(&cur)?;
        self.give_lists(&path)
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}
