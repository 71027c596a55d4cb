//! A folder of `.eml` files: each folder in it is a folder of mail.

use std::collections::HashSet;
use std::fs::File;
use std::io::{Cursor, Read};
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Archive, ArchiveError, Found, Stamp, headers, inbox, short};
use crate::model::{FlagSet, FolderPath, InternalDate};

/// Levels of folders followed: more is a loop.
const DEPTH: usize = 40;

/// What a file of another program is called, and how its messages are had.
const FOREIGN: [(&str, &str); 2] = [
    (
        "msg",
        "it is an Outlook message; save it as .eml, or give the .pst",
    ),
    (
        "emlx",
        "it is an Apple Mail message; export the mailbox as .mbox",
    ),
];

/// What a file's name says about it.
pub(super) enum Kind {
    Message,
    Foreign(&'static str),
    Other,
}

impl Kind {
    pub(super) fn of(name: &str) -> Self {
        let Some((stem, end)) = name.rsplit_once('.') else {
            return Self::Other;
        };
        // The second half of a file that a Mac copied.
        if stem.is_empty() || name.starts_with("._") {
            return Self::Other;
        }
        if end.eq_ignore_ascii_case("eml") {
            return Self::Message;
        }
        let foreign = FOREIGN
            .iter()
            .find(|(known, _)| end.eq_ignore_ascii_case(known));
        foreign.map_or(Self::Other, |(_, words)| Self::Foreign(words))
    }
}

/// The folder of a message whose path has these levels above it.
pub(super) fn folder(levels: Vec<String>) -> FolderPath {
    if levels.is_empty() {
        return FolderPath(vec!["INBOX".to_owned()]);
    }
    inbox(FolderPath(levels))
}

/// Keeps the folders that hold no other: what only holds folders is no folder of mail, unless it
/// holds messages too, which name it.
pub(super) fn leaves(folders: &mut Vec<FolderPath>) {
    folders.sort();
    folders.dedup();
    let parents: HashSet<Vec<String>> = folders
        .iter()
        .flat_map(|folder| (1..folder.0.len()).map(|count| folder.0[..count].to_vec()))
        .collect();
    folders.retain(|folder| !parents.contains(&folder.0));
}

/// Flags of a message that says nothing of them: it was kept, so it was read; one that was never
/// sent is a draft.
pub(super) fn flags(header: &[u8]) -> FlagSet {
    let unsent = headers::field(header, "X-Unsent").is_some_and(|value| value == "1");
    FlagSet::new(std::iter::once("\\Seen").chain(unsent.then_some("\\Draft")))
}

/// A folder of `.eml` files, or one such file.
pub struct Eml {
    root: PathBuf,
}

struct Message {
    path: PathBuf,
    name: String,
    folder: FolderPath,
    words: Option<&'static str>,
    size: u64,
    modified: (i64, i64),
}

impl Message {
    fn stamp(&self) -> Stamp {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.name.as_bytes());
        hasher.update(&self.size.to_le_bytes());
        hasher.update(&self.modified.0.to_le_bytes());
        hasher.update(&self.modified.1.to_le_bytes());
        short(&hasher)
    }
}

/// What is found below a root.
#[derive(Default)]
struct Tree {
    messages: Vec<Message>,
    folders: Vec<FolderPath>,
    /// Folders that cannot be listed, and why.
    closed: Vec<(FolderPath, String, String)>,
    seen: HashSet<(u64, u64)>,
}

impl Eml {
    /// The folder or file at `root`.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    fn tree(&self) -> Result<Tree, ArchiveError> {
        let root = &self.root;
        let mut tree = Tree::default();
        if std::fs::metadata(root)
            .map_err(ArchiveError::io(root))?
            .is_dir()
        {
            std::fs::read_dir(root).map_err(ArchiveError::io(root))?;
            tree.descend(root, root, &[]);
        } else {
            tree.add(root, root.parent().unwrap_or(root), &[]);
        }
        if tree.messages.is_empty() && tree.closed.is_empty() {
            let reason = "no .eml file is there; name the folder or the .zip that holds them";
            return Err(ArchiveError::unusable(root, reason));
        }
        Ok(tree)
    }
}

impl Tree {
    fn descend(&mut self, root: &Path, path: &Path, levels: &[String]) {
        let listed = std::fs::metadata(path).and_then(|metadata| {
            if levels.len() > DEPTH || !self.seen.insert((metadata.dev(), metadata.ino())) {
                return Ok(Vec::new());
            }
            let mut names = Vec::new();
            for entry in std::fs::read_dir(path)? {
                names.push(entry?.file_name());
            }
            names.sort();
            Ok(names)
        });
        let names = match listed {
            Ok(names) => names,
            Err(error) => {
                let words = format!("the folder cannot be read: {error}");
                let shown = path
                    .strip_prefix(root)
                    .unwrap_or(path)
                    .display()
                    .to_string();
                self.closed.push((folder(levels.to_vec()), shown, words));
                return;
            }
        };
        if !levels.is_empty() {
            self.folders.push(folder(levels.to_vec()));
        }
        for name in names {
            let below = path.join(&name);
            if below.is_dir() {
                let mut inner = levels.to_vec();
                inner.push(name.to_string_lossy().into_owned());
                self.descend(root, &below, &inner);
            } else {
                self.add(&below, root, levels);
            }
        }
    }

