//! A ZIP of `.eml` files. Nothing is unpacked: names become folders, never paths of this machine,
//! and what an entry may expand to is bounded.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use zip::ZipArchive;

use super::eml::{Kind, flags, folder, leaves};
use super::{Archive, ArchiveError, Found, Stamp, headers, stamp_of_file};
use crate::model::FolderPath;

/// Largest message.
const LARGEST: u64 = 512 << 20;
/// Times that an archive may grow; mail in base64 shrinks to a third, text to a tenth.
const GROWTH: u64 = 200;
/// What an archive may grow to however small it is.
const ANYHOW: u64 = 1 << 30;

/// A ZIP of `.eml` files.
pub struct Zipped {
    path: PathBuf,
    /// Entries that the archive's last record tells.
    told: Option<u64>,
}

/// True when a file begins as a ZIP does.
pub(super) fn is_zip(path: &Path) -> bool {
    let mut magic = [0; 4];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    read.is_ok() && [*b"PK\x03\x04", *b"PK\x05\x06"].contains(&magic)
}

impl Zipped {
    /// The ZIP at `path`.
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            told: None,
        }
    }

    fn unusable(&self, error: &dyn std::fmt::Display) -> ArchiveError {
        ArchiveError::unusable(
            &self.path,
            format!("it is no whole ZIP ({error}); copy it again"),
        )
    }

    fn open(&mut self) -> Result<(ZipArchive<BufReader<File>>, u64), ArchiveError> {
        let file = File::open(&self.path).map_err(ArchiveError::io(&self.path))?;
        let size = file.metadata().map_err(ArchiveError::io(&self.path))?.len();
        self.told = count(&self.path).map_err(ArchiveError::io(&self.path))?;
        let archive = ZipArchive::new(BufReader::with_capacity(1 << 17, file))
            .map_err(|error| self.unusable(&error))?;
        Ok((archive, size))
    }
}

/// The folder's levels and the file's name that an entry's name tells; an error when it points
/// outside of the archive.
fn levels(name: &str) -> Result<(Vec<String>, String), &'static str> {
    let name = name.replace('\\', "/");
    let mut levels: Vec<String> = Vec::new();
    for level in name.split('/') {
        match level {
            "" | "." => {}
            ".." => return Err("its name points outside of the archive"),
            other => levels.push(other.to_owned()),
        }
    }
    let last = levels.pop().unwrap_or_default();
    Ok((levels, last))
}

/// An entry as its directory tells it.
struct Entry {
    index: usize,
    name: String,
    folder: FolderPath,
    size: u64,
    trouble: Option<String>,
}

impl Archive for Zipped {
    fn walk(
        &mut self,
        visit: &mut dyn FnMut(Found<'_>) -> ControlFlow<()>,
    ) -> Result<(), ArchiveError> {
        let (archive, size) = self.open()?;
        self.walk_archive(archive, size, visit)
    }

    fn folders(&mut self) -> Result<Vec<(FolderPath, bool)>, ArchiveError> {
        let (mut archive, _) = self.open()?;
        let mut left = u64::MAX;
        let (_, mut folders) = self.entries(&mut archive, &mut left)?;
        leaves(&mut folders);
        Ok(folders.into_iter().map(|folder| (folder, true)).collect())
    }

    fn stamp(&mut self) -> Result<Option<Stamp>, ArchiveError> {
        stamp_of_file(&self.path).map(Some)
    }
}

impl Zipped {
    /// Walks a ZIP that is in memory: for fuzzing.
    #[doc(hidden)]
    pub fn walk_bytes(
        bytes: &[u8],
        visit: &mut dyn FnMut(Found<'_>) -> ControlFlow<()>,
    ) -> Result<(), ArchiveError> {
        let zipped = Self::new(Path::new("memory.zip"));
        let opened = ZipArchive::new(Cursor::new(bytes));
        let archive = opened.map_err(|error| zipped.unusable(&error))?;
        zipped.walk_archive(archive, bytes.len() as u64, visit)
    }

    fn walk_archive<R: Read + Seek>(
        &self,
        mut archive: ZipArchive<R>,
        size: u64,
        visit: &mut dyn FnMut(Found<'_>) -> ControlFlow<()>,
    ) -> Result<(), ArchiveError> {
        let mut left = size.saturating_mul(GROWTH).max(ANYHOW);
        let (entries, _) = self.entries(&mut archive, &mut left)?;
        for entry in entries {
            let opened = match entry.trouble {
                Some(words) => Err(words),
                None => archive
                    .by_index(entry.index)
                    .map_err(|error| error.to_string()),
            };
            let opened = opened.and_then(|file| {
                let mut body = Bounded {
                    inner: file,
                    left: entry.size,
                };
                let head = headers::head(&mut body).map_err(|error| error.to_string())?;
                Ok((head, body))
            });
            let shown = match opened {
                Err(words) => visit(Found::new(entry.folder, entry.name, Err(words))),
                Ok((head, rest)) => {
                    let (flags, date) = (flags(&head), headers::arrival(&head));
                    let mut body = Cursor::new(head).chain(rest);
                    let found = Found::new(entry.folder, entry.name, Ok(&mut body));
                    visit(Found {
                        flags,
                        date,
                        ..found
                    })
                }
            };
            if shown.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Messages in the archive's order, and its folders.
    fn entries<R: Read + Seek>(
        &self,
        archive: &mut ZipArchive<R>,
        left: &mut u64,
    ) -> Result<(Vec<Entry>, Vec<FolderPath>), ArchiveError> {
        let (mut entries, mut folders) = (Vec::new(), Vec::new());
        for index in 0..archive.len() {
            let file = archive
                .by_index_data(index)
                .map_err(|error| self.unusable(&error))?;
            let name = file
                .name()
                .map_err(|error| self.unusable(&error))?
                .into_owned();
            let placed = levels(&name);
            if file.is_dir() {
                if let Ok((mut above, last)) = placed
                    && !last.is_empty()
                {
                    above.push(last);
                    folders.push(folder(above));
                }
                continue;
            }
            let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
            let size = file.size();
            let trouble = match (Kind::of(last), &placed) {
                (Kind::Other, _) => continue,
                (Kind::Foreign(words), _) => Some(words),
                (Kind::Message, Err(words)) => Some(*words),
                (Kind::Message, Ok(_)) if file.encrypted() => {
                    Some("it is encrypted; unpack the archive with its password")
                }
                (Kind::Message, Ok(_)) if size > LARGEST => Some("it is larger than 512 MB"),
                (Kind::Message, Ok(_)) if size > *left => {
                    Some("the archive grows without measure; unpack and look at it first")
                }
                (Kind::Message, Ok(_)) => None,
            };
            *left = left.saturating_sub(size);
            let above = placed.map(|(above, _)| above).unwrap_or_default();
            entries.push(Entry {
                index,
                name,
                folder: folder(above),
                size,
                trouble: trouble.map(str::to_owned),
            });
        }
        if self.told.is_some_and(|told| told > archive.len() as u64) {
            let words = "entries of the archive have the same name; unpack it and give the folder";
            entries.push(Entry {
                index: 0,
                name: "the archive's directory".to_owned(),
                folder: folder(Vec::new()),
                size: 0,
                trouble: Some(words.to_owned()),
            });
        }
        Ok((entries, folders))
    }
}

/// Entries that the archive's last record tells, when it is one that tells them.
fn count(path: &Path) -> std::io::Result<Option<u64>> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(22 + 65535)))?;
    let mut tail = Vec::new();
    file.take(22 + 65535).read_to_end(&mut tail)?;
    let place = memchr::memmem::rfind(&tail, b"PK\x05\x06");
    let told = place.and_then(|at| tail.get(at + 10..at + 12));
    let told = told.map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]));
    Ok(told.filter(|count| *count != u16::MAX).map(u64::from))
}

