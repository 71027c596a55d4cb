//! What the last survey of an archive found: kept, so that an archive that did not change is not
//! walked again, and one that changed a little is not hashed again.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::numbers::{FolderNumber, Numbers};
use super::{ArchiveError, Stamp};
use crate::journal::{Watermark, frames};
use crate::model::{FlagSet, FolderPath, InternalDate, MessageHash, Uid};
use crate::source::{Entries, Entry, SourceFolder};

/// Version of the file's form.
const FORMAT: u16 = 1;
/// Entries per line.
const CHUNK: usize = 1000;

/// One item of a folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Known {
    pub uid: Uid,
    pub flags: FlagSet,
    pub date: Option<InternalDate>,
    pub stamp: Option<Stamp>,
}

/// One folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Folder {
    pub path: FolderPath,
    pub number: FolderNumber,
    pub subscribed: bool,
    /// Ascending by UID.
    pub items: Vec<Known>,
}

/// A survey.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Survey {
    pub validity: u32,
    /// Length of the numbers' file when it held every number of this survey.
    pub sealed: u64,
    /// Stamp of the archive before the walk; none when the next survey must walk again.
    pub stamp: Option<Stamp>,
    pub folders: Vec<Folder>,
}

#[derive(Serialize, Deserialize)]
enum Line {
    Begin {
        format: u16,
        validity: u32,
        sealed: u64,
        stamp: Option<Stamp>,
    },
    /// A set of flags; items name it by its place among these lines.
    Flags(FlagSet),
    Folder(FolderPath, FolderNumber, bool),
    /// Items of the last folder: UID, flags, date, stamp.
    Items(Vec<(Uid, u32, Option<InternalDate>, Option<Stamp>)>),
    End,
}

impl Survey {
    /// Reads a survey; none when there is none, or when it is not whole.
    pub fn load(path: &Path) -> Result<Option<Self>, ArchiveError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ArchiveError::io(path)(error)),
        };
        let mut lines = frames::Reader::new(BufReader::with_capacity(1 << 18, file));
        let mut survey = Self::default();
        let mut flags = Vec::new();
        while let Some(line) = lines.next().map_err(ArchiveError::io(path))? {
            match line {
                Line::Begin {
                    format,
                    validity,
                    sealed,
                    stamp,
                } => {
                    if format != FORMAT {
                        return Ok(None);
                    }
                    (survey.validity, survey.sealed, survey.stamp) = (validity, sealed, stamp);
                }
                Line::Flags(set) => flags.push(set),
                Line::Folder(path, number, subscribed) => survey.folders.push(Folder {
                    path,
                    number,
                    subscribed,
                    items: Vec::new(),
                }),
                Line::Items(items) => {
                    let Some(folder) = survey.folders.last_mut() else {
                        return Ok(None);
                    };
                    for (uid, place, date, stamp) in items {
                        let Some(flags) = flags.get(place as usize).cloned() else {
                            return Ok(None);
                        };
                        folder.items.push(Known {
                            uid,
                            flags,
                            date,
                            stamp,
                        });
                    }
                }
                Line::End => return Ok(Some(survey)),
            }
        }
        Ok(None)
    }

    /// Writes the survey in the place of an earlier one, at once.
    pub fn save(&self, path: &Path) -> Result<(), ArchiveError> {
        let fresh = path.with_extension("new");
        self.write(&fresh)
            .and_then(|()| std::fs::rename(&fresh, path))
            .map_err(ArchiveError::io(path))
    }

    fn write(&self, path: &Path) -> std::io::Result<()> {
        let mut file = BufWriter::with_capacity(1 << 18, File::create(path)?);
        let mut buffer = Vec::new();
        let mut put = |line: &Line| {
            buffer.clear();
            frames::frame(line, &mut buffer)?;
            file.write_all(&buffer)
        };
        put(&Line::Begin {
            format: FORMAT,
            validity: self.validity,
            sealed: self.sealed,
            stamp: self.stamp,
        })?;
        let mut places: HashMap<&FlagSet, u32> = HashMap::new();
        for folder in &self.folders {
            let path = folder.path.clone();
            put(&Line::Folder(path, folder.number, folder.subscribed))?;
            for chunk in folder.items.chunks(CHUNK) {
                let mut items = Vec::with_capacity(chunk.len());
                for item in chunk {
                    let next = u32::try_from(places.len()).map_err(std::io::Error::other)?;
                    let place = *places.entry(&item.flags).or_insert(next);
                    if place == next {
                        put(&Line::Flags(item.flags.clone()))?;
                    }
                    items.push((item.uid, place, item.date, item.stamp));
                }
                put(&Line::Items(items))?;
            }
        }
        put(&Line::End)?;
        file.into_inner()
            .map_err(std::io::IntoInnerError::into_error)?
            .sync_data()
    }

    /// The hashes of items that have a stamp.
    pub fn by_stamp(&self, numbers: &Numbers) -> HashMap<(FolderNumber, Stamp), MessageHash> {
        let mut found = HashMap::new();
        for folder in &self.folders {
            if folder.items.iter().all(|item| item.stamp.is_none()) {
                continue;
            }
            let hashes: HashMap<Uid, MessageHash> = numbers
                .of(folder.number)
                .map(|(hash, uid)| (uid, hash))
                .collect();
            for item in &folder.items {
                if let (Some(stamp), Some(hash)) = (item.stamp, hashes.get(&item.uid)) {
                    found.insert((folder.number, stamp), *hash);
                }
            }
        }
        found
    }

    /// The survey as the engine takes it.
    pub fn folders(&self) -> Vec<SourceFolder> {
        let mut folders: Vec<SourceFolder> = self
            .folders
            .iter()
            .map(|folder| SourceFolder {
                path: folder.path.clone(),
                name: folder.number.to_string(),
                validity: self.validity,
                watermark: folder.watermark(),
                subscribed: folder.subscribed,
                entries: Entries::All(folder.items.iter().map(Known::entry).collect()),
                unreadable: None,
                ..SourceFolder::default()
            })
            .collect();
        folders.sort_by(|a, b| {
            let key = |folder: &SourceFolder| !folder.path.is_inbox();
            key(a).cmp(&key(b)).then_with(|| a.path.cmp(&b.path))
        });
        folders
    }
}

