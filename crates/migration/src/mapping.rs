//! Folder names between servers with different separators, prefixes and alphabets.

use std::collections::HashSet;

use crate::imap::utf7;
use crate::model::FolderPath;

/// How one server writes folder names.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NameStyle {
    /// Hierarchy separator; `None` for a flat server.
    pub separator: Option<char>,
    /// Prefix of the personal namespace, such as `INBOX.`.
    pub prefix: String,
}

impl NameStyle {
    /// Reads a name from the wire. A level that is not modified UTF-7 stays as it is.
    pub fn read(&self, wire: &str) -> FolderPath {
        if wire.eq_ignore_ascii_case("INBOX") {
            return FolderPath(vec!["INBOX".to_owned()]);
        }
        let own = wire.strip_prefix(&self.prefix).unwrap_or(wire);
        let decode = |level: &str| utf7::decode(level).unwrap_or_else(|| level.to_owned());
        let levels: Vec<String> = match self.separator {
            Some(separator) => own.split(separator).map(decode).collect(),
            None => vec![decode(own)],
        };
        FolderPath(levels)
    }

    /// Writes a path for the wire, replacing what this server's separator forbids in a level.
    pub fn write(&self, path: &FolderPath) -> String {
        if path.is_inbox() {
            return "INBOX".to_owned();
        }
        let levels = path.0.iter().map(|level| {
            let level = match self.separator {
                Some(separator) => level.replace(separator, "_"),
                None => level.clone(),
            };
            utf7::encode(&level)
        });
        let separator = self.separator.map(String::from);
        let joined = levels
            .collect::<Vec<_>>()
            .join(separator.as_deref().unwrap_or("_"));
        format!("{}{joined}", self.prefix)
    }

    /// Writes a path so that it clashes with no name in `taken`; the result is added there.
    pub fn write_apart(&self, path: &FolderPath, taken: &mut HashSet<String>) -> String {
        let mut name = self.write(path);
        let mut number = 2;
        while !taken.insert(name.to_lowercase()) {
            let mut other = path.clone();
            if let Some(last) = other.0.last_mut() {
                *last = format!("{last} ({number})");
            }
            name = self.write(&other);
            number += 1;
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style(separator: char, prefix: &str) -> NameStyle {
        NameStyle {
            separator: Some(separator),
            prefix: prefix.to_owned(),
        }
    }

    #[test]
    fn maps_separators_prefixes_and_accents() {
        let (old, new) = (style('.', "INBOX."), style('/', ""));
        let path = old.read("INBOX.Archives.&AMk-t&AOk-.a/b");
        assert_eq!(path.to_string(), "Archives/Été/a/b");
        assert_eq!(path.0.len(), 3);
        assert_eq!(new.write(&path), "Archives/&AMk-t&AOk-/a_b");
        assert!(old.read("inbox").is_inbox());
        assert_eq!(old.write(&new.read("Sent")), "INBOX.Sent");
        assert_eq!(new.read("R&D").0, ["R&D"]);
    }

    #[test]
    fn clashing_names_are_told_apart() {
        let style = style('/', "");
        let mut taken = HashSet::new();
        let first = style.write_apart(&FolderPath(vec!["a_b".into()]), &mut taken);
        let second = style.write_apart(&FolderPath(vec!["a/b".into()]), &mut taken);
        assert_eq!((first.as_str(), second.as_str()), ("a_b", "a_b (2)"));
    }
}
