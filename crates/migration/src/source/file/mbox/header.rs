//! The header of a message in an mbox: what the mailbox itself put there, and the rest.

use std::io::Read;

use crate::model::FlagSet;

/// Longest header that is held; the rest passes as it is.
const LONGEST: u64 = 1 << 20;

/// Fields in which a mailbox keeps a message's state. They are no part of the message: their
/// values become flags, as a server that reads such a mailbox does it.
const STATE: [&str; 9] = [
    "Status",
    "X-Status",
    "X-Keywords",
    "X-UID",
    "X-IMAP",
    "X-IMAPbase",
    "X-Mozilla-Status",
    "X-Mozilla-Status2",
    "X-Mozilla-Keys",
];
/// Fields that Google adds when it exports.
const GOOGLE: [&str; 2] = ["X-GM-THRID", "X-Gmail-Labels"];

/// A header without the mailbox's own fields.
#[derive(Debug, Default)]
pub(super) struct Header {
    /// Its bytes, with the blank line.
    pub(super) bytes: Vec<u8>,
    /// Bytes that it takes in the file.
    pub(super) length: u64,
    own: Vec<(String, String)>,
}

/// Which fields belong to the mailbox.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own {
    pub(super) lengths: bool,
    pub(super) google: bool,
}

impl Own {
    fn has(self, name: &str) -> bool {
        let among = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
        among(&STATE)
            || self.google && among(&GOOGLE)
            || self.lengths && name.eq_ignore_ascii_case("Content-Length")
    }
}

impl Header {
    /// Reads a header from a message's first byte.
    pub(super) fn read(message: &mut impl Read, own: Own) -> std::io::Result<Self> {
        let mut bytes = Vec::new();
        let mut end = None;
        let mut piece = [0; 4096];
        while end.is_none() && (bytes.len() as u64) < LONGEST {
            let count = super::super::look::read_some(message, &mut piece)?;
            if count == 0 {
                break;
            }
            let from = bytes.len().saturating_sub(2);
            bytes.extend_from_slice(&piece[..count]);
            end = blank(&bytes, from);
        }
        if let Some(end) = end {
            bytes.truncate(end);
        } else if bytes.len() as u64 >= LONGEST {
            return Ok(Self::default());
        }
        Ok(Self::sift(&bytes, own))
    }

    fn sift(bytes: &[u8], own: Own) -> Self {
        let mut header = Self {
            length: bytes.len() as u64,
            ..Self::default()
        };
        let mut dropping = false;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = String::from_utf8_lossy(line);
            if matches!(line.first(), Some(b' ' | b'\t')) {
                if dropping && let Some((_, value)) = header.own.last_mut() {
                    value.push(' ');
                    value.push_str(text.trim());
                }
            } else {
                let field = text.split_once(':');
                let field = field.filter(|(name, _)| own.has(name.trim_end()));
                dropping = field.is_some();
                if let Some((name, value)) = field {
                    let name = name.trim_end().to_ascii_lowercase();
                    header.own.push((name, value.trim().to_owned()));
                }
            }
            if !dropping {
                header.bytes.extend_from_slice(line);
            }
        }
        header
    }

    /// The value of one of the mailbox's own fields.
    pub(super) fn own(&self, name: &str) -> Option<&str> {
        let found = self.own.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Flags and keywords.
    pub(super) fn flags(&self) -> FlagSet {
        let mut names: Vec<&str> = Vec::new();
        let letters = [self.own("status"), self.own("x-status")];
        for letter in letters.into_iter().flatten().flat_map(str::chars) {
            names.extend(match letter {
                'R' => Some("\\Seen"),
                'A' => Some("\\Answered"),
                'F' => Some("\\Flagged"),
                'T' => Some("\\Draft"),
                'D' => Some("\\Deleted"),
                _ => None,
            });
        }
        let mozilla = self.mozilla();
        for (bit, name) in [
            (0x0001, "\\Seen"),
            (0x0002, "\\Answered"),
            (0x0004, "\\Flagged"),
            (0x1000, "$Forwarded"),
        ] {
            if mozilla & bit != 0 {
                names.push(name);
            }
        }
        let keywords = [self.own("x-keywords"), self.own("x-mozilla-keys")];
        names.extend(
            keywords
                .into_iter()
                .flatten()
                .flat_map(str::split_ascii_whitespace),
        );
        FlagSet::new(names)
    }

    fn mozilla(&self) -> u32 {
        self.own("x-mozilla-status")
            .and_then(|value| u32::from_str_radix(value, 16).ok())
            .unwrap_or(0)
    }

    /// True for what the mailbox no longer shows: a message deleted by Thunderbird before it
    /// compacts the file, or the one in which UW-IMAP keeps its numbers.
    pub(super) fn is_hidden(&self) -> bool {
        let internal = || {
            let text = String::from_utf8_lossy(&self.bytes);
            self.own("x-imap").is_some()
                && text.contains("Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA")
        };
        self.mozilla() & 0x0008 != 0 || internal()
    }
}

/// The end of the first blank line, looked for from `from`.
fn blank(bytes: &[u8], from: usize) -> Option<usize> {
    if bytes.starts_with(b"\n") {
        return Some(1);
    }
    if bytes.starts_with(b"\r\n") {
        return Some(2);
    }
    memchr::memchr_iter(b'\n', &bytes[from..]).find_map(|place| {
        let after = &bytes[from + place + 1..];
        let length = match after {
            [b'\n', ..] => 1,
            [b'\r', b'\n', ..] => 2,
            _ => return None,
        };
        Some(from + place + 1 + length)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Header {
        let own = Own {
            lengths: false,
            google: true,
        };
        Header::read(&mut text.as_bytes(), own).expect("memory")
    }

    #[test]
    fn a_mailbox_s_own_fields_become_flags() {
        let header = read(
            "Status: RO\nA: b\nX-Status: AF\nX-Keywords: $Work  été\n  more\nB: c\n d\n\nbody\n\n",
        );
        assert_eq!(header.bytes, b"A: b\nB: c\n d\n\n");
        assert_eq!(
            header.flags().to_string(),
            "$Work \\Answered \\Flagged \\Seen more été"
        );
        let header = read("X-Mozilla-Status: 1003\r\nX-Mozilla-Keys: $label1   \r\nA: b\r\n\r\n");
        assert_eq!(
            header.flags().to_string(),
            "$Forwarded $label1 \\Answered \\Seen"
        );
        assert!(!header.is_hidden());
        assert!(read("X-Mozilla-Status: 0009\n\n").is_hidden());
        let header = read("X-Gmail-Labels: a,\n b\nContent-Length: 3\n\n");
        assert_eq!(header.own("x-gmail-labels"), Some("a, b"));
        assert_eq!(header.bytes, b"Content-Length: 3\n\n");
    }

    #[test]
    fn messages_without_header_or_end_pass() {
        assert_eq!(read("\nbody").bytes, b"\n");
        assert_eq!(read("\r\nbody").length, 2);
        assert_eq!(read("no end").bytes, b"no end");
        assert_eq!(read("").length, 0);
        let long = format!("A: {}\n\n", "x".repeat(9000));
        assert_eq!(read(&long).length, long.len() as u64);
    }
}
