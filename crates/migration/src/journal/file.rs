//! The journal's file: locked by one writer, read to the last whole record, appended to.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::frames::{self, fill, frame};
use super::record::Record;
use super::state::JournalState;
use crate::error::MigrationError;

const MAGIC: &[u8; 8] = b"MELOUVMJ";
/// 2 added records; all of 1 are read as they were.
const FORMAT: u16 = 2;
const OLDEST: u16 = 1;
/// Bytes after which the journal is put on disk. What a crash of the machine takes away is found
/// again by hash, so this bounds work, not safety.
const UNSYNCED: u64 = 1 << 20;
const HEADER: usize = 10;

/// An open journal; nobody else can open it until it is dropped.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    state: JournalState,
    buffer: Vec<u8>,
    unsynced: u64,
    _lock: File,
}

impl Journal {
    /// Locks, reads and prepares the journal in `directory`, which is made if needed.
    pub fn open(directory: &Path) -> Result<Self, MigrationError> {
        let path = directory.join("journal");
        let failed = |source| MigrationError::Journal {
            path: path.clone(),
            source,
        };
        std::fs::create_dir_all(directory).map_err(failed)?;
        let lock = lock(&directory.join("lock"))?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        let mut state = JournalState::default();
        let whole = load(&mut file, &path, &mut state)?;
        let length = file.metadata().map_err(failed)?.len();
        if whole < length {
            tracing::warn!(path = %path.display(), lost = length - whole, "journal_tail_dropped");
            file.set_len(whole).map_err(failed)?;
            state.interrupted = true;
        }
        file.seek(SeekFrom::Start(whole)).map_err(failed)?;
        let mut journal = Self {
            path,
            file,
            state,
            buffer: Vec::new(),
            unsynced: 0,
            _lock: lock,
        };
        if whole == 0 {
            journal.write_header()?;
        }
        Ok(journal)
    }

    /// What the journal in `directory` says, without taking it or writing anything; none when there
    /// is none.
    pub fn peek(directory: &Path) -> Result<Option<JournalState>, MigrationError> {
        let path = directory.join("journal");
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(MigrationError::Journal { path, source }),
        };
        let mut state = JournalState::default();
        load(&mut file, &path, &mut state)?;
        Ok(Some(state))
    }

    fn write_header(&mut self) -> Result<(), MigrationError> {
        let mut header = MAGIC.to_vec();
        header.extend_from_slice(&FORMAT.to_le_bytes());
        self.file
            .write_all(&header)
            .map_err(|source| self.failed(source))
    }

    fn failed(&self, source: std::io::Error) -> MigrationError {
        MigrationError::Journal {
            path: self.path.clone(),
            source,
        }
    }

    /// What the journal says.
    pub fn state(&self) -> &JournalState {
        &self.state
    }

    /// Appends records and hands them to the kernel: they survive the death of this process.
    pub fn append(&mut self, records: Vec<Record>) -> Result<(), MigrationError> {
        self.buffer.clear();
        for record in &records {
            frame(record, &mut self.buffer).map_err(|source| MigrationError::Journal {
                path: self.path.clone(),
                source,
            })?;
        }
        self.file
            .write_all(&self.buffer)
            .map_err(|source| self.failed(source))?;
        self.unsynced += self.buffer.len() as u64;
        for record in records {
            self.state.apply(record);
        }
        if self.unsynced > UNSYNCED {
            self.sync()?;
        }
        Ok(())
    }

    /// Puts what was appended on disk: it survives the death of the machine.
    pub fn sync(&mut self) -> Result<(), MigrationError> {
        if self.unsynced > 0 {
            self.file
                .sync_data()
                .map_err(|source| self.failed(source))?;
            self.unsynced = 0;
        }
        Ok(())
    }
}

