//! Maildir, Maildir++ (`.Folder.Subfolder`) and nested Maildirs (`Folder/Subfolder`).

mod names;
mod scan;

use std::fs::File;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::{Archive, ArchiveError, Found, Stamp};
use crate::model::{FolderPath, InternalDate};
use scan::{Directory, Mail};

/// Reads everything that names and lists say, from any bytes: for fuzzing.
#[doc(hidden)]
pub fn read_names(text: &str) {
    let (first, rest) = text.split_once('\0').unwrap_or((text, ""));
    let (base, info) = names::split(first);
    assert!(first.starts_with(base));
    let keywords = names::Keywords::parse(rest);
    let flags = names::flags(info, &keywords);
    assert!(flags.iter().all(|flag| !flag.is_empty()));
    let _ = names::arrival(first);
    let path = names::dotted(&FolderPath(Vec::new()), first);
    assert!(path.0.iter().all(|level| !level.is_empty()));
    let _ = names::subscriptions(rest);
}

/// A Maildir with its folders.
pub struct Maildir {
    root: PathBuf,
}

impl Maildir {
    /// A Maildir at `root`.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }
}

impl Archive for Maildir {
    fn walk(
        &mut self,
        visit: &mut dyn FnMut(Found<'_>) -> ControlFlow<()>,
    ) -> Result<(), ArchiveError> {
        for directory in scan::directories(&self.root)? {
            let mails = match directory.mails() {
                Ok(mails) => mails,
                Err(error) => {
                    let words = format!("the folder cannot be read: {error}");
                    let locator = directory.path.display().to_string();
                    let found = Found::new(directory.folder.clone(), locator, Err(words));
                    if visit(found).is_break() {
                        return Ok(());
                    }
                    continue;
                }
            };
            let keywords = names::Keywords::read(&directory.path);
            for mail in mails {
                if self.show(&directory, &mail, &keywords, visit).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn folders(&mut self) -> Result<Vec<(FolderPath, bool)>, ArchiveError> {
        let subscribed = ["subscriptions", "courierimapsubscribed", ".subscriptions"]
            .iter()
            .find_map(|name| std::fs::read(self.root.join(name)).ok())
            .map(|text| names::subscriptions(&String::from_utf8_lossy(&text)));
        let folders = scan::directories(&self.root)?;
        Ok(folders
            .into_iter()
            .map(|one| {
                // A Maildir that keeps no such file shows all its folders.
                let shown = subscribed
                    .as_ref()
                    .is_none_or(|list| list.contains(&one.folder));
                (one.folder, shown)
            })
            .collect())
    }

    fn stamp(&mut self) -> Result<Option<Stamp>, ArchiveError> {
        let mut hasher = blake3::Hasher::new();
        for directory in scan::directories(&self.root)? {
            let Ok(mails) = directory.mails() else {
                return Ok(None);
            };
            hasher.update(format!("{:?}\n", directory.folder).as_bytes());
            for mail in &mails {
                hasher.update(&mail.stamp(&directory.folder));
                hasher.update(mail.name.as_encoded_bytes());
                hasher.update(b"\n");
            }
            for name in ["dovecot-keywords", "subscriptions", "courierimapsubscribed"] {
                let text = std::fs::read(directory.path.join(name)).unwrap_or_default();
                hasher.update(&(text.len() as u64).to_le_bytes());
                hasher.update(&text);
            }
        }
        Ok(Some(super::short(&hasher)))
    }
}

impl Maildir {
    fn show(
        &self,
        directory: &Directory,
        mail: &Mail,
        keywords: &names::Keywords,
        visit: &mut dyn FnMut(Found<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let path = directory.path.join(mail.part).join(&mail.name);
        let shown = path
            .strip_prefix(&self.root)
            .unwrap_or(&path)
            .display()
            .to_string();
        let name = mail.name.to_string_lossy();
        let (base, info) = names::split(&name);
        let mut body = Body {
            directory: &directory.path,
            path,
            base,
            compressed: info.contains('Z'),
            open: None,
        };
        visit(Found {
            folder: directory.folder.clone(),
            flags: names::flags(info, keywords),
            date: Some(InternalDate {
                unix: mail.modified,
                offset_minutes: 0,
            }),
            locator: shown,
            stamp: Some(mail.stamp(&directory.folder)),
            body: Ok(&mut body),
        })
    }
}

/// A message's file, opened when it is read; found again when a flag's change renamed it.
struct Body<'a> {
    directory: &'a Path,
    path: PathBuf,
    base: &'a str,
    compressed: bool,
    open: Option<Box<dyn Read>>,
}

impl Body<'_> {
    fn open(&self) -> std::io::Result<Box<dyn Read>> {
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                File::open(scan::renamed(self.directory, self.base)?.ok_or(error)?)?
            }
            opened => opened?,
        };
        if self.compressed {
            return super::inflate::inflate(file);
        }
        Ok(Box::new(file))
    }
}

impl Read for Body<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let open = match self.open.take() {
            Some(open) => open,
            None => self.open()?,
        };
        self.open.insert(open).read(buffer)
    }
}
