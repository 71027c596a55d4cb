//! Outlook's PST and OST files: mail as messages, contacts and calendars as collections.
//!
//! The file is read where it is needed, never whole. The reader is ours and not a library: those
//! that exist read attachments whole into memory, know no OST since Outlook 2013, and end at the
//! first damaged item.

mod contact;
mod crypt;
mod data;
mod event;
mod file;
mod headers;
mod ltp;
mod mime;
mod ndb;
mod recurrence;
mod rtf;
mod series;
mod store;
mod text;
mod time;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::io::{self, Seek};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use ltp::Bag;
use ndb::Ndb;
pub use ndb::ReadAt;
use store::PstFolder;

use super::file::{Archive, ArchiveError, Found, Stamp, stamp_of_file};
use crate::account::{FileKind, FileOrigin};
use crate::collection::{Collection, Import, Kind, Object};
use crate::model::{FlagSet, FolderPath};
use crate::proof::{Exception, Reason};

/// Larger messages are rebuilt in an unnamed file.
const IN_MEMORY: usize = 1 << 20;
/// Names of the inbox: every mailbox has one, and IMAP gives it a name of its own.
const INBOXES: [&str; 2] = ["inbox", "boîte de réception"];
/// Where items of the topmost folder go.
const TOP: &str = "Racine";

/// What an item becomes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    Message,
    Contact,
    List,
    Appointment,
    Task,
}

impl Form {
    /// By the message class; what is not known is carried as a message, so that nothing is lost.
    fn of(class: &str) -> Self {
        let class = class.to_ascii_uppercase();
        let is = |known: &str| {
            class
                .strip_prefix(known)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        if is("IPM.CONTACT") {
            Self::Contact
        } else if is("IPM.DISTLIST") {
            Self::List
        } else if is("IPM.APPOINTMENT") {
            Self::Appointment
        } else if is("IPM.TASK") {
            Self::Task
        } else {
            Self::Message
        }
    }

    fn kind(self) -> Option<Kind> {
        match self {
            Self::Message => None,
            Self::Contact | Self::List => Some(Kind::Contacts),
            Self::Appointment | Self::Task => Some(Kind::Calendar),
        }
    }
}

/// The archive of an origin that holds more than mail, or none.
pub(super) fn archive(origin: &FileOrigin) -> Option<Box<dyn Archive>> {
    match origin.kind {
        FileKind::Pst => Some(Box::new(PstArchive::new(&origin.path))),
        FileKind::Ical | FileKind::Vcard => Some(Box::new(NoMail)),
        _ => None,
    }
}

/// Files without mail: all they hold goes to collections.
struct NoMail;

impl Archive for NoMail {
    fn walk(
        &mut self,
        _: &mut dyn FnMut(Found<'_>) -> ControlFlow<()>,
    ) -> Result<(), ArchiveError> {
        Ok(())
    }
}

/// A PST file as a source of mail.
pub struct PstArchive {
    path: PathBuf,
}

impl PstArchive {
    /// The file is opened when it is walked.
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    fn open(&self) -> Result<Ndb<File>, ArchiveError> {
        let file = File::open(&self.path).map_err(ArchiveError::io(&self.path))?;
        Ndb::open(file).map_err(|error| self.unusable(&error))
    }

