//! A folder's index: one JSON line per message, appended before the message gets its name, so
//! that a crash in between is undone by the next start.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::disk;
use super::names::INDEX;
use crate::model::{FlagSet, InternalDate, Uid};

/// One message.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Line {
    /// Its number in the folder, also the name of its file.
    pub(super) number: Uid,
    /// Bytes.
    pub(super) size: u64,
    pub(super) sha256: String,
    pub(super) blake3: String,
    /// When it arrived, RFC 3339 with the zone in which it was told.
    pub(super) date: Option<String>,
    /// Flags and keywords, as IMAP writes them.
    pub(super) flags: Vec<String>,
}

/// Later flags of a message; the index is written anew, without such lines, at the end of a run.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Flags {
    number: Uid,
    flags: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Either {
    Whole(Line),
    Flags(Flags),
}

/// A folder's index in memory and on disk.
#[derive(Debug)]
pub(super) struct Index {
    path: PathBuf,
    pub(super) lines: BTreeMap<Uid, Line>,
    whole: u64,
    /// Lines that were superseded.
    superseded: bool,
}

impl Index {
    /// Reads a folder's index; a last line that a crash cut is forgotten.
    pub(super) fn read(folder: &Path) -> io::Result<Self> {
        let path = folder.join(INDEX);
        let mut index = Self {
            path,
            lines: BTreeMap::new(),
            whole: 0,
            superseded: false,
        };
        index.reload()?;
        Ok(index)
    }

    /// Reads what is on disk now.
    pub(super) fn reload(&mut self) -> io::Result<()> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(disk::at(&self.path, &error)),
        };
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        self.whole = whole as u64;
        self.superseded = false;
        self.lines.clear();
        for (number, line) in bytes[..whole].split(|byte| *byte == b'\n').enumerate() {
            if line.is_empty() {
                continue;
            }
            let read: Either = serde_json::from_slice(line).map_err(|_| {
                let words = format!(
                    "line {} is not a message; the index was altered: name an empty folder",
                    number + 1
                );
                disk::at(
                    &self.path,
                    &io::Error::new(io::ErrorKind::InvalidData, words),
                )
            })?;
            match read {
                Either::Whole(line) => {
                    self.lines.insert(line.number, line);
                }
                Either::Flags(flags) => {
                    self.superseded = true;
                    if let Some(line) = self.lines.get_mut(&flags.number) {
                        line.flags = flags.flags;
                    }
                }
            }
        }
        Ok(())
    }

    /// The number that the next message gets.
    pub(super) fn next(&self) -> Uid {
        self.lines
            .last_key_value()
            .map_or(1, |(number, _)| number.saturating_add(1))
    }

    /// Adds messages, for good.
    pub(super) fn append(&mut self, lines: Vec<Line>) -> io::Result<()> {
        let mut text = Vec::new();
        for line in &lines {
            serde_json::to_writer(&mut text, line)?;
            text.push(b'\n');
        }
        self.write(&text)?;
        self.lines
            .extend(lines.into_iter().map(|line| (line.number, line)));
        Ok(())
    }

    /// Changes flags, for good.
    pub(super) fn change(&mut self, changes: Vec<(Uid, FlagSet)>) -> io::Result<()> {
        let mut text = Vec::new();
        let mut records = Vec::new();
        for (number, flags) in changes {
            let flags: Vec<String> = flags.iter().map(str::to_owned).collect();
            let flags = Flags { number, flags };
            serde_json::to_writer(&mut text, &flags)?;
            text.push(b'\n');
            records.push(flags);
        }
        self.write(&text)?;
        self.superseded |= !records.is_empty();
        for Flags { number, flags } in records {
            if let Some(line) = self.lines.get_mut(&number) {
                line.flags = flags;
            }
        }
        Ok(())
    }

    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        let mut open = OpenOptions::new();
        let written = open
            .append(true)
            .create(true)
            .open(&self.path)
            .and_then(|mut file| {
                if file.metadata()?.len() != self.whole {
                    file.set_len(self.whole)?;
                }
                file.write_all(text)?;
                file.sync_data()
            });
        written.map_err(|error| disk::at(&self.path, &error))?;
        if self.whole == 0
            && let Some(folder) = self.path.parent()
        {
            disk::sync_directory(folder)?;
        }
        self.whole += text.len() as u64;
        Ok(())
    }

    /// Takes lines away from the end that no acknowledgement was given for.
    pub(super) fn forget(&mut self, numbers: &[Uid]) {
        for number in numbers {
            self.lines.remove(number);
        }
    }

    /// One line per message that is there.
    pub(super) fn compact(
        &mut self,
        beside: &Path,
        present: impl Fn(Uid) -> bool,
    ) -> io::Result<()> {
        let before = self.lines.len();
        self.lines.retain(|number, _| present(*number));
        if !self.superseded && self.lines.len() == before {
            return Ok(());
        }
        let mut text = Vec::new();
        for line in self.lines.values() {
            serde_json::to_writer(&mut text, line)?;
            text.push(b'\n');
        }
        disk::replace(&self.path, beside, &text)?;
        self.whole = text.len() as u64;
        self.superseded = false;
        Ok(())
    }
}