fn lock(path: &Path) -> Result<File, MigrationError> {
    let failed = |source| MigrationError::Journal {
        path: path.to_owned(),
        source,
    };
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(MigrationError::Locked {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Applies every whole record; returns where they end.
fn load(file: &mut File, path: &Path, state: &mut JournalState) -> Result<u64, MigrationError> {
    let failed = |source| MigrationError::Journal {
        path: path.to_owned(),
        source,
    };
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    let mut reader = BufReader::with_capacity(1 << 18, file);
    let mut header = [0u8; HEADER];
    if !fill(&mut reader, &mut header).map_err(failed)? {
        return Ok(0);
    }
    if &header[..8] != MAGIC {
        let source = std::io::Error::other("it is not a journal; move it away");
        return Err(failed(source));
    }
    let found = u16::from_le_bytes([header[8], header[9]]);
    if !(OLDEST..=FORMAT).contains(&found) {
        return Err(MigrationError::JournalFormat {
            path: path.to_owned(),
            found,
        });
    }
    let mut lines = frames::Reader::new(reader);
    while let Some(record) = lines.next().map_err(failed)? {
        state.apply(record);
    }
    Ok(HEADER as u64 + lines.whole())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::journal::{FolderRecord, ItemRecord, Watermark};
    use crate::model::{FlagSet, FolderPath, MessageHash};

    fn folder(id: u32) -> Record {
        Record::Folder(FolderRecord {
            id,
            path: FolderPath(vec!["Été".into(), id.to_string()]),
            source_validity: 7,
            target_name: "x".into(),
            target_validity: 9,
        })
    }

    fn item(folder: u32, uid: u32) -> Record {
        Record::Item(
            folder,
            ItemRecord {
                source_uid: uid,
                target_uid: uid + 100,
                size: 3,
                hash: MessageHash::of(&uid.to_le_bytes()),
                flags: FlagSet::new(["\\Seen", "$a"]),
                date: None,
                written: true,
                floor: true,
            },
        )
    }

    fn write(directory: &Path, records: &[Record]) {
        let mut journal = Journal::open(directory).expect("open");
        journal.append(records.to_vec()).expect("append");
        journal.sync().expect("sync");
    }

    #[test]
    fn a_second_worker_is_refused() {
        let directory = tempfile::tempdir().expect("dir");
        let first = Journal::open(directory.path()).expect("open");
        let second = Journal::open(directory.path()).expect_err("locked");
        assert!(matches!(second, MigrationError::Locked { .. }));
        drop(first);
        Journal::open(directory.path()).expect("free again");
    }

    #[test]
    fn another_file_is_not_overwritten() {
        let directory = tempfile::tempdir().expect("dir");
        std::fs::write(
            directory.path().join("journal"),
            b"something else altogether",
        )
        .expect("w");
        assert!(Journal::open(directory.path()).is_err());
        std::fs::write(directory.path().join("journal"), b"MELOUVMJ\xff\xff").expect("w");
        let error = Journal::open(directory.path()).expect_err("format");
        assert!(matches!(
            error,
            MigrationError::JournalFormat { found: 0xffff, .. }
        ));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Cut anywhere, or with a byte changed anywhere, the journal yields a prefix of what was
        /// written, and can be appended to.
        #[test]
        fn any_damage_leaves_a_prefix(count in 0u32..30, cut in any::<prop::sample::Index>(), flip in any::<Option<u8>>()) {
            let directory = tempfile::tempdir().expect("dir");
            let mut records = vec![folder(0)];
            records.extend((1..=count).map(|uid| item(0, uid)));
            write(directory.path(), &records);
            let path = directory.path().join("journal");
            let mut bytes = std::fs::read(&path).expect("read");
            let place = 10 + cut.index(bytes.len() - 10);
            match flip {
                Some(mask) if mask != 0 => bytes[place] ^= mask,
                _ => bytes.truncate(place),
            }
            std::fs::write(&path, &bytes).expect("write");
            let held = {
                let journal = Journal::open(directory.path()).expect("open");
                prop_assert!(journal.state().interrupted || place == bytes.len());
                journal.state().by_id(0).map_or(0, |folder| folder.items.len())
            };
            prop_assert!(held <= count as usize);
            write(directory.path(), &[folder(1), Record::Complete(1, Watermark::default(), 0)]);
            let journal = Journal::open(directory.path()).expect("open again");
            for uid in 1..=u32::try_from(held).expect("small") {
                prop_assert!(journal.state().by_id(0).expect("folder").items.contains(uid));
            }
            prop_assert_eq!(journal.state().by_id(1).and_then(|f| f.complete), Some(Watermark::default()));
        }
    }
}
