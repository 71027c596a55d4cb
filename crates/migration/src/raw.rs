//! Bytes that need not be UTF-8, carried in text: folder names of old servers, cards of Outlook.
//!
//! A byte that is not UTF-8 becomes a character of its own at the end of the last private plane, and
//! comes back as that very byte. Text that holds such characters already is taken apart in the same
//! way, so no two byte strings read alike.

use std::borrow::Cow;

use encoding_rs::WINDOWS_1252;

/// The character of byte 0; those of the bytes follow.
const BASE: u32 = 0x0010_FF00;

fn mark(byte: u8) -> char {
    // Every such number is a character.
    char::from_u32(BASE + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn byte_of(character: char) -> Option<u8> {
    u8::try_from(u32::from(character).checked_sub(BASE)?).ok()
}

/// The text of bytes.
pub fn text(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if byte_of(character).is_some() {
                let mut buffer = [0; 4];
                let bytes = character.encode_utf8(&mut buffer).bytes();
                out.extend(bytes.map(mark));
            } else {
                out.push(character);
            }
        }
        out.extend(chunk.invalid().iter().copied().map(mark));
    }
    out
}

/// The bytes of a text.
pub fn bytes(text: &str) -> Cow<'_, [u8]> {
    if is_text(text) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut out = Vec::with_capacity(text.len());
    let mut buffer = [0; 4];
    for character in text.chars() {
        match byte_of(character) {
            Some(byte) => out.push(byte),
            None => out.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes()),
        }
    }
    Cow::Owned(out)
}

/// Whether a text holds no raw bytes.
pub fn is_text(text: &str) -> bool {
    !text.chars().any(|character| byte_of(character).is_some())
}

/// A text as a person reads it: raw bytes as Western European Windows writes them.
pub fn shown(text: &str) -> Cow<'_, str> {
    if is_text(text) {
        return Cow::Borrowed(text);
    }
    let bytes = bytes(text);
    let (decoded, _) = WINDOWS_1252.decode_without_bom_handling(&bytes);
    Cow::Owned(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn raw_names_are_read_by_people() {
        let latin = text(b"\xc9lus");
        assert_eq!(shown(&latin), "Élus");
        assert_eq!(&*bytes(&latin), b"\xc9lus");
        assert_eq!(shown(&text("Élus".as_bytes())), "Élus");
        assert!(is_text("Élus \u{10FEFF}") && !is_text(&latin));
    }

    proptest! {
        #[test]
        fn every_byte_comes_back(name in proptest::collection::vec(any::<u8>(), 0..40)) {
            let read = text(&name);
            prop_assert_eq!(&*bytes(&read), &name[..]);
        }

        /// Also where a server writes those very characters.
        #[test]
        fn marks_of_a_server_are_none_of_ours(name in "[a\u{10FF00}-\u{10FFFF}é]{0,10}") {
            let read = text(name.as_bytes());
            prop_assert_eq!(&*bytes(&read), name.as_bytes());
        }
    }
}