    fn unusable(&self, error: &io::Error) -> ArchiveError {
        let words = format!("{error}; repair the file with Outlook's Inbox Repair Tool (scanpst)");
        ArchiveError::unusable(&self.path, words)
    }
}

impl Archive for PstArchive {
    fn walk(
        &mut self,
        visit: &mut dyn FnMut(Found<'_>) -> ControlFlow<()>,
    ) -> Result<(), ArchiveError> {
        let ndb = self.open()?;
        walk(&ndb, visit).map_err(|error| self.unusable(&error))
    }

    fn folders(&mut self) -> Result<Vec<(FolderPath, bool)>, ArchiveError> {
        let ndb = self.open()?;
        let folders = store::folders(&ndb).map_err(|error| self.unusable(&error))?;
        let mail = |folder: &&PstFolder| {
            let class = folder.class.to_ascii_uppercase();
            !folder.path.is_empty() && (class.is_empty() || class.starts_with("IPF.NOTE"))
        };
        Ok(folders
            .iter()
            .filter(mail)
            .map(|folder| (folder_path(folder), true))
            .collect())
    }

    fn stamp(&mut self) -> Result<Option<Stamp>, ArchiveError> {
        stamp_of_file(&self.path).map(Some)
    }
}

fn folder_path(folder: &PstFolder) -> FolderPath {
    let mut levels = folder.path.clone();
    match levels.first_mut() {
        Some(first) if INBOXES.contains(&first.to_lowercase().as_str()) => {
            "INBOX".clone_into(first);
        }
        Some(_) => {}
        None => levels.push(TOP.to_owned()),
    }
    FolderPath(levels)
}

/// Visits every message of a file.
fn walk<F: ReadAt>(
    ndb: &Ndb<F>,
    visit: &mut dyn FnMut(Found<'_>) -> ControlFlow<()>,
) -> io::Result<()> {
    for folder in store::folders(ndb)? {
        let path = folder_path(&folder);
        let items = match store::items(ndb, folder.nid) {
            Ok(items) => items,
            Err(error) => {
                let locator = format!("folder node {:#x}", folder.nid);
                if visit(Found::new(path, locator, Err(error.to_string()))).is_break() {
                    return Ok(());
                }
                continue;
            }
        };
        let told = folder.count.map_or(0, |count| count as usize);
        if told > items.len() {
            let locator = format!("folder node {:#x}", folder.nid);
            let words = format!(
                "the folder says that it holds {told} items; {} are there",
                items.len()
            );
            if visit(Found::new(path.clone(), locator, Err(words))).is_break() {
                return Ok(());
            }
        }
        for nid in items {
            let locator = format!("node {nid:#x}");
            let ended = match rebuild(ndb, nid) {
                Ok(None) => continue,
                Ok(Some(mut message)) => visit(Found {
                    flags: message.flags,
                    date: message.date,
                    ..Found::new(path.clone(), locator, Ok(&mut message.bytes))
                }),
                Err(error) => visit(Found::new(path.clone(), locator, Err(error.to_string()))),
            };
            if ended.is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

struct Message {
    flags: FlagSet,
    date: Option<crate::model::InternalDate>,
    bytes: tempfile::SpooledTempFile,
}

/// Rebuilds one item; none when it belongs to a collection.
fn rebuild<F: ReadAt>(ndb: &Ndb<F>, nid: ndb::Nid) -> io::Result<Option<Message>> {
    let bag = store::item(ndb, nid)?;
    if form(&bag)? != Form::Message {
        return Ok(None);
    }
    let mut bytes = tempfile::SpooledTempFile::new(IN_MEMORY);
    {
        let mut out = io::BufWriter::new(&mut bytes);
        mime::write(ndb, &bag, &mut out)?;
        io::Write::flush(&mut out)?;
    }
    bytes.rewind()?;
    Ok(Some(Message {
        flags: flags(&bag),
        date: headers::date(&bag)?.map(time::internal),
        bytes,
    }))
}

fn form<F: ReadAt>(bag: &Bag<'_, F>) -> io::Result<Form> {
    let class = store::text(bag, 0x001A, store::code_page(bag))?;
    Ok(Form::of(class.as_deref().unwrap_or("IPM.Note")))
}

/// Flags of IMAP that Outlook's properties tell.
fn flags<F: ReadAt>(bag: &Bag<'_, F>) -> FlagSet {
    let state = bag.number(0x0E07).unwrap_or(0);
    let mut names = Vec::new();
    if state & 1 != 0 {
        names.push("\\Seen");
    }
    if state & 8 != 0 {
        names.push("\\Draft");
    }
    if bag.number(0x1090) == Some(2) {
        names.push("\\Flagged");
    }
    match bag.number(0x1081) {
        Some(102 | 103) => names.push("\\Answered"),
        Some(104) => names.push("$Forwarded"),
        _ => {}
    }
    FlagSet::new(names)
}

/// What a collection's item became, with what could not be told of it.
type Kept = io::Result<(Object, Option<String>)>;

/// Visits every item that belongs to a collection.
fn objects<F: ReadAt>(
    ndb: &Ndb<F>,
    visit: &mut dyn FnMut(&PstFolder, ndb::Nid, Kind, Kept) -> io::Result<()>,
) -> io::Result<()> {
    let names = store::names(ndb)?;
    for folder in store::folders(ndb)? {
        // A folder whose items cannot be listed, an item that cannot be opened: the walk of the
        // messages tells them.
        for nid in store::items(ndb, folder.nid).unwrap_or_default() {
            let Ok(bag) = store::item(ndb, nid) else {
                continue;
            };
            let form = form(&bag).unwrap_or(Form::Message);
            if let Some(kind) = form.kind() {
                visit(&folder, nid, kind, object(&bag, &names, form))?;
            }
        }
    }
    Ok(())
}

/// Keeps the contacts and calendars of a file below `root`.
pub fn collect(path: &Path, root: &Path, account: &str) -> io::Result<Import> {
    let ndb = Ndb::open(File::open(path)?)?;
    let mut collections: BTreeMap<(Vec<String>, Kind), Collection> = BTreeMap::new();
    let mut exceptions = Vec::new();
    objects(&ndb, &mut |folder, nid, kind, kept| {
        let levels = folder_path(folder).0;
        let collection = match collections.entry((levels.clone(), kind)) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(Collection::open(root, kind, &levels)?),
        };
        let told = match kept {
            Ok((object, untold)) => {
                collection.add(&object)?;
                untold.map(|words| (Reason::NotRepresentable, words))
            }
            Err(error) => Some((Reason::SourceUndeliverable, error.to_string())),
        };
        if let Some((reason, words)) = told {
            let path = FolderPath(vec!["collections".to_owned(), levels.join("/")]);
            let exception = Exception::new(account, &path, None, reason);
            exceptions.push(exception.saying(format!("node {nid:#x}: {words}")));
            collection.fail();
        }
        Ok(())
    })?;
    let finished: io::Result<Vec<_>> = collections.into_values().map(Collection::finish).collect();
    Ok(Import {
        collections: finished?,
        exceptions,
    })
}

/// Reads everything in bytes that are not a file, and keeps nothing: what fuzzing needs.
pub fn read_through<F: ReadAt>(file: F) -> io::Result<()> {
    let ndb = Ndb::open(file)?;
    walk(&ndb, &mut |found| {
        if let Ok(body) = found.body
            && io::copy(body, &mut io::sink()).is_err()
        {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    objects(&ndb, &mut |_, _, _, _| Ok(()))
}

fn object<F: ReadAt>(bag: &Bag<'_, F>, names: &store::Names, form: Form) -> Kept {
    match form {
        Form::Appointment => event::appointment(bag, names),
        Form::Task => event::task(bag, names),
        Form::List => {
            let object = contact::write(bag, names, true)?;
            Ok((
                object,
                Some("the members of this list are not kept".to_owned()),
            ))
        }
        Form::Contact | Form::Message => Ok((contact::write(bag, names, false)?, None)),
    }
}