/// An entry that may not be longer than its directory says.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self
            .left
            .checked_sub(count as u64)
            .ok_or_else(|| std::io::Error::other("it is longer than the archive says"))?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn walk(archive: &mut Zipped) -> Vec<String> {
        let mut seen = Vec::new();
        archive
            .walk(&mut |found| {
                let text = match found.body {
                    Ok(body) => {
                        std::io::read_to_string(body).unwrap_or_else(|error| error.to_string())
                    }
                    Err(words) => words,
                };
                seen.push(format!("{}|{}|{text}", found.folder, found.locator));
                ControlFlow::Continue(())
            })
            .expect("walk");
        seen
    }

    fn pack(path: &Path, entries: &[(&str, &[u8])]) {
        let mut zip = ZipWriter::new(File::create(path).expect("create"));
        for (name, bytes) in entries {
            if name.ends_with('/') {
                zip.add_directory(*name, SimpleFileOptions::default())
                    .expect("dir");
            } else {
                zip.start_file(*name, SimpleFileOptions::default())
                    .expect("start");
                zip.write_all(bytes).expect("write");
            }
        }
        zip.finish().expect("finish");
    }

    #[test]
    fn names_become_folders_and_never_paths() {
        let directory = tempfile::tempdir().expect("dir");
        let path = directory.path().join("a.zip");
        pack(
            &path,
            &[
                ("a.eml", b"A: b\n\n"),
                ("Été/b.eml", b"b"),
                ("Vide/", b""),
                ("../../etc/c.eml", b"c"),
                ("back\\slash/d.eml", b"d"),
                ("Été/e.txt", b"e"),
            ],
        );
        assert!(is_zip(&path));
        let mut archive = Zipped::new(&path);
        assert_eq!(
            walk(&mut archive),
            [
                "INBOX|a.eml|A: b\n\n",
                "Été|Été/b.eml|b",
                "INBOX|../../etc/c.eml|its name points outside of the archive",
                "back/slash|back\\slash/d.eml|d",
            ]
        );
        let folders = archive.folders().expect("folders");
        assert_eq!(folders, [(FolderPath(vec!["Vide".to_owned()]), true)]);
    }

    #[test]
    fn damage_and_bombs_are_told() {
        let directory = tempfile::tempdir().expect("dir");
        let path = directory.path().join("a.zip");
        pack(
            &path,
            &[("a.eml", b"alpha alpha alpha alpha"), ("b.eml", b"beta")],
        );
        let whole = std::fs::read(&path).expect("read");
        for cut in [10, whole.len() / 2, whole.len() - 3] {
            std::fs::write(&path, &whole[..cut]).expect("write");
            let refused = Zipped::new(&path).walk(&mut |_| ControlFlow::Continue(()));
            assert!(refused.is_err(), "cut at {cut}");
        }
        // The directory says less than the entry holds.
        let mut lying = whole.clone();
        let central = memchr::memmem::find(&lying, b"PK\x01\x02").expect("directory");
        lying[central + 24] = 3;
        std::fs::write(&path, &lying).expect("write");
        let seen = walk(&mut Zipped::new(&path));
        assert!(seen[0].contains("larger than its declared"), "{seen:?}");
        assert_eq!(seen[1], "INBOX|b.eml|beta");
        // A size beyond all measure.
        lying[central + 24..central + 28].copy_from_slice(&0x7fff_ffffu32.to_le_bytes());
        std::fs::write(&path, &lying).expect("write");
        let seen = walk(&mut Zipped::new(&path));
        assert!(seen[0].contains("larger than 512 MB"), "{seen:?}");
    }
}
