//! Numbers for items that have none: an append-only file that says which bytes got which number
//! in which folder.
//!
//! The number of an item is its UID. Equal bytes in one folder get one number each. The file's
//! first line holds the UIDVALIDITY: it is another one whenever numbers that may have been used
//! are lost, so that a number never means other bytes.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ArchiveError;
use crate::journal::frames;
use crate::model::{FolderPath, MessageHash, Uid};

/// Bytes of lines gathered before they are written.
const GATHER: usize = 1 << 18;
/// Version of the file's form.
const FORMAT: u16 = 1;

/// A folder's place in the file.
pub type FolderNumber = u32;

#[derive(Serialize, Deserialize)]
enum Line {
    Begin { format: u16, validity: u32 },
    Folder(FolderPath),
    Item(FolderNumber, MessageHash),
}

/// The numbers of equal bytes in one folder.
#[derive(Debug)]
struct Slot {
    first: Uid,
    more: Vec<Uid>,
    /// How many of them the present walk has given out.
    given: u32,
}

#[derive(Debug, Default)]
struct Folder {
    slots: HashMap<MessageHash, Slot>,
    count: Uid,
}

impl Folder {
    fn add(&mut self, hash: MessageHash) -> Uid {
        self.count += 1;
        let uid = self.count;
        self.slots
            .entry(hash)
            .and_modify(|slot| slot.more.push(uid))
            .or_insert(Slot {
                first: uid,
                more: Vec::new(),
                given: 0,
            });
        uid
    }
}

/// The numbers of one account.
#[derive(Debug)]
pub struct Numbers {
    path: PathBuf,
    file: File,
    validity: u32,
    folders: Vec<Folder>,
    by_path: HashMap<FolderPath, FolderNumber>,
    gathered: Vec<u8>,
    length: u64,
}

