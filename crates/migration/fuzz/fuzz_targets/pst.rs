//! PST: an input is a file with holes, since whole files are too large to be mutated: its size
//! (u64), then regions, each an offset (u32), a length (u32) and bytes; what is in none reads as
//! zeros.
#![no_main]

use std::io;

use libfuzzer_sys::fuzz_target;
use melouvert_migration::source::pst::{ReadAt, read_through};

struct Sparse<'a> {
    size: u64,
    regions: Vec<(u64, &'a [u8])>,
}

impl<'a> Sparse<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (size, mut rest) = bytes.split_first_chunk()?;
        let mut regions = Vec::new();
        while let Some((offset, after)) = rest.split_first_chunk() {
            let (length, after) = after.split_first_chunk()?;
            let length = u32::from_le_bytes(*length) as usize;
            let (part, after) = after.split_at(length.min(after.len()));
            regions.push((u64::from(u32::from_le_bytes(*offset)), part));
            rest = after;
        }
        let size = u64::from_le_bytes(*size) % (1 << 26);
        Some(Self { size, regions })
    }
}

impl ReadAt for Sparse<'_> {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        if offset.saturating_add(buffer.len() as u64) > self.size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer.fill(0);
        for (start, part) in &self.regions {
            let (from, to) = (offset.max(*start), start + part.len() as u64);
            let end = to.min(offset + buffer.len() as u64);
            if from < end {
                let source = (from - start) as usize..(end - start) as usize;
                let target = (from - offset) as usize..(end - offset) as usize;
                buffer[target].copy_from_slice(&part[source]);
            }
        }
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.size)
    }
}

fuzz_target!(|bytes: &[u8]| {
    if let Some(file) = Sparse::parse(bytes) {
        // What is damaged is told as an error.
        let _ = read_through(file);
    }
});
