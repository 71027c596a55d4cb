//! Messages that a mail store compressed: found by their first bytes.

use std::fs::File;
use std::io::{Read, Seek};

/// Reads a file that may be compressed with gzip or Zstandard.
pub(super) fn inflate(mut file: File) -> std::io::Result<Box<dyn Read>> {
    let mut magic = Vec::new();
    Read::by_ref(&mut file).take(4).read_to_end(&mut magic)?;
    file.rewind()?;
    if magic.starts_with(&[0x1f, 0x8b]) {
        return Ok(Box::new(flate2::read::MultiGzDecoder::new(file)));
    }
    if magic == [0x28, 0xb5, 0x2f, 0xfd] {
        return Ok(Box::new(zstd::stream::read::Decoder::new(file)?));
    }
    let known = [&b"BZh"[..], b"\x04\x22\x4d\x18", b"\xfd7zX", b"Dovecot-LZ4"];
    if known
        .iter()
        .any(|known| magic.starts_with(&known[..known.len().min(4)]))
    {
        return Err(std::io::Error::other(
            "it is compressed with bzip2, LZ4 or XZ; only gzip and Zstandard are read",
        ));
    }
    Ok(Box::new(file))
}
