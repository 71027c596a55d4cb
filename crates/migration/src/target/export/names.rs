//! Folder names as directories that every system and `sha256sum` accept.

use std::collections::HashSet;
use std::fmt::Write as _;

use crate::model::FolderPath;

/// Directory of a folder's messages; no folder may take its name.
pub(super) const MESSAGES: &str = "messages";
/// The folder's messages in one file.
pub(super) const MBOX: &str = "messages.mbox";
/// One line per message.
pub(super) const INDEX: &str = "index.jsonl";
/// The folder's own description.
pub(super) const FOLDER: &str = "folder.json";
/// Longest level, in bytes, so that a number fits behind it.
const LONGEST_LEVEL: usize = 200;

/// The directory of a folder below `mail/`, told apart from those in `taken`.
pub(super) fn directory(path: &FolderPath, taken: &mut HashSet<String>) -> String {
    let mut number = 1;
    loop {
        let mut levels: Vec<String> = path.0.iter().map(|level| write_level(level)).collect();
        if number > 1
            && let Some(last) = levels.last_mut()
        {
            *last = format!("{last} ({number})");
        }
        let name = levels.join("/");
        if taken.insert(name.to_lowercase()) {
            return name;
        }
        number += 1;
    }
}

/// One level: what a file system may refuse is written `%XX`.
pub(crate) fn write_level(level: &str) -> String {
    let own = [MESSAGES, MBOX, INDEX, FOLDER];
    let reserved = own.iter().any(|name| name.eq_ignore_ascii_case(level));
    let last = level.chars().count().saturating_sub(1);
    let mut out = String::with_capacity(level.len());
    for (place, character) in level.chars().enumerate() {
        let forbidden = character.is_control() || "/\\:*?\"<>|%".contains(character);
        let edge = (place == 0 || place == last) && (character == '.' || character == ' ');
        if forbidden || edge || (reserved && place == 0) {
            let mut bytes = [0; 4];
            for byte in character.encode_utf8(&mut bytes).bytes() {
                // Writing to a string cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
        } else {
            out.push(character);
        }
    }
    if out.is_empty() {
        return "%".to_owned();
    }
    if out.len() > LONGEST_LEVEL {
        let mark = &blake3::hash(level.as_bytes()).to_hex()[..8];
        let end = out.floor_char_boundary(LONGEST_LEVEL - 10);
        out.truncate(end);
        out.push('~');
        out.push_str(mark);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_and_apart() {
        for (level, written) in [
            ("Été & co", "Été & co"),
            ("..", "%2E%2E"),
            ("a/b", "a%2Fb"),
            ("Messages", "%4Dessages"),
            ("", "%"),
            ("100 %", "100 %25"),
            ("fin.", "fin%2E"),
            ("deux\nlignes", "deux%0Alignes"),
        ] {
            assert_eq!(write_level(level), written);
        }
        assert!(write_level(&"é".repeat(300)).len() <= LONGEST_LEVEL);
        let mut taken = HashSet::new();
        let mut name = |level: &str| directory(&FolderPath(vec![level.to_owned()]), &mut taken);
        assert_eq!((name("A"), name("a")), ("A".to_owned(), "a (2)".to_owned()));
    }
}