/// The name of a message's file.
pub(super) fn file_name(number: Uid) -> String {
    format!("{number:08}.eml")
}

/// An instant with its zone, as RFC 3339 writes it.
pub(super) fn write_date(date: InternalDate) -> Option<String> {
    let offset = jiff::tz::Offset::from_seconds(i32::from(date.offset_minutes) * 60).ok()?;
    let instant = jiff::Timestamp::from_second(date.unix).ok()?;
    Some(instant.display_with_offset(offset).to_string())
}

/// Reads what [`write_date`] wrote.
pub(super) fn read_date(text: &str) -> Option<InternalDate> {
    let pieces = jiff::fmt::temporal::DateTimeParser::new()
        .parse_pieces(text)
        .ok()?;
    let instant: jiff::Timestamp = text.parse().ok()?;
    let seconds = match pieces.offset()? {
        jiff::fmt::temporal::PiecesOffset::Numeric(offset) => offset.offset().seconds(),
        _ => 0,
    };
    Some(InternalDate {
        unix: instant.as_second(),
        offset_minutes: i16::try_from(seconds / 60).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: Uid) -> Line {
        Line {
            number,
            size: 1,
            sha256: "00".into(),
            blake3: "00".into(),
            date: None,
            flags: Vec::new(),
        }
    }

    #[test]
    fn a_cut_line_is_forgotten_and_later_flags_hold() {
        let folder = tempfile::tempdir().expect("folder");
        let mut index = Index::read(folder.path()).expect("read");
        index.append(vec![line(1), line(2)]).expect("append");
        index
            .change(vec![(2, FlagSet::new(["\\Seen"]))])
            .expect("change");
        let path = folder.path().join(INDEX);
        let mut bytes = fs::read(&path).expect("bytes");
        bytes.extend_from_slice(b"{\"number\":3,\"si");
        fs::write(&path, &bytes).expect("write");
        let mut index = Index::read(folder.path()).expect("read");
        assert_eq!(
            (index.next(), index.lines[&2].flags.as_slice()),
            (3, ["\\Seen".to_owned()].as_slice())
        );
        index.append(vec![line(3)]).expect("append");
        index
            .compact(&folder.path().join("x"), |number| number != 1)
            .expect("compact");
        let text = fs::read_to_string(&path).expect("text");
        assert_eq!(text.lines().count(), 2, "{text}");
        assert_eq!(Index::read(folder.path()).expect("read").lines, index.lines);
    }

    #[test]
    fn dates_keep_their_zone() {
        for date in [(0, 0), (1_700_000_000, 120), (-1_000, -570)] {
            let date = InternalDate {
                unix: date.0,
                offset_minutes: date.1,
            };
            let text = write_date(date).expect("a date");
            assert_eq!(read_date(&text), Some(date), "{text}");
        }
    }
}