impl Numbers {
    /// Reads the file at `path`. When it is absent, or when lines before byte `sealed` are lost,
    /// a new one begins with the UIDVALIDITY `fresh`; lines torn off after that are forgotten.
    pub fn open(path: &Path, sealed: u64, fresh: u32) -> Result<Self, ArchiveError> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(ArchiveError::io(path))?;
        let mut numbers = Self {
            path: path.to_owned(),
            file: file.try_clone().map_err(ArchiveError::io(path))?,
            validity: 0,
            folders: Vec::new(),
            by_path: HashMap::new(),
            gathered: Vec::new(),
            length: 0,
        };
        numbers.load(&mut file)?;
        if numbers.validity == 0 || numbers.length < sealed {
            if numbers.length > 0 {
                tracing::warn!(path = %path.display(), "numbers_lost");
            }
            numbers.begin(fresh)?;
        }
        let length = numbers.length;
        numbers
            .file
            .set_len(length)
            .and_then(|()| {
                let end = std::io::SeekFrom::Start(length);
                std::io::Seek::seek(&mut numbers.file, end)
            })
            .map_err(ArchiveError::io(path))?;
        Ok(numbers)
    }

    fn load(&mut self, file: &mut File) -> Result<(), ArchiveError> {
        let mut reader = frames::Reader::new(BufReader::with_capacity(1 << 18, file));
        while let Some(line) = reader.next().map_err(ArchiveError::io(&self.path))? {
            match line {
                Line::Begin { format, validity } if format == FORMAT && self.validity == 0 => {
                    self.validity = validity;
                }
                Line::Folder(path) if self.validity != 0 => {
                    self.add_folder(path);
                }
                Line::Item(folder, hash) if (folder as usize) < self.folders.len() => {
                    self.folders[folder as usize].add(hash);
                }
                _ => break,
            }
            self.length = reader.whole();
        }
        Ok(())
    }

    fn begin(&mut self, fresh: u32) -> Result<(), ArchiveError> {
        self.validity = fresh.max(1);
        self.folders.clear();
        self.by_path.clear();
        self.length = 0;
        self.file
            .set_len(0)
            .and_then(|()| std::io::Seek::rewind(&mut self.file))
            .map_err(ArchiveError::io(&self.path))?;
        self.write(&Line::Begin {
            format: FORMAT,
            validity: self.validity,
        })?;
        self.flush()
    }

    fn add_folder(&mut self, path: FolderPath) -> FolderNumber {
        let number = FolderNumber::try_from(self.folders.len()).unwrap_or(FolderNumber::MAX);
        self.folders.push(Folder::default());
        self.by_path.insert(path, number);
        number
    }

    fn write(&mut self, line: &Line) -> Result<(), ArchiveError> {
        frames::frame(line, &mut self.gathered).map_err(ArchiveError::io(&self.path))?;
        if self.gathered.len() > GATHER {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), ArchiveError> {
        self.file
            .write_all(&self.gathered)
            .map_err(ArchiveError::io(&self.path))?;
        self.length += self.gathered.len() as u64;
        self.gathered.clear();
        Ok(())
    }

    /// The UIDVALIDITY of every folder.
    pub fn validity(&self) -> u32 {
        self.validity
    }

    /// Puts what was added on disk, before anybody acts on it. Returns the file's length.
    pub fn seal(&mut self) -> Result<u64, ArchiveError> {
        self.flush()?;
        self.file
            .sync_data()
            .map_err(ArchiveError::io(&self.path))?;
        Ok(self.length)
    }

    /// Begins a walk: every number can be given out again.
    pub fn begin_walk(&mut self) {
        for folder in &mut self.folders {
            for slot in folder.slots.values_mut() {
                slot.given = 0;
            }
        }
    }

    /// A folder's place.
    pub fn folder(&mut self, path: &FolderPath) -> Result<FolderNumber, ArchiveError> {
        if let Some(number) = self.by_path.get(path) {
            return Ok(*number);
        }
        self.write(&Line::Folder(path.clone()))?;
        Ok(self.add_folder(path.clone()))
    }

    /// The number of an item that this walk met: the next one of its bytes in its folder.
    pub fn give(&mut self, folder: FolderNumber, hash: MessageHash) -> Result<Uid, ArchiveError> {
        let known = &mut self.folders[folder as usize];
        if let Some(slot) = known.slots.get_mut(&hash) {
            let given = slot.given as usize;
            let uid = match given {
                0 => Some(slot.first),
                more => slot.more.get(more - 1).copied(),
            };
            slot.given += 1;
            if let Some(uid) = uid {
                return Ok(uid);
            }
        }
        let uid = known.add(hash);
        if let Some(slot) = known.slots.get_mut(&hash) {
            slot.given = slot.given.max(1);
        }
        self.write(&Line::Item(folder, hash))?;
        Ok(uid)
    }

    /// Bytes and numbers of a folder.
    pub fn of(&self, folder: FolderNumber) -> impl Iterator<Item = (MessageHash, Uid)> {
        let slots = self.folders.get(folder as usize).map(|one| &one.slots);
        slots.into_iter().flatten().flat_map(|(hash, slot)| {
            std::iter::once(slot.first)
                .chain(slot.more.iter().copied())
                .map(|uid| (*hash, uid))
        })
    }

    /// The numbers of bytes that a folder has more than once.
    pub fn shared(&self, folder: FolderNumber) -> impl Iterator<Item = Vec<Uid>> {
        let slots = self.folders.get(folder as usize).map(|one| &one.slots);
        slots
            .into_iter()
            .flat_map(HashMap::values)
            .filter(|slot| !slot.more.is_empty())
            .map(|slot| {
                let mut uids = vec![slot.first];
                uids.extend_from_slice(&slot.more);
                uids
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> FolderPath {
        FolderPath(vec![name.to_owned()])
    }

    fn walk(numbers: &mut Numbers, items: &[(&str, &[u8])]) -> Vec<Uid> {
        numbers.begin_walk();
        items
            .iter()
            .map(|(folder, bytes)| {
                let folder = numbers.folder(&path(folder)).expect("folder");
                numbers
                    .give(folder, MessageHash::of(bytes))
                    .expect("number")
            })
            .collect()
    }

    #[test]
    fn numbers_follow_the_bytes() {
        let directory = tempfile::tempdir().expect("dir");
        let file = directory.path().join("numbers");
        let mut numbers = Numbers::open(&file, 0, 7).expect("open");
        let first = walk(
            &mut numbers,
            &[("A", b"x"), ("A", b"y"), ("B", b"x"), ("A", b"x")],
        );
        assert_eq!(first, [1, 2, 1, 3]);
        let sealed = numbers.seal().expect("seal");
        drop(numbers);
        let mut again = Numbers::open(&file, sealed, 8).expect("open");
        assert_eq!(again.validity(), 7);
        let moved = [
            ("A", b"z"),
            ("A", b"x"),
            ("A", b"x"),
            ("A", b"y"),
            ("B", b"x"),
        ];
        let moved = moved.map(|(folder, bytes)| (folder, bytes.as_slice()));
        assert_eq!(walk(&mut again, &moved), [4, 1, 3, 2, 1]);
        assert_eq!(again.shared(0).collect::<Vec<_>>(), [vec![1, 3]]);
    }

    #[test]
    fn any_cut_keeps_what_was_sealed_or_begins_anew() {
        let directory = tempfile::tempdir().expect("dir");
        let file = directory.path().join("numbers");
        let mut numbers = Numbers::open(&file, 0, 7).expect("open");
        walk(&mut numbers, &[("A", b"x"), ("A", b"y")]);
        let sealed = numbers.seal().expect("seal");
        walk(&mut numbers, &[("A", b"z")]);
        numbers.seal().expect("seal");
        let whole = std::fs::read(&file).expect("read");
        for cut in 0..whole.len() {
            std::fs::write(&file, &whole[..cut]).expect("write");
            let mut again = Numbers::open(&file, sealed, 8).expect("open");
            let kept = cut as u64 >= sealed;
            assert_eq!(again.validity(), if kept { 7 } else { 8 }, "cut at {cut}");
            let uids = walk(&mut again, &[("A", b"y"), ("A", b"x"), ("A", b"z")]);
            assert_eq!(
                uids,
                if kept { [2, 1, 3] } else { [1, 2, 3] },
                "cut at {cut}"
            );
            again.seal().expect("seal");
            drop(again);
            let whole = Numbers::open(&file, 0, 9).expect("open");
            assert_ne!(whole.validity(), 9, "cut at {cut}");
        }
    }
}
