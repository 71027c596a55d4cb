//! Folder names between servers with different separators, prefixes and alphabets.
//!
//! Two folders of a source never share one of the target by accident: [`NameStyle::read_all`] gives
//! each its own path, [`NameStyle::write_apart`] each its own name, where names that some server
//! takes for the same ([`NameStyle::sameness`]) count as one.

use std::collections::HashSet;

use unicode_normalization::UnicodeNormalization;

use crate::imap::utf7;
use crate::model::FolderPath;
use crate::raw;

/// How one server writes folder names.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NameStyle {
    /// Hierarchy separator; `None` for a flat server.
    pub separator: Option<char>,
    /// Prefix of the personal namespace, such as `INBOX.`.
    pub prefix: String,
    /// Names travel as UTF-8, not as modified UTF-7.
    pub utf8: bool,
}

impl NameStyle {
    /// Reads a name from the wire. A level that is not modified UTF-7 stays as it is.
    pub fn read(&self, wire: &str) -> FolderPath {
        if wire.eq_ignore_ascii_case("INBOX") {
            return FolderPath(vec!["INBOX".to_owned()]);
        }
        let own = wire.strip_prefix(&self.prefix).unwrap_or(wire);
        let decode = |level: &str| {
            let encoded = !self.utf8 && raw::is_text(level);
            let decoded = Some(level).filter(|_| encoded).and_then(utf7::decode);
            decoded.unwrap_or_else(|| raw::shown(level).into_owned())
        };
        let levels: Vec<String> = match self.separator {
            Some(separator) => own.split(separator).map(decode).collect(),
            None => vec![decode(own)],
        };
        let path = FolderPath(levels);
        if path.is_inbox() {
            // `INBOX.INBOX` is another folder than INBOX.
            return numbered(&path, 2);
        }
        path
    }

    /// Reads all names of a server: two names never give paths that read alike. The one that is
    /// written as this server should write it has the right to the path, then the first in order of
    /// bytes, whatever the order in which they come.
    pub fn read_all(&self, names: &[&str]) -> Vec<FolderPath> {
        let mut paths: Vec<FolderPath> = names.iter().map(|name| self.read(name)).collect();
        let natural: HashSet<String> = paths.iter().map(ToString::to_string).collect();
        let mut order: Vec<usize> = (0..names.len()).collect();
        order.sort_by_cached_key(|place| {
            (self.write(&paths[*place]) != names[*place], names[*place])
        });
        let mut taken = HashSet::new();
        for place in order {
            if taken.insert(paths[place].to_string()) {
                continue;
            }
            let mut number = 2;
            loop {
                let other = numbered(&paths[place], number);
                let shown = other.to_string();
                if !natural.contains(&shown) && taken.insert(shown) {
                    paths[place] = other;
                    break;
                }
                number += 1;
            }
        }
        paths
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
            if self.utf8 {
                level.replace(char::is_control, "_")
            } else {
                utf7::encode(&level)
            }
        });
        let separator = self.separator.map(String::from);
        let joined = levels
            .collect::<Vec<_>>()
            .join(separator.as_deref().unwrap_or("_"));
        format!("{}{joined}", self.prefix)
    }

    /// What a name is to a server that looks at neither case, nor the writing of accents, nor blanks
    /// at the ends of a level.
    pub fn sameness(&self, wire: &str) -> String {
        let own = wire.strip_prefix(&self.prefix).unwrap_or(wire);
        let decoded = Some(own).filter(|_| !self.utf8).and_then(utf7::decode);
        let decoded = decoded.as_deref().unwrap_or(own);
        let fold = |level: &str| {
            let lower: String = level.nfc().collect::<String>().to_lowercase();
            lower.nfc().collect::<String>().trim().to_owned()
        };
        match self.separator {
            Some(separator) => {
                let levels: Vec<String> = decoded.split(separator).map(fold).collect();
                levels.join("\0")
            }
            None => fold(decoded),
        }
    }

    /// Writes a path so that it clashes with no name in `taken`, which holds what names are the same
    /// as; the result is added there.
    pub fn write_apart(&self, path: &FolderPath, taken: &mut HashSet<String>) -> String {
        let mut name = self.write(path);
        let mut number = 2;
        while !taken.insert(self.sameness(&name)) {
            name = self.write(&numbered(path, number));
            number += 1;
        }
        name
    }
}

/// The path with a number behind its last level.
fn numbered(path: &FolderPath, number: u32) -> FolderPath {
    let mut other = path.clone();
    if let Some(last) = other.0.last_mut() {
        *last = format!("{} ({number})", last.trim_end());
    }
    other
}

#[cfg(test)]
mod tests;
