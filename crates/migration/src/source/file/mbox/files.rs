//! Which files of a folder are mailboxes, and the folders that they stand for.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::super::{ArchiveError, Stamp, inbox, short};
use crate::account::MboxDialect;
use crate::imap::utf7;
use crate::model::FolderPath;

/// Levels of folders followed: more is a loop.
const DEPTH: usize = 40;

/// One mailbox file.
pub(super) struct Mailbox {
    pub(super) path: PathBuf,
    /// Its path below the root, for people.
    pub(super) name: String,
    pub(super) folder: FolderPath,
    size: u64,
    modified: (i64, i64),
}

impl Mailbox {
    /// What stands for bytes that are no file.
    pub(super) fn in_memory(size: u64) -> Self {
        Self {
            path: PathBuf::new(),
            name: "memory".to_owned(),
            folder: FolderPath(vec!["INBOX".to_owned()]),
            size,
            modified: (0, 0),
        }
    }

    /// Changes when the file does.
    pub(super) fn stamp(&self, dialect: MboxDialect) -> Stamp {
        let mut hasher = blake3::Hasher::new();
        hasher.update(format!("mbox 1 {dialect:?} {:?}", self.folder).as_bytes());
        hasher.update(&self.size.to_le_bytes());
        hasher.update(&self.modified.0.to_le_bytes());
        hasher.update(&self.modified.1.to_le_bytes());
        short(&hasher)
    }
}

/// The mailboxes at or below `root`.
pub(super) fn mailboxes(root: &Path) -> Result<Vec<Mailbox>, ArchiveError> {
    let metadata = std::fs::metadata(root).map_err(ArchiveError::io(root))?;
    let mut found = Vec::new();
    if metadata.is_dir() {
        let mut seen = HashSet::new();
        descend(root, root, &[], &mut seen, &mut found)?;
    } else {
        let name = file_name(root);
        let folder = FolderPath(vec![level(&name)]);
        found.extend(mailbox(root, name, folder, true)?);
    }
    Ok(found)
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// A folder's name from a file's: without `.mbox`, `.mbx` or `.sbd`, and decoded.
fn level(name: &str) -> String {
    let plain = [".mbox", ".mbx", ".sbd"]
        .iter()
        .find_map(|end| {
            let cut = name.len().checked_sub(end.len())?;
            let is = name.is_char_boundary(cut) && name[cut..].eq_ignore_ascii_case(end);
            is.then(|| &name[..cut])
        })
        .filter(|plain| !plain.is_empty())
        .unwrap_or(name);
    // The spool file of one user is that user's inbox.
    if plain.eq_ignore_ascii_case("mbox") || plain.eq_ignore_ascii_case("inbox") {
        return "INBOX".to_owned();
    }
    utf7::decode(plain).unwrap_or_else(|| plain.to_owned())
}

fn descend(
    root: &Path,
    path: &Path,
    levels: &[String],
    seen: &mut HashSet<(u64, u64)>,
    found: &mut Vec<Mailbox>,
) -> Result<(), ArchiveError> {
    let metadata = std::fs::metadata(path).map_err(ArchiveError::io(path))?;
    if levels.len() > DEPTH || !seen.insert((metadata.dev(), metadata.ino())) {
        return Ok(());
    }
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path).map_err(ArchiveError::io(path))? {
        names.push(entry.map_err(ArchiveError::io(path))?.file_name());
    }
    names.sort();
    let indexed: HashSet<String> = names
        .iter()
        .filter_map(|name| {
            name.to_string_lossy()
                .strip_suffix(".msf")
                .map(str::to_owned)
        })
        .collect();
    for name in names {
        let text = name.to_string_lossy();
        if text.starts_with('.') {
            continue;
        }
        let below = path.join(&name);
        let mut inner = levels.to_vec();
        if below.is_dir() {
            inner.push(level(&text));
            descend(root, &below, &inner, seen, found)?;
            continue;
        }
        // Apple Mail exports a folder as `Name.mbox/mbox`.
        let apple = text == "mbox" && file_name(path).to_lowercase().ends_with(".mbox");
        if !apple {
            inner.push(level(&text));
        }
        let shown = below
            .strip_prefix(root)
            .unwrap_or(&below)
            .display()
            .to_string();
        let folder = inbox(FolderPath(inner));
        found.extend(mailbox(&below, shown, folder, indexed.contains(&*text))?);
    }
    Ok(())
}

/// A file as a mailbox; none when it is something else. An empty file is one when `expected`.
fn mailbox(
    path: &Path,
    name: String,
    folder: FolderPath,
    expected: bool,
) -> Result<Option<Mailbox>, ArchiveError> {
    let io = || ArchiveError::io(path);
    let metadata = std::fs::metadata(path).map_err(io())?;
    if !metadata.is_file() {
        return Ok(None);
    }
    let is = if metadata.len() == 0 {
        expected || path.extension().is_some_and(|end| end == "mbox")
    } else {
        let mut head = Vec::new();
        let file = File::open(path).map_err(io())?;
        file.take(64).read_to_end(&mut head).map_err(io())?;
        head.trim_ascii_start().starts_with(b"From ")
    };
    Ok(is.then(|| Mailbox {
        path: path.to_owned(),
        name,
        folder: inbox(folder),
        size: metadata.len(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_each_program_become_folders() {
        let directory = tempfile::tempdir().expect("dir");
        let root = directory.path();
        let mail = "From a Thu Nov 24 19:41:21 2026\nA: b\n\nx\n\n";
        for (name, text) in [
            ("Inbox", mail),
            ("Inbox.msf", "// index"),
            ("Archives", ""),
            ("Archives.msf", "// index"),
            ("Archives.sbd/2024", mail),
            ("Archives.sbd/&AMk-t&AOk-.mbox", mail),
            ("Apple.mbox/mbox", mail),
            ("Apple.mbox/table_of_contents", "\0\u{1}"),
            ("Notes.txt", "From the desk"),
            ("popstate.dat", "x"),
            ("Sent.MBOX", mail),
            (".hidden", mail),
        ] {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().expect("parent")).expect("dir");
            std::fs::write(path, text).expect("write");
        }
        let found: Vec<String> = mailboxes(root)
            .expect("list")
            .iter()
            .map(|one| one.folder.to_string())
            .collect();
        let expected = [
            "Apple",
            "Archives",
            "Archives/Été",
            "Archives/2024",
            "INBOX",
            "Notes.txt",
            "Sent",
        ];
        assert_eq!(found, expected);
        let one = mailboxes(&root.join("Archives.sbd/2024")).expect("one");
        assert_eq!(
            (one[0].folder.0.as_slice(), one[0].name.as_str()),
            (&["2024".to_owned()][..], "2024")
        );
    }
}
