//! What a Maildir says in the names of its files and folders.

use std::path::Path;

use crate::imap::utf7;
use crate::model::{FlagSet, FolderPath};

/// Keyword letters, as `dovecot-keywords` numbers them.
#[derive(Debug, Default)]
pub(super) struct Keywords(Vec<Option<String>>);

impl Keywords {
    /// Reads `dovecot-keywords` of a folder; a folder without it has none.
    pub(super) fn read(directory: &Path) -> Self {
        let text = std::fs::read(directory.join("dovecot-keywords")).unwrap_or_default();
        Self::parse(&String::from_utf8_lossy(&text))
    }

    pub(super) fn parse(text: &str) -> Self {
        let mut names = vec![None; 26];
        for line in text.lines() {
            let Some((number, name)) = line.split_once(' ') else {
                continue;
            };
            let place = number.parse::<usize>().ok();
            if let Some(slot) = place.and_then(|place| names.get_mut(place)) {
                *slot = Some(name.trim().to_owned()).filter(|name| !name.is_empty());
            }
        }
        Self(names)
    }
}

/// The part of a file's name that stays when its flags change, and the flags.
pub(super) fn split(name: &str) -> (&str, &str) {
    let marks = [":2,", ";2,", "!2,"];
    let place = marks.iter().filter_map(|mark| name.rfind(mark)).max();
    match place {
        Some(place) => (&name[..place], &name[place + 3..]),
        None => (name, ""),
    }
}

/// Flags behind `:2,`.
pub(super) fn flags(info: &str, keywords: &Keywords) -> FlagSet {
    let letters = info.split(',').next().unwrap_or_default();
    FlagSet::new(letters.chars().filter_map(|letter| match letter {
        'D' => Some("\\Draft"),
        'F' => Some("\\Flagged"),
        'P' => Some("$Forwarded"),
        'R' => Some("\\Answered"),
        'S' => Some("\\Seen"),
        'T' => Some("\\Deleted"),
        'a'..='z' => {
            let place = letter as usize - 'a' as usize;
            keywords.0.get(place).and_then(Option::as_deref)
        }
        _ => None,
    }))
}

/// When a message was delivered, by its file's name: what sorts a folder as it arrived.
pub(super) fn arrival(name: &str) -> u64 {
    let digits = name.bytes().take_while(u8::is_ascii_digit).count();
    name[..digits].parse().unwrap_or(u64::MAX)
}

/// One level of a folder's name as it is on disk: modified UTF-7 where it is that.
pub(super) fn level(name: &str) -> String {
    utf7::decode(name).unwrap_or_else(|| name.to_owned())
}

/// A Maildir++ folder's levels: `Archives.2024` below its parent.
pub(super) fn dotted(parent: &FolderPath, name: &str) -> FolderPath {
    let mut levels = parent.0.clone();
    levels.extend(name.split('.').filter(|one| !one.is_empty()).map(level));
    FolderPath(levels)
}

/// Folders that a subscriptions file names: Dovecot's in both its forms, or Courier's.
pub(super) fn subscriptions(text: &str) -> Vec<FolderPath> {
    let (body, separator) = match text.strip_prefix("V\t2\n") {
        Some(body) => (body, '\t'),
        None => (text, '.'),
    };
    let mut paths = Vec::new();
    for line in body.lines().filter(|line| !line.is_empty()) {
        let levels: Vec<String> = line.split(separator).map(level).collect();
        let courier = separator == '.' && levels.len() > 1 && levels[0] == "INBOX";
        paths.push(super::super::inbox(FolderPath(if courier {
            levels[1..].to_vec()
        } else {
            levels
        })));
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_flags_and_keywords() {
        let keywords = Keywords::parse("0 $Label1\n1 été\n25 zed\n99 far\nnonsense\n2 \n");
        for (name, base, expected) in [
            (
                "1700000000.M1P2.host,S=4,W=5:2,FRSab",
                "1700000000.M1P2.host,S=4,W=5",
                "$Label1 \\Answered \\Flagged \\Seen été",
            ),
            ("1.a:2,", "1.a", ""),
            ("1.a", "1.a", ""),
            ("1.a;2,ST", "1.a", "\\Deleted \\Seen"),
            ("1.a!2,DPcz", "1.a", "$Forwarded \\Draft zed"),
            ("1.a:2,S,x=FT", "1.a", "\\Seen"),
        ] {
            let (found, info) = split(name);
            assert_eq!(found, base);
            assert_eq!(flags(info, &keywords).to_string(), expected, "{name}");
        }
        assert_eq!(arrival("1700.a"), 1700);
        assert!(arrival("zed") > arrival("99999999999.b"));
    }

    #[test]
    fn folders_are_read_in_each_writing() {
        let root = FolderPath(Vec::new());
        assert_eq!(dotted(&root, ".&AMk-t&AOk-.R&-D").0, ["Été", "R&D"]);
        assert_eq!(dotted(&root, ".Été.R&D").0, ["Été", "R&D"]);
        let paths = |text: &str| -> Vec<String> {
            subscriptions(text)
                .iter()
                .map(FolderPath::to_string)
                .collect()
        };
        assert_eq!(
            paths("V\t2\n\nINBOX\nArchives\t&AMk-t&AOk-\n"),
            ["INBOX", "Archives/Été"]
        );
        assert_eq!(paths("Archives.2024\ninbox\n"), ["Archives/2024", "INBOX"]);
        assert_eq!(paths("INBOX\nINBOX.Sent\n"), ["INBOX", "Sent"]);
    }
}
