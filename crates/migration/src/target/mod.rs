//! Where messages go: one file per kind of target.
//!
//! A target only ever gains messages, folders, flags and subscriptions.

pub(crate) mod disk;
pub mod export;
pub mod imap;
pub mod maildir;
mod shelf;

use futures::future::BoxFuture;

use crate::account::{Destination, FileTargetKind};
use crate::context::Context;
use crate::error::EndpointError;
use crate::matcher::Held;
use crate::model::{FlagSet, FolderPath, Role, Uid};
use crate::patience::Temporary;
use crate::source::Item;

pub use imap::Rung;

/// A folder at the target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TargetFolder {
    /// Its name in the target's own writing.
    pub name: String,
    /// Its UIDVALIDITY.
    pub validity: u32,
    /// Its UIDNEXT.
    pub uid_next: u32,
    /// Messages in it.
    pub messages: u32,
}

/// A folder that the target must have.
#[derive(Default, Clone, PartialEq, Eq, Debug)]
pub struct WantedFolder {
    /// Its path at the source.
    pub path: FolderPath,
    /// Its name at the target when an earlier run chose one.
    pub name: Option<String>,
    /// Whether to subscribe to it.
    pub subscribe: bool,
    /// What it is for: a target that has a folder for that may give it instead of one by the
    /// path's name.
    pub role: Option<Role>,
}

/// A folder as a new listing shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// Its name in the target's own writing.
    pub name: String,
    /// Whether the user is subscribed to it.
    pub subscribed: bool,
}

/// A batch's answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ack {
    /// All are stored; the UIDs, in order, when the target tells them.
    Stored(Option<Vec<Uid>>),
    /// None is stored.
    Refused(Refusal),
}

/// Why a batch is not stored.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Refusal {
    /// The server's code, such as `OVERQUOTA`.
    pub code: String,
    /// The server's words.
    pub said: String,
    /// The server did not understand the line: what it made of the bytes behind it nobody knows.
    pub misunderstood: bool,
}

impl Refusal {
    /// Whether it will pass.
    pub fn is_temporary(&self) -> bool {
        Temporary::heard(&self.said).is_some()
    }
}

/// A change of flags on one message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FlagChange {
    /// The message at the target.
    pub uid: Uid,
    /// Flags to set.
    pub add: FlagSet,
    /// Flags to clear.
    pub remove: FlagSet,
}

/// A kind of target.
pub trait Target: Send {
    /// Names of folders that earlier runs filled from other folders of the source: no wanted
    /// folder without a name of its own may get one of them.
    fn reserve(&mut self, _names: Vec<String>) {}

    /// Makes the wanted folders exist; the answer is in the same order. An inner error concerns
    /// one folder.
    fn prepare<'a>(
        &'a mut self,
        wanted: &'a [WantedFolder],
    ) -> BoxFuture<'a, Result<Vec<Result<TargetFolder, String>>, EndpointError>>;

    /// A folder's present state.
    fn state<'a>(&'a mut self, name: &'a str)
    -> BoxFuture<'a, Result<TargetFolder, EndpointError>>;

    /// Lists the folders anew, with the subscriptions; none when the target has no such listing.
    fn listed(&mut self) -> BoxFuture<'_, Result<Option<Vec<Listed>>, EndpointError>> {
        Box::pin(async { Ok(None) })
    }

    /// Reads back the messages with UIDs above `above`.
    fn read_above<'a>(
        &'a mut self,
        name: &'a str,
        above: Uid,
    ) -> BoxFuture<'a, Result<Vec<Held>, EndpointError>>;

    /// Reads back the messages with these UIDs; those that are gone are left out.
    fn read_these<'a>(
        &'a mut self,
        name: &'a str,
        uids: &'a [Uid],
    ) -> BoxFuture<'a, Result<Vec<Held>, EndpointError>>;

    /// Sends a batch for one folder without waiting for its answer. An empty one only asks whether
    /// the connection still stands.
    fn submit<'a>(
        &'a mut self,
        name: &'a str,
        batch: &'a [Item],
    ) -> BoxFuture<'a, Result<(), EndpointError>>;

    /// Sends a message that was refused, alone and with care, with what `rung` leaves of what is
    /// told about it.
    fn submit_alone<'a>(
        &'a mut self,
        name: &'a str,
        item: &'a Item,
        _rung: Rung,
    ) -> BoxFuture<'a, Result<(), EndpointError>> {
        self.submit(name, std::slice::from_ref(item))
    }

    /// What to leave out next of what is told about a refused message, when that may be at fault.
    fn next_rung(&self, _name: &str, _item: &Item, _rung: Rung) -> Option<Rung> {
        None
    }

    /// Sets, of the flags that a message was stored without, those that the target takes.
    fn complete_flags<'a>(
        &'a mut self,
        _name: &'a str,
        _uid: Uid,
        _stored: (&'a Item, Rung),
    ) -> BoxFuture<'a, Result<(), EndpointError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Waits as a refusal asks for that will pass; fails when that was enough.
    fn wait<'a>(&'a mut self, _refusal: &'a Refusal) -> BoxFuture<'a, Result<(), EndpointError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Waits for the answer to the oldest batch.
    fn acknowledge(&mut self) -> BoxFuture<'_, Result<Ack, EndpointError>>;

    /// Batches that may wait for an answer at once.
    fn window(&self) -> usize;

    /// Messages that one batch may hold.
    fn batch_limit(&self) -> usize;

    /// Changes flags in one folder; messages that are gone are left alone. Returns, ascending, those
    /// of which the target does not take some flag.
    fn change_flags<'a>(
        &'a mut self,
        name: &'a str,
        changes: &'a [FlagChange],
    ) -> BoxFuture<'a, Result<Vec<Uid>, EndpointError>>;

    /// Opens the connection anew; batches in flight are forgotten.
    fn reconnect(&mut self) -> BoxFuture<'_, Result<(), EndpointError>>;

    /// Whether what it acknowledges may be lost with its machine until a barrier has passed; known
    /// once it was reached.
    fn forgetful(&self) -> bool {
        false
    }

    /// Counts the connections that were opened: two acknowledgements with the same number came
    /// over one connection.
    fn connection(&self) -> u64 {
        0
    }

    /// Asks the target to put on disk what it acknowledged so far; batches may go on meanwhile.
    /// One that passed holds for what was acknowledged over a connection that still stands after
    /// it: a server that was started anew in between may have forgotten it before.
    fn barrier(&self) -> BoxFuture<'static, Result<(), EndpointError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Brings what summarises the target up to date, at the end of every run.
    fn finish(&mut self) -> BoxFuture<'_, Result<(), EndpointError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Prepares a target; nothing is opened before it is needed.
pub fn open(
    destination: &Destination,
    context: &Context,
) -> Result<Box<dyn Target>, EndpointError> {
    match destination {
        Destination::Imap(endpoint) => {
            let (timeouts, backoff) = (context.timeouts, context.backoff);
            let target = imap::ImapTarget::new(endpoint.clone(), timeouts, backoff);
            Ok(Box::new(target.telling(context.teller.clone())))
        }
        Destination::Files(files) => Ok(match files.kind {
            FileTargetKind::Maildir => maildir::open(&files.path),
            FileTargetKind::Export => export::open(&files.path),
        }),
    }
}
