//! Long texts as the database keeps them. A session has 64 MiB of memory there, and a text passes
//! through it several times over; packed, a hundred megabytes of report are a few.

use std::io::Read as _;

use crate::StoreError;

/// The longest text that is unpacked, in bytes: above what anybody may hand over.
const LONGEST: u64 = 1 << 30;

/// Packs with zstd's usual effort.
pub(super) fn pack(text: &str) -> Result<Vec<u8>, StoreError> {
    zstd::encode_all(text.as_bytes(), 0).map_err(unusable)
}

/// The very text that was packed.
pub(super) fn unpack(packed: &[u8]) -> Result<String, StoreError> {
    let mut text = String::new();
    zstd::Decoder::new(packed)
        .map_err(unusable)?
        .take(LONGEST)
        .read_to_string(&mut text)
        .map_err(unusable)?;
    Ok(text)
}

fn unusable(source: std::io::Error) -> StoreError {
    StoreError::Query(sqlx::Error::Decode(Box::new(source)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_comes_back_to_the_byte() {
        for text in ["", "{\"a\": 1.50}", &"é\n".repeat(100_000)] {
            assert_eq!(unpack(&pack(text).unwrap()).unwrap(), text);
        }
        assert!(unpack(b"not packed").is_err());
        let cut = pack(&"text".repeat(1000)).unwrap();
        assert!(unpack(&cut[..cut.len() - 2]).is_err());
    }
}
