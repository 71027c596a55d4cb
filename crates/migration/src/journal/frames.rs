//! The frame of an append-only file's lines: length, checksum, content.

use std::io::Read;

use serde::Serialize;
use serde::de::DeserializeOwned;

const CHECKSUM: usize = 8;
/// Bytes before a line's content.
pub(super) const FRAME: usize = 4 + CHECKSUM;
/// Longest line; a larger length is a torn one.
pub(super) const MAX_LINE: usize = 1 << 20;

fn checksum(content: &[u8]) -> [u8; CHECKSUM] {
    let mut short = [0; CHECKSUM];
    short.copy_from_slice(&blake3::hash(content).as_bytes()[..CHECKSUM]);
    short
}

/// Appends a framed line to a buffer.
pub(crate) fn frame<T: Serialize>(line: &T, out: &mut Vec<u8>) -> std::io::Result<()> {
    let content = postcard::to_stdvec(line).map_err(std::io::Error::other)?;
    let length = u32::try_from(content.len()).map_err(std::io::Error::other)?;
    if content.len() > MAX_LINE {
        return Err(std::io::Error::other("a line of a journal is too long"));
    }
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&checksum(&content));
    out.extend_from_slice(&content);
    Ok(())
}

/// Reads framed lines up to the last whole one.
pub(crate) struct Reader<R> {
    inner: R,
    content: Vec<u8>,
    whole: u64,
}

impl<R: Read> Reader<R> {
    /// Reads from where `reader` stands.
    pub(crate) fn new(reader: R) -> Self {
        Self {
            inner: reader,
            content: vec![0; MAX_LINE],
            whole: 0,
        }
    }

    /// The next line; `None` where the file ends, or where a line is torn or altered.
    pub(crate) fn next<T: DeserializeOwned>(&mut self) -> std::io::Result<Option<T>> {
        let mut head = [0u8; FRAME];
        if !fill(&mut self.inner, &mut head)? {
            return Ok(None);
        }
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        if !(1..=MAX_LINE).contains(&length) {
            return Ok(None);
        }
        let content = &mut self.content[..length];
        if !fill(&mut self.inner, content)? || head[4..] != checksum(content) {
            return Ok(None);
        }
        let line = postcard::from_bytes(content).ok();
        if line.is_some() {
            self.whole += (FRAME + length) as u64;
        }
        Ok(line)
    }

    /// Bytes of the whole lines read so far.
    pub(crate) fn whole(&self) -> u64 {
        self.whole
    }
}

/// Fills a buffer; false when the file ends first.
pub(super) fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<bool> {
    match reader.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
