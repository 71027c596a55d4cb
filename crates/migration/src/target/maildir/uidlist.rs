//! `dovecot-uidlist`: which UID each file has.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::super::disk;
use super::names;
use crate::model::Uid;

pub(super) const FILE: &str = "dovecot-uidlist";

/// One folder's list.
#[derive(Clone, Debug, Default)]
pub(super) struct UidList {
    pub(super) validity: u32,
    pub(super) next: Uid,
    pub(super) by_uid: BTreeMap<Uid, String>,
    by_base: HashMap<String, Uid>,
    /// Length up to the last whole line: what comes after was cut off by a crash.
    whole: u64,
    /// Written in a form that cannot be appended to.
    old_form: bool,
    pub(super) stamp: Stamp,
}

/// Tells whether a file is the one that was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Stamp(u64, u64, i64, i64);

impl Stamp {
    pub(super) fn of(path: &Path) -> Self {
        fs::metadata(path).map_or(Self::default(), |m| {
            Self(m.ino(), m.len(), m.mtime(), m.mtime_nsec())
        })
    }
}

fn path_of(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

fn broken(path: &Path, line: usize, why: &str) -> io::Error {
    let words = format!(
        "line {line} {why}; open the mailbox once with Dovecot, which repairs the list, or name \
         an empty folder"
    );
    disk::at(path, &io::Error::new(io::ErrorKind::InvalidData, words))
}

impl UidList {
    /// The UID of a file.
    pub(super) fn uid(&self, base: &str) -> Option<Uid> {
        self.by_base.get(base).copied()
    }

    /// Reads a folder's list; none when there is no list yet.
    pub(super) fn read(folder: &Path) -> io::Result<Option<Self>> {
        let path = path_of(folder);
        let stamp = Stamp::of(&path);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(disk::at(&path, &error)),
        };
        let mut list = Self::parse(&bytes).map_err(|(line, why)| broken(&path, line, why))?;
        list.stamp = stamp;
        Ok(Some(list))
    }

    fn parse(bytes: &[u8]) -> Result<Self, (usize, &'static str)> {
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        let text = String::from_utf8_lossy(&bytes[..whole]);
        let mut lines = text.lines().enumerate();
        let (_, header) = lines.next().ok_or((1, "is missing"))?;
        let mut list = Self {
            whole: whole as u64,
            ..Self::default()
        };
        list.read_header(header).ok_or((1, "is not a header"))?;
        for (number, line) in lines {
            list.read_line(line)
                .ok_or((number + 1, "is not a record"))?;
        }
        Ok(list)
    }

    fn read_header(&mut self, header: &str) -> Option<()> {
        let mut words = header.split(' ');
        match words.next()? {
            "3" => {
                for word in words {
                    match word.split_at_checked(1)? {
                        ("V", validity) => self.validity = validity.parse().ok()?,
                        ("N", next) => self.next = next.parse().ok()?,
                        _ => {}
                    }
                }
            }
            "1" => {
                self.validity = words.next()?.parse().ok()?;
                self.next = words.next()?.parse().ok()?;
                self.old_form = true;
            }
            _ => return None,
        }
        (self.validity != 0).then_some(())
    }

    fn read_line(&mut self, line: &str) -> Option<()> {
        let (uid, rest) = line.split_once(' ')?;
        let name = if self.old_form {
            rest
        } else if let Some(name) = rest.strip_prefix(':') {
            name
        } else {
            rest.split_once(" :")?.1
        };
        self.insert(uid.parse().ok()?, names::split(name).0.to_owned());
        Some(())
    }

    fn insert(&mut self, uid: Uid, base: String) {
        if let Some(old) = self.by_base.insert(base.clone(), uid) {
            self.by_uid.remove(&old);
        }
        self.by_uid.insert(uid, base);
        self.next = self.next.max(uid.saturating_add(1));
    }

    /// Makes an empty list, under the folder's lock.
    pub(super) fn create(folder: &Path, validity: u32, guid: &str) -> io::Result<Self> {
        let path = path_of(folder);
        let text = format!("3 V{validity} N1 G{guid}\n");
        disk::replace(&path, &folder.join("dovecot-uidlist.tmp"), text.as_bytes())?;
        Ok(Self {
            validity,
            next: 1,
            whole: text.len() as u64,
            stamp: Stamp::of(&path),
            ..Self::default()
        })
    }

    /// Gives these files the next UIDs, for good, under the folder's lock.
    pub(super) fn append(&mut self, folder: &Path, bases: &[String]) -> io::Result<Vec<Uid>> {
        let path = path_of(folder);
        if self.old_form {
            self.rewrite(folder)?;
        }
        let mut lines = String::new();
        let mut uids = Vec::with_capacity(bases.len());
        for base in bases {
            let uid = self.next;
            if uid == Uid::MAX {
                return Err(io::Error::other("the folder has no UID left"));
            }
            writeln!(lines, "{uid} :{base}").map_err(io::Error::other)?;
            self.insert(uid, base.clone());
            uids.push(uid);
        }
        let appended = OpenOptions::new()
            .append(true)
            .open(&path)
            .and_then(|mut file| {
                if file.metadata()?.len() != self.whole {
                    file.set_len(self.whole)?;
                }
                file.write_all(lines.as_bytes())?;
                file.sync_data()
            });
        appended.map_err(|error| disk::at(&path, &error))?;
        self.whole += lines.len() as u64;
        self.stamp = Stamp::of(&path);
        Ok(uids)
    }

    fn rewrite(&mut self, folder: &Path) -> io::Result<()> {
        let mut text = format!("3 V{} N{}\n", self.validity, self.next);
        for (uid, base) in &self.by_uid {
            writeln!(text, "{uid} :{base}").map_err(io::Error::other)?;
        }
        disk::replace(
            &path_of(folder),
            &folder.join("dovecot-uidlist.tmp"),
            text.as_bytes(),
        )?;
        self.whole = text.len() as u64;
        self.old_form = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_dovecot_writes() {
        let text = b"3 V1275660208 N25022 G3085f01b7f11094c501100008c4a11c1\n\
            25006 :1276528487.M364837P9451.kurkku,S=1355,W=1394:2,\n\
            25017 W2481 :1276533073.M242911P3632.kurkku:2,F\n25018 :cut off";
        let list = UidList::parse(text).expect("a list");
        assert_eq!((list.validity, list.next), (1_275_660_208, 25022));
        assert_eq!(list.uid("1276533073.M242911P3632.kurkku"), Some(25017));
        assert_eq!(list.by_uid.len(), 2);
        for bad in [
            "",
            "3 V0 N1\n",
            "9 V1 N1\n",
            "3 V1 N1\nx :y\n",
            "3 V1 N1\n5\n",
        ] {
            assert!(UidList::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn appends_after_a_line_that_a_crash_cut() {
        let folder = tempfile::tempdir().expect("folder");
        let mut list = UidList::create(folder.path(), 7, "00").expect("new");
        list.append(folder.path(), &["a".into(), "b".into()])
            .expect("append");
        let path = folder.path().join(FILE);
        let mut text = fs::read_to_string(&path).expect("text");
        text.push_str("3 :c");
        fs::write(&path, &text).expect("write");
        let mut again = UidList::read(folder.path()).expect("read").expect("a list");
        assert_eq!(
            again.append(folder.path(), &["d".into()]).expect("append"),
            [3]
        );
        let text = fs::read_to_string(&path).expect("text");
        assert_eq!(text, "3 V7 N1 G00\n1 :a\n2 :b\n3 :d\n");
    }
}
