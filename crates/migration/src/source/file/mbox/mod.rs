//! mbox files: one, or a folder of them, as programs keep or export them.

mod files;
mod from_line;
mod header;
mod scan;
mod takeout;
mod unquote;

use std::fs::File;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Archive, ArchiveError, Found, Stamp};
use crate::account::MboxDialect;
use crate::model::FolderPath;
use files::Mailbox;
use header::{Header, Own};
use scan::{Part, Scanner, Span, Store};

/// One mbox file, or a folder of them.
pub struct Mbox {
    root: PathBuf,
    dialect: MboxDialect,
    google: bool,
}

impl Mbox {
    /// The file or folder at `root`.
    pub fn new(root: &Path, dialect: MboxDialect) -> Self {
        Self {
            root: root.to_owned(),
            dialect,
            google: false,
        }
    }

    /// Google Takeout's file, or the folder that holds it: labels say in which folder a message
    /// is.
    pub fn takeout(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            dialect: MboxDialect::Detect,
            google: true,
        }
    }

    /// Walks an mbox that is in memory: for fuzzing.
    #[doc(hidden)]
    pub fn walk_bytes(
        bytes: &[u8],
        dialect: MboxDialect,
        google: bool,
        visit: &mut dyn FnMut(Found<'_>) -> ControlFlow<()>,
    ) -> std::io::Result<()> {
        let mbox = Self {
            root: PathBuf::new(),
            dialect,
            google,
        };
        let mailbox = Mailbox::in_memory(bytes.len() as u64);
        let _ = mbox.walk_store(
            Arc::<[u8]>::from(bytes),
            bytes.len() as u64,
            &mailbox,
            visit,
        )?;
        Ok(())
    }

    /// Reads labels: for fuzzing.
    #[doc(hidden)]
    pub fn read_labels(value: &str) -> (FolderPath, crate::model::FlagSet) {
        takeout::place(value)
    }

    fn mailboxes(&self) -> Result<Vec<Mailbox>, ArchiveError> {
        let found = files::mailboxes(&self.root)?;
        if found.is_empty() {
            let reason = "it is no mbox, and holds none: a message begins with a line \"From …\"; \
                          unpack archives first";
            return Err(ArchiveError::unusable(&self.root, reason));
        }
        Ok(found)
    }
}

impl Archive for Mbox {
    fn walk(
        &mut self,
        visit: &mut dyn FnMut(Found<'_>) -> ControlFlow<()>,
    ) -> Result<(), ArchiveError> {
        for mailbox in self.mailboxes()? {
            let walked = self.walk_one(&mailbox, visit);
            let go_on = match walked {
                Ok(go_on) => go_on,
                Err(error) => {
                    let words = format!("the rest of the file cannot be read: {error}");
                    visit(Found::new(
                        mailbox.folder.clone(),
                        &mailbox.name,
                        Err(words),
                    ))
                }
            };
            if go_on.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn folders(&mut self) -> Result<Vec<(FolderPath, bool)>, ArchiveError> {
        if self.google {
            return Ok(Vec::new());
        }
        let mailboxes = self.mailboxes()?;
        Ok(mailboxes
            .into_iter()
            .map(|one| (one.folder, true))
            .collect())
    }

    fn stamp(&mut self) -> Result<Option<Stamp>, ArchiveError> {
        let mut hasher = blake3::Hasher::new();
        for mailbox in self.mailboxes()? {
            hasher.update(&mailbox.stamp(self.dialect));
        }
        Ok(Some(super::short(&hasher)))
    }
}

impl Mbox {
    fn walk_one(
        &self,
        mailbox: &Mailbox,
        visit: &mut dyn FnMut(Found<'_>) -> ControlFlow<()>,
    ) -> std::io::Result<ControlFlow<()>> {
        let file = File::open(&mailbox.path)?;
        let size = file.metadata()?.len();
        self.walk_store(Arc::new(file), size, mailbox, visit)
    }

    fn walk_store<S: Store + ?Sized>(
        &self,
        store: Arc<S>,
        size: u64,
        mailbox: &Mailbox,
        visit: &mut dyn FnMut(Found<'_>) -> ControlFlow<()>,
    ) -> std::io::Result<ControlFlow<()>> {
        let Some(mut scanner) = Scanner::open(store, size, self.dialect)? else {
            return Ok(ControlFlow::Continue(()));
        };
        let stamp = mailbox.stamp(self.dialect);
        while let Some(span) = scanner.next()? {
            if self
                .show(&scanner, mailbox, &span, stamp, visit)?
                .is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn show<S: Store + ?Sized>(
        &self,
        scanner: &Scanner<S>,
        mailbox: &Mailbox,
        span: &Span,
        stamp: Stamp,
        visit: &mut dyn FnMut(Found<'_>) -> ControlFlow<()>,
    ) -> std::io::Result<ControlFlow<()>> {
        let own = Own {
            lengths: scanner.manner.lengths,
            google: self.google,
        };
        let mut whole = Part::new(scanner.store(), span.start, span.end);
        let header = Header::read(&mut whole, own)?;
        let rest = span.start + header.length;
        // Where nothing but the mailbox's own lines stood, there is no message.
        if header.is_hidden() || header.bytes.is_empty() && rest == span.end {
            return Ok(ControlFlow::Continue(()));
        }
        let (folder, flags) = match header.own("x-gmail-labels") {
            Some(labels) => takeout::place(labels),
            None if self.google => takeout::place(""),
            None => (mailbox.folder.clone(), header.flags()),
        };
        let date = from_line::date(&span.from).or_else(|| super::headers::arrival(&header.bytes));
        let body = header
            .bytes
            .as_slice()
            .chain(Part::new(scanner.store(), rest, span.end));
        let mut plain;
        let mut unquoted;
        let body: &mut dyn Read = if scanner.manner.unquote {
            unquoted = unquote::Unquote::new(body);
            &mut unquoted
        } else {
            plain = body;
            &mut plain
        };
        Ok(visit(Found {
            folder,
            flags,
            date,
            locator: format!("{}, byte {}", mailbox.name, span.start),
            stamp: Some(at(stamp, span)),
            body: Ok(body),
        }))
    }
}

/// The stamp of a message: its file's and its place there.
fn at(file: Stamp, span: &Span) -> Stamp {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&file);
    hasher.update(&span.start.to_le_bytes());
    hasher.update(&span.end.to_le_bytes());
    super::short(&hasher)
}

#[cfg(test)]
mod tests;
