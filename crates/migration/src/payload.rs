//! A message's raw bytes: in memory when small, in an unnamed file when large, never altered.

use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::model::MessageHash;

/// Larger messages go to disk.
pub const SPILL_ABOVE: u64 = 1 << 20;
/// Unit in which memory and spill space are counted.
const UNIT: u64 = 1024;
/// Bytes read from a spilled file at once.
const CHUNK: usize = 256 * 1024;

/// A message's raw bytes with what was learned while they passed.
#[derive(Debug)]
pub struct Payload {
    /// Number of bytes.
    pub size: u64,
    /// BLAKE3 of the bytes.
    pub hash: MessageHash,
    store: Store,
    /// Held until the payload is dropped: bounds what is in flight.
    _room: Option<OwnedSemaphorePermit>,
}

#[derive(Debug)]
enum Store {
    Nothing,
    Memory(Bytes),
    File(std::fs::File),
}

impl Payload {
    /// Wraps bytes already in memory.
    pub fn from_bytes(bytes: Bytes) -> Self {
        let hash = MessageHash::of(&bytes);
        Self {
            size: bytes.len() as u64,
            hash,
            store: Store::Memory(bytes),
            _room: None,
        }
    }

    /// The bytes, when they are in memory.
    pub fn memory(&self) -> Option<&Bytes> {
        match &self.store {
            Store::Memory(bytes) => Some(bytes),
            Store::Nothing | Store::File(_) => None,
        }
    }

    /// Reads a spilled payload from its start, chunk by chunk; nothing when it is in memory.
    pub fn spilled_chunks(&self) -> std::io::Result<Option<SpilledChunks>> {
        let Store::File(file) = &self.store else {
            return Ok(None);
        };
        let mut file = file.try_clone()?;
        file.rewind()?;
        Ok(Some(SpilledChunks { file }))
    }
}

/// Chunks of a payload on disk.
#[derive(Debug)]
pub struct SpilledChunks {
    file: std::fs::File,
}

impl SpilledChunks {
    /// The next chunk; empty at the end.
    pub fn next_chunk(&mut self) -> std::io::Result<Vec<u8>> {
        let mut chunk = Vec::with_capacity(CHUNK);
        Read::by_ref(&mut self.file)
            .take(CHUNK as u64)
            .read_to_end(&mut chunk)?;
        Ok(chunk)
    }
}

/// Where message bodies go while they are read.
#[derive(Clone, Debug)]
pub enum BodySink {
    /// Keep the bytes, within bounds.
    Keep(Arc<Room>),
    /// Only hash them (verification, reading the target back).
    HashOnly,
}

/// Bounds of what one worker keeps in flight.
#[derive(Debug)]
pub struct Room {
    memory: Arc<Semaphore>,
    disk: Arc<Semaphore>,
    memory_units: u32,
    disk_units: u32,
    directory: PathBuf,
}

impl Room {
    /// `memory` and `disk` in bytes; large messages become unnamed files in `directory`.
    pub fn new(memory: u64, disk: u64, directory: &Path) -> Arc<Self> {
        let (memory_units, disk_units) = (units(memory), units(disk));
        Arc::new(Self {
            memory: Arc::new(Semaphore::new(memory_units as usize)),
            disk: Arc::new(Semaphore::new(disk_units as usize)),
            memory_units,
            disk_units,
            directory: directory.to_owned(),
        })
    }

    /// Bytes of small messages that may be in memory.
    pub fn memory(&self) -> u64 {
        u64::from(self.memory_units) * UNIT
    }

    /// A writer for a body whose size is not known yet, on disk. What it gives is admitted with
    /// [`Room::admit`] before it joins what is in flight.
    pub fn unmeasured(&self) -> std::io::Result<PayloadWriter> {
        Ok(PayloadWriter {
            size: 0,
            hasher: blake3::Hasher::new(),
            store: Writing::File(tempfile::tempfile_in(&self.directory)?),
            room: None,
        })
    }

    /// Waits until there is room for a payload that was written before its size was known.
    pub async fn admit(&self, payload: Payload) -> Payload {
        let permit = self.take(payload.size).await;
        Payload {
            _room: permit,
            ..payload
        }
    }

    async fn take(&self, size: u64) -> Option<OwnedSemaphorePermit> {
        let (semaphore, most) = if size > SPILL_ABOVE {
            (&self.disk, self.disk_units)
        } else {
            (&self.memory, self.memory_units)
        };
        Arc::clone(semaphore)
            .acquire_many_owned(units(size).min(most))
            .await
            .ok()
    }
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT).max(1)).unwrap_or(u32::MAX)
}

impl BodySink {
    /// Waits for room, then returns a writer for a body of `size` bytes.
    pub async fn open(&self, size: u64) -> std::io::Result<PayloadWriter> {
        let (store, room) = match self {
            Self::HashOnly => (Writing::Nothing, None),
            Self::Keep(room) => {
                let permit = room.take(size).await;
                if size > SPILL_ABOVE {
                    (
                        Writing::File(tempfile::tempfile_in(&room.directory)?),
                        permit,
                    )
                } else {
                    let capacity = usize::try_from(size).unwrap_or(0);
                    (Writing::Memory(Vec::with_capacity(capacity)), permit)
                }
            }
        };
        Ok(PayloadWriter {
            size: 0,
            hasher: blake3::Hasher::new(),
            store,
            room,
        })
    }
}

enum Writing {
    Nothing,
    Memory(Vec<u8>),
    File(std::fs::File),
}

/// Receives a body's bytes in order.
pub struct PayloadWriter {
    size: u64,
    hasher: blake3::Hasher,
    store: Writing,
    room: Option<OwnedSemaphorePermit>,
}

impl PayloadWriter {
    /// Appends bytes.
    pub fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.size += bytes.len() as u64;
        self.hasher.update(bytes);
        match &mut self.store {
            Writing::Nothing => Ok(()),
            Writing::Memory(memory) => {
                memory.extend_from_slice(bytes);
                Ok(())
            }
            Writing::File(file) => file.write_all(bytes),
        }
    }

    /// Ends the body.
    pub fn finish(self) -> Payload {
        Payload {
            size: self.size,
            hash: MessageHash(*self.hasher.finalize().as_bytes()),
            store: match self.store {
                Writing::Nothing => Store::Nothing,
                Writing::Memory(memory) => Store::Memory(memory.into()),
                Writing::File(file) => Store::File(file),
            },
            _room: self.room,
        }
    }
}