    fn add(&mut self, path: &Path, root: &Path, levels: &[String]) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let words = match Kind::of(&name) {
            Kind::Message => None,
            Kind::Foreign(words) => Some(words),
            Kind::Other => return,
        };
        let metadata = std::fs::metadata(path).ok();
        let modified = metadata
            .as_ref()
            .map_or((0, 0), |one| (one.mtime(), one.mtime_nsec()));
        self.messages.push(Message {
            name: path
                .strip_prefix(root)
                .unwrap_or(path)
                .display()
                .to_string(),
            path: path.to_owned(),
            folder: folder(levels.to_vec()),
            words,
            size: metadata.map_or(0, |one| one.len()),
            modified,
        });
    }
}

impl Archive for Eml {
    fn walk(
        &mut self,
        visit: &mut dyn FnMut(Found<'_>) -> ControlFlow<()>,
    ) -> Result<(), ArchiveError> {
        let tree = self.tree()?;
        for (folder, name, words) in tree.closed {
            if visit(Found::new(folder, name, Err(words))).is_break() {
                return Ok(());
            }
        }
        for message in tree.messages {
            let stamp = message.stamp();
            let opened = match message.words {
                Some(words) => Err(words.to_owned()),
                None => open(&message.path).map_err(|error| error.to_string()),
            };
            let shown = match opened {
                Err(words) => visit(Found::new(message.folder, message.name, Err(words))),
                Ok((head, rest)) => {
                    let at_rest = InternalDate {
                        unix: message.modified.0,
                        offset_minutes: 0,
                    };
                    let (flags, date) = (flags(&head), headers::arrival(&head));
                    let mut body = Cursor::new(head).chain(rest);
                    visit(Found {
                        folder: message.folder,
                        flags,
                        date: date.or(Some(at_rest)),
                        locator: message.name,
                        stamp: Some(stamp),
                        body: Ok(&mut body),
                    })
                }
            };
            if shown.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn folders(&mut self) -> Result<Vec<(FolderPath, bool)>, ArchiveError> {
        let mut folders = self.tree()?.folders;
        leaves(&mut folders);
        Ok(folders.into_iter().map(|folder| (folder, true)).collect())
    }

    fn stamp(&mut self) -> Result<Option<Stamp>, ArchiveError> {
        let tree = self.tree()?;
        if !tree.closed.is_empty() {
            return Ok(None);
        }
        let mut hasher = blake3::Hasher::new();
        for folder in &tree.folders {
            hasher.update(format!("{folder:?}\n").as_bytes());
        }
        for message in &tree.messages {
            hasher.update(&message.stamp());
        }
        Ok(Some(short(&hasher)))
    }
}

/// The beginning of a file and the rest of it.
fn open(path: &Path) -> std::io::Result<(Vec<u8>, File)> {
    let mut file = File::open(path)?;
    let head = headers::head(&mut file)?;
    Ok((head, file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_follow_the_tree() {
        let directory = tempfile::tempdir().expect("dir");
        let root = directory.path();
        for (name, text) in [
            ("a.eml", "Date: Tue, 1 Jul 2003 10:52:37 +0200\n\na\n"),
            ("Été/b.EML", "X-Unsent: 1\n\nb\n"),
            ("Été/deep/c.eml", ""),
            ("Été/notes.txt", "no"),
            ("Été/d.msg", "no"),
            ("._a.eml", "no"),
        ] {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().expect("parent")).expect("dir");
            std::fs::write(path, text).expect("write");
        }
        let mut seen = Vec::new();
        let mut archive = Eml::new(root);
        archive
            .walk(&mut |found| {
                let text = match found.body {
                    Ok(body) => std::io::read_to_string(body).expect("read"),
                    Err(words) => words[..5].to_owned(),
                };
                seen.push(format!("{}|{}|{text}", found.folder, found.flags));
                ControlFlow::Continue(())
            })
            .expect("walk");
        seen.sort();
        assert_eq!(
            seen,
            [
                "INBOX|\\Seen|Date: Tue, 1 Jul 2003 10:52:37 +0200\n\na\n",
                "Été/deep|\\Seen|",
                "Été|\\Draft \\Seen|X-Unsent: 1\n\nb\n",
                "Été||it is",
            ]
        );
        let folders = archive.folders().expect("folders");
        assert_eq!(folders.len(), 1, "Été is named by its message: {folders:?}");
        let before = archive.stamp().expect("stamp");
        std::fs::write(root.join("a.eml"), "more").expect("write");
        assert_ne!(archive.stamp().expect("stamp"), before);
        let empty = tempfile::tempdir().expect("dir");
        assert!(Eml::new(empty.path()).stamp().is_err());
    }
}
