//! Bytes at an offset, the numbers in them, and what was read last.

use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

/// Bytes at an offset: a file, or memory.
pub trait ReadAt {
    /// Fills the buffer, or fails.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
    /// How many bytes there are.
    fn size(&self) -> io::Result<u64>;
}

impl ReadAt for std::fs::File {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, buffer, offset)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

impl ReadAt for &[u8] {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let part = start
            .checked_add(buffer.len())
            .and_then(|end| self.get(start..end))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(part);
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }
}

/// A failure that says what is damaged.
pub(super) fn damaged(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let part = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_le_bytes(part.try_into().ok()?))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let part = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(part.try_into().ok()?))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let part = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_le_bytes(part.try_into().ok()?))
}

/// What was read last, by its place.
pub(super) struct Remembered<K> {
    recent: VecDeque<(K, Rc<[u8]>)>,
}

impl<K: PartialEq> Remembered<K> {
    pub(super) fn new() -> Self {
        Self {
            recent: VecDeque::new(),
        }
    }

    pub(super) fn get(&mut self, key: &K) -> Option<Rc<[u8]>> {
        let place = self.recent.iter().position(|(known, _)| known == key)?;
        let found = self.recent.remove(place)?;
        let bytes = Rc::clone(&found.1);
        self.recent.push_front(found);
        Some(bytes)
    }

    pub(super) fn put(&mut self, key: K, bytes: Rc<[u8]>, most: usize) {
        self.recent.truncate(most.saturating_sub(1));
        self.recent.push_front((key, bytes));
    }
}