impl Known {
    fn entry(&self) -> Entry {
        Entry {
            uid: self.uid,
            flags: self.flags.clone(),
        }
    }
}

impl Folder {
    /// A state that changes when an item or its flags do.
    fn watermark(&self) -> Watermark {
        let mut hasher = blake3::Hasher::new();
        for item in &self.items {
            hasher.update(&item.uid.to_le_bytes());
            for flag in item.flags.iter() {
                hasher.update(flag.as_bytes());
                hasher.update(b" ");
            }
        }
        let mut short = [0; 8];
        short.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        Watermark {
            uid_next: self.items.last().map_or(1, |last| last.uid + 1),
            messages: u32::try_from(self.items.len()).unwrap_or(u32::MAX),
            highest_modseq: u64::from_le_bytes(short),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_survey_comes_back_or_not_at_all() {
        let directory = tempfile::tempdir().expect("dir");
        let path = directory.path().join("survey");
        assert_eq!(Survey::load(&path).expect("absent"), None);
        let item = |uid, flags: &[&str]| Known {
            uid,
            flags: FlagSet::new(flags.iter().copied()),
            date: Some(InternalDate {
                unix: 9,
                offset_minutes: 60,
            }),
            stamp: (uid % 2 == 0).then_some([7; 16]),
        };
        let folder = |name: &str, number| Folder {
            path: FolderPath(vec![name.to_owned()]),
            number,
            subscribed: number == 0,
            items: (1..2500)
                .map(|uid| {
                    item(
                        uid,
                        if uid % 3 == 0 {
                            &["\\Seen"]
                        } else {
                            &["a", "b"]
                        },
                    )
                })
                .collect(),
        };
        let survey = Survey {
            validity: 3,
            sealed: 44,
            stamp: Some([1; 16]),
            folders: vec![folder("A", 0), folder("INBOX", 1)],
        };
        survey.save(&path).expect("save");
        assert_eq!(Survey::load(&path).expect("load").as_ref(), Some(&survey));
        assert!(survey.folders()[0].path.is_inbox());
        let whole = std::fs::read(&path).expect("read");
        for cut in [0, 5, 30, whole.len() / 2, whole.len() - 1] {
            std::fs::write(&path, &whole[..cut]).expect("write");
            assert_eq!(Survey::load(&path).expect("torn"), None);
        }
    }
}
