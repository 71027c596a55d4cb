//! Where messages come from: one file per kind of source.
//!
//! A source is never written to.

pub mod file;
pub mod imap;
pub mod pst;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use futures::future::BoxFuture;
use tokio::sync::mpsc;

use crate::account::Origin;
use crate::context::Context;
use crate::error::EndpointError;
use crate::journal::Watermark;
use crate::model::{FlagSet, FolderPath, InternalDate, Role, Uid};
use crate::payload::Payload;

/// What a survey may skip, since the journal has it already.
pub trait Known: Send + Sync {
    /// UIDVALIDITY and state of a folder that was complete.
    fn complete(&self, path: &FolderPath) -> Option<(u32, Watermark)>;
}

/// One message seen by a survey.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its UID.
    pub uid: Uid,
    /// Its flags.
    pub flags: FlagSet,
}

/// What a survey says about a folder's messages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Entries {
    /// Nothing changed since the journalled state.
    Unchanged,
    /// Those that are new or whose flags changed.
    Changed(Vec<Entry>),
    /// All of them.
    All(Vec<Entry>),
}

impl Default for Entries {
    fn default() -> Self {
        Self::All(Vec::new())
    }
}

/// One folder of a source.
#[derive(Clone, Debug, Default)]
pub struct SourceFolder {
    /// Its path.
    pub path: FolderPath,
    /// Its name in the source's own writing.
    pub name: String,
    /// Its UIDVALIDITY.
    pub validity: u32,
    /// Its state before its messages were listed.
    pub watermark: Watermark,
    /// Whether the user subscribed to it.
    pub subscribed: bool,
    /// Its messages.
    pub entries: Entries,
    /// Why it cannot be read, if so.
    pub unreadable: Option<String>,
    /// Why some of its messages are not among the entries, if so; the others are read.
    pub partly: Option<String>,
    /// What it is for.
    pub role: Option<Role>,
    /// Whether it shows what other folders hold.
    pub view: View,
    /// The server's own identity for it, which a new name does not change.
    pub identity: Option<String>,
    /// Entries, ascending, of which the source told no flags.
    pub flagless: Vec<Uid>,
    /// Ranges of UIDs that the server tells to be gone since the journalled state.
    pub gone: Vec<(Uid, Uid)>,
}

/// Whether a folder shows what others hold, in the order in which they are copied.
#[derive(Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum View {
    /// It is a place of its own.
    #[default]
    None,
    /// It shows all messages.
    All,
    /// It shows some that are in others too.
    Some,
}

impl View {
    /// What a LIST response's attributes say (RFC 6154; the last two are those of Gmail's XLIST).
    pub fn among<'a>(attributes: impl IntoIterator<Item = &'a str>) -> Self {
        let of = |attribute: &str| match attribute.to_ascii_lowercase().as_str() {
            "\\all" | "\\allmail" => Self::All,
            "\\flagged" | "\\important" | "\\starred" => Self::Some,
            _ => Self::None,
        };
        attributes.into_iter().map(of).max().unwrap_or_default()
    }
}

/// Messages to read from one folder.
#[derive(Clone, Debug)]
pub struct FolderWork {
    /// Index that deliveries carry.
    pub index: usize,
    /// Its name in the source's own writing.
    pub name: String,
    /// The UIDVALIDITY that the UIDs belong to.
    pub validity: u32,
    /// UIDs to read, ascending.
    pub uids: Vec<Uid>,
}

/// A message on its way.
#[derive(Debug)]
pub struct Item {
    /// UID at the source.
    pub uid: Uid,
    /// Flags when it was read.
    pub flags: FlagSet,
    /// INTERNALDATE.
    pub date: Option<InternalDate>,
    /// Its bytes.
    pub payload: Payload,
}

/// What a source delivers.
#[derive(Debug)]
pub enum Delivery {
    /// A message of folder `index`.
    Item(usize, Item),
    /// A message of folder `index` that the source does not deliver.
    Missing(usize, Uid, MissingReason, String),
    /// A message of folder `index` that was deleted at the source meanwhile.
    Vanished(usize, Uid),
    /// Something worth telling of a message of folder `index` that is delivered next.
    Remark(usize, Uid, Remark),
    /// Folder `index` has nothing more.
    FolderEnd(usize),
}

/// What is particular about a message that a source delivers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Remark {
    /// The server tells no date that a server keeps: that of its last hop stands for it, else its
    /// own.
    DateFromHeader,
    /// Neither the server nor the message tells such a date.
    NoDate,
    /// The source tells no flags with the message: those that the survey saw stand.
    NoFlags,
    /// The server gives a text of its own in place of the message.
    Substitute,
}

/// Why a source does not deliver a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MissingReason {
    /// The server fails on this very message.
    Undeliverable,
    /// The file that holds this item is damaged there.
    Unreadable,
    /// The whole folder can no longer be opened.
    FolderUnavailable,
    /// The folder's UIDs changed meaning meanwhile.
    ValidityChanged,
}

/// A kind of source.
pub trait Source: Send {
    /// Lists folders and messages.
    fn survey<'a>(
        &'a mut self,
        known: &'a dyn Known,
    ) -> BoxFuture<'a, Result<Vec<SourceFolder>, EndpointError>>;

    /// Folders that the last survey saw but that belong to others or to all: they are left alone.
    fn left_alone(&self) -> Vec<FolderPath> {
        Vec::new()
    }

    /// Counts the answers of a server that could not be read and were not needed.
    fn unread_lines(&self) -> Arc<AtomicU64> {
        Arc::default()
    }

    /// Whether the last survey learnt which folders the user is subscribed to; if not, why.
    fn subscriptions_unknown(&self) -> Option<String> {
        None
    }

    /// Reads messages, folder after folder, into a bounded channel. Ends early, without error,
    /// when nobody listens any more.
    fn read(
        &mut self,
        work: Vec<FolderWork>,
        out: mpsc::Sender<Delivery>,
    ) -> BoxFuture<'_, Result<(), EndpointError>>;
}

/// Prepares a source; nothing is opened before it is needed.
pub fn open(origin: &Origin, context: &Context) -> Result<Box<dyn Source>, EndpointError> {
    match origin {
        Origin::Imap(endpoint) => {
            let room = Arc::clone(&context.room);
            let (timeouts, backoff) = (context.timeouts, context.backoff);
            let source = imap::ImapSource::new(endpoint.clone(), timeouts, backoff, room);
            let source = source.limited(Arc::clone(&context.gate));
            Ok(Box::new(source.telling(context.teller.clone())))
        }
        Origin::Files(files) => {
            let archive = pst::archive(files).or_else(|| file::archive(files));
            let archive = archive.ok_or_else(|| EndpointError::Unsupported {
                url: files.url().to_owned(),
            })?;
            let fresh = rand::random();
            Ok(Box::new(file::FileSource::new(archive, context, fresh)))
        }
    }
}
