//! Names in a Maildir++: of folders, and of files with what they tell.

use std::collections::HashSet;

use crate::imap::utf7;
use crate::model::{FlagSet, FolderPath};

const SYSTEM: [(char, &str); 5] = [
    ('D', "\\Draft"),
    ('F', "\\Flagged"),
    ('R', "\\Answered"),
    ('S', "\\Seen"),
    ('T', "\\Deleted"),
];

/// The name of a folder as Dovecot writes it, told apart from those in `taken`.
pub(super) fn folder(path: &FolderPath, taken: &mut HashSet<String>) -> String {
    if path.is_inbox() {
        return "INBOX".to_owned();
    }
    let mut number = 1;
    loop {
        let mut levels: Vec<String> = path.0.clone();
        if number > 1
            && let Some(last) = levels.last_mut()
        {
            *last = format!("{last} ({number})");
        }
        let levels: Vec<String> = levels.iter().map(|level| write_level(level)).collect();
        let name = levels.join(".");
        if taken.insert(name.to_lowercase()) {
            return name;
        }
        number += 1;
    }
}

fn write_level(level: &str) -> String {
    if level.is_empty() {
        return "_".to_owned();
    }
    utf7::encode(&level.replace(['.', '/'], "_"))
}

/// A file's name before its flags, and the letters after them.
pub(super) fn split(name: &str) -> (&str, &str) {
    match name.split_once(':') {
        Some((base, info)) => (base, info.strip_prefix("2,").unwrap_or("")),
        None => (name, ""),
    }
}

/// Flags told by letters.
pub(super) fn flags(letters: &str, keywords: &[String]) -> FlagSet {
    let names = letters.chars().filter_map(|letter| match letter {
        'a'..='z' => keywords
            .get(usize::from(letter as u8 - b'a'))
            .map(String::as_str),
        _ => SYSTEM
            .iter()
            .find(|(known, _)| *known == letter)
            .map(|(_, name)| *name),
    });
    FlagSet::new(names)
}

/// Letters of flags, sorted, with those of `others` that mean nothing here. A keyword that has no
/// letter is left out.
pub(super) fn letters(flags: &FlagSet, keywords: &[String], others: &str) -> String {
    let known = |letter: &char| {
        letter.is_ascii_lowercase() || SYSTEM.iter().any(|(system, _)| system == letter)
    };
    let mut letters: Vec<char> = others.chars().filter(|letter| !known(letter)).collect();
    for flag in flags.iter() {
        if let Some((letter, _)) = SYSTEM.iter().find(|(_, name)| *name == flag) {
            letters.push(*letter);
        } else if let Some(place) = keywords.iter().position(|k| k.eq_ignore_ascii_case(flag))
            && let Ok(place) = u8::try_from(place)
            && place < 26
        {
            letters.push(char::from(b'a' + place));
        }
    }
    letters.sort_unstable();
    letters.dedup();
    letters.into_iter().collect()
}

/// Flags that need a place in the list of keywords.
pub(super) fn is_keyword(flag: &str) -> bool {
    !flag.starts_with('\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_names_stay_inside_the_mailbox() {
        let mut taken = HashSet::from(["inbox".to_owned()]);
        let mut name = |levels: &[&str]| {
            let levels = levels.iter().map(|level| (*level).to_owned()).collect();
            folder(&FolderPath(levels), &mut taken)
        };
        assert_eq!(name(&["INBOX"]), "INBOX");
        assert_eq!(name(&["Archives", "Été"]), "Archives.&AMk-t&AOk-");
        assert_eq!(name(&["..", "a/b"]), "__.a_b");
        assert_eq!(name(&["", "x"]), "_.x");
        assert_eq!(name(&["Inbox"]), "Inbox (2)");
        assert_eq!(name(&["__.a_b"]), "___a_b");
        assert_eq!(name(&["..", "a.b"]), "__.a_b (2)");
    }

    #[test]
    fn letters_tell_flags_and_keep_foreign_ones() {
        let keywords = vec!["$Forwarded".to_owned(), "Projet".to_owned()];
        let set = FlagSet::new(["\\Seen", "projet", "\\Flagged", "absent"]);
        assert_eq!(letters(&set, &keywords, "PS"), "FPSb");
        assert_eq!(
            flags("FPSbz", &keywords).to_string(),
            "Projet \\Flagged \\Seen"
        );
        assert_eq!(split("1.M2P3.h,S=4:2,FS"), ("1.M2P3.h,S=4", "FS"));
        assert_eq!(split("1.M2P3.h"), ("1.M2P3.h", ""));
    }
}
