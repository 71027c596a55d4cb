//! The walk that delivers: wanted items by their bytes, folders gathered so that batches form even
//! where a file holds them mixed.

use std::collections::HashMap;
use std::io::Read;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::crlf::Crlf;
use super::look::{PIECE, State, read_some, unreadable};
use super::numbers::FolderNumber;
use super::{ArchiveError, Found, Stamp};
use crate::model::{MessageHash, Uid};
use crate::payload::{BodySink, Payload, Room, SPILL_ABOVE};
use crate::source::{Delivery, FolderWork, Item, MissingReason};

/// Bytes of messages gathered at most, and their part of what may be in memory.
const GATHER: u64 = 2 << 20;
const PART: u64 = 4;
/// Messages gathered at most.
const GATHER_COUNT: usize = 512;

/// Nobody listens any more, or the walk was stopped.
struct Deaf;

/// One folder's share of the work.
struct Share {
    index: usize,
    /// Items that are still to come.
    left: usize,
    gathered: Vec<Item>,
    bytes: u64,
    /// An item here could not be read now although it could when it was surveyed.
    trouble: Option<String>,
}

struct Deliver<'a> {
    room: &'a Arc<Room>,
    sink: BodySink,
    handle: Handle,
    out: mpsc::Sender<Delivery>,
    shares: HashMap<FolderNumber, Share>,
    /// Numbers still wanted, per folder and bytes, last one first.
    wanted: HashMap<(FolderNumber, MessageHash), Vec<Uid>>,
    hashed: HashMap<(FolderNumber, Stamp), MessageHash>,
    state: &'a State,
    numbers: HashMap<crate::model::FolderPath, FolderNumber>,
    buffer: Vec<u8>,
    body: Vec<u8>,
    gathered: u64,
    count: usize,
}

/// Delivers everything in `work`. Ends early, without error, when nobody listens.
pub(super) fn read(
    state: &mut State,
    work: &[FolderWork],
    room: &Arc<Room>,
    out: mpsc::Sender<Delivery>,
    handle: Handle,
    stop: &AtomicBool,
) -> Result<(), ArchiveError> {
    // The archive is walked while the rest of the state is looked at.
    let mut archive = std::mem::replace(&mut state.archive, Box::new(Nothing));
    let mut deliver = Deliver::new(state, work, room, out, handle);
    let mut deaf = false;
    let walked = archive.walk(&mut |found| {
        if stop.load(Ordering::Relaxed) || deliver.take(found).is_err() {
            deaf = true;
        }
        if deaf || deliver.wanted.is_empty() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    if walked.is_ok() && !deaf {
        // Nobody listening is not an error.
        let _ = deliver.end();
    }
    state.archive = archive;
    walked
}

/// Stands in for an archive that is being walked.
struct Nothing;

impl super::Archive for Nothing {
    fn walk(
        &mut self,
        _visit: &mut dyn FnMut(Found<'_>) -> ControlFlow<()>,
    ) -> Result<(), ArchiveError> {
        Ok(())
    }
}

impl<'a> Deliver<'a> {
    fn new(
        state: &'a State,
        work: &[FolderWork],
        room: &'a Arc<Room>,
        out: mpsc::Sender<Delivery>,
        handle: Handle,
    ) -> Self {
        let mut shares = HashMap::new();
        let mut wanted: HashMap<(FolderNumber, MessageHash), Vec<Uid>> = HashMap::new();
        for part in work {
            let Ok(number) = part.name.parse::<FolderNumber>() else {
                continue;
            };
            for (hash, uid) in state.numbers.of(number) {
                if part.uids.binary_search(&uid).is_ok() {
                    wanted.entry((number, hash)).or_default().push(uid);
                }
            }
            let share = Share {
                index: part.index,
                left: part.uids.len(),
                gathered: Vec::new(),
                bytes: 0,
                trouble: None,
            };
            shares.insert(number, share);
        }
        for uids in wanted.values_mut() {
            uids.sort_unstable_by_key(|uid| std::cmp::Reverse(*uid));
        }
        Self {
            sink: BodySink::Keep(Arc::clone(room)),
            room,
            handle,
            out,
            shares,
            wanted,
            hashed: state.survey.by_stamp(&state.numbers),
            numbers: state
                .survey
                .folders
                .iter()
                .map(|folder| (folder.path.clone(), folder.number))
                .collect(),
            state,
            buffer: vec![0; PIECE],
            body: Vec::new(),
            gathered: 0,
            count: 0,
        }
    }

    fn take(&mut self, found: Found<'_>) -> Result<(), Deaf> {
        let Some(number) = self.numbers.get(&found.folder).copied() else {
            return Ok(());
        };
        if self.shares.get(&number).is_none_or(|share| share.left == 0) {
            return Ok(());
        }
        let known = found
            .stamp
            .and_then(|stamp| self.hashed.get(&(number, stamp)));
        if known.is_some_and(|hash| !self.wanted.contains_key(&(number, *hash))) {
            return Ok(());
        }
        let loaded = match found.body {
            Ok(body) => match self.load(number, body) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
                loaded => loaded.map_err(|error| error.to_string()),
            },
            Err(words) => Err(words),
        };
        match loaded {
            Ok(Loaded::Unwanted) => Ok(()),
            Ok(Loaded::Payload(payload)) => self.keep(number, payload),
            Ok(Loaded::Deaf) => Err(Deaf),
            Err(words) => self.missing(number, &found.locator, &words),
        }
    }

    /// Takes the lowest number that is still wanted for these bytes.
    fn claim(&mut self, number: FolderNumber, hash: MessageHash) -> Option<Uid> {
        let key = (number, hash);
        let uids = self.wanted.get_mut(&key)?;
        let uid = uids.pop();
        if uids.is_empty() {
            self.wanted.remove(&key);
        }
        uid
    }

    /// Reads a body whole: into memory, or onto the disk when it is large.
    fn load(&mut self, number: FolderNumber, body: &mut dyn Read) -> std::io::Result<Loaded> {
        self.body.clear();
        let mut crlf = Crlf::default();
        let mut spilled = None;
        loop {
            let count = read_some(body, &mut self.buffer)?;
            if count == 0 {
                break;
            }
            crlf.push(&self.buffer[..count], |part| {
                match &mut spilled {
                    None => self.body.extend_from_slice(part),
                    Some(writer) => crate::payload::PayloadWriter::write(writer, part)?,
                }
                Ok::<_, std::io::Error>(())
            })?;
            if spilled.is_none() && self.body.len() as u64 > SPILL_ABOVE {
                let mut writer = self.room.unmeasured()?;
                writer.write(&self.body)?;
                self.body.clear();
                spilled = Some(writer);
            }
        }
        if let Some(writer) = spilled {
            let payload = writer.finish();
            if !self.wanted.contains_key(&(number, payload.hash)) {
                return Ok(Loaded::Unwanted);
            }
            if self.flush_all().is_err() {
                return Ok(Loaded::Deaf);
            }
            let admitted = self.handle.block_on(self.room.admit(payload));
            return Ok(Loaded::Payload(admitted));
        }
        let hash = MessageHash::of(&self.body);
        if !self.wanted.contains_key(&(number, hash)) {
            return Ok(Loaded::Unwanted);
        }
        let size = self.body.len() as u64;
        let at_once = self.sink.open(size).now_or_never();
        let mut writer = if let Some(opened) = at_once {
            opened?
        } else {
            // What is gathered takes room itself: it goes first.
            if self.flush_all().is_err() {
                return Ok(Loaded::Deaf);
            }
            self.handle.block_on(self.sink.open(size))?
        };
        writer.write(&self.body)?;
        Ok(Loaded::Payload(writer.finish()))
    }

    fn keep(&mut self, number: FolderNumber, payload: Payload) -> Result<(), Deaf> {
        let Some(uid) = self.claim(number, payload.hash) else {
            return Ok(());
        };
        let folders = &self.state.survey.folders;
        let listed = folders
            .iter()
            .find(|folder| folder.number == number)
            .and_then(|folder| {
                let at = folder.items.binary_search_by_key(&uid, |item| item.uid);
                at.ok().map(|at| &folder.items[at])
            });
        let (flags, date) =
            listed.map_or_else(Default::default, |item| (item.flags.clone(), item.date));
        let size = payload.size;
        let item = Item {
            uid,
            flags,
            date,
            payload,
        };
        let Some(share) = self.shares.get_mut(&number) else {
            return Ok(());
        };
        share.left -= 1;
        share.bytes += size;
        share.gathered.push(item);
        self.gathered += size;
        self.count += 1;
        if share.left == 0 {
            return self.finish(number);
        }
        let most = GATHER.min(self.room.memory() / PART);
        if self.gathered > most || self.count >= GATHER_COUNT {
            let largest = self.shares.iter().max_by_key(|(_, share)| share.bytes);
            if let Some(number) = largest.map(|(number, _)| *number) {
                return self.flush(number);
            }
        }
        Ok(())
    }

    fn missing(&mut self, number: FolderNumber, locator: &str, words: &str) -> Result<(), Deaf> {
        let text = format!("{locator}: {words}");
        let claimed = self.claim(number, unreadable(locator));
        let Some(share) = self.shares.get_mut(&number) else {
            return Ok(());
        };
        let Some(uid) = claimed else {
            share.trouble.get_or_insert(text);
            return Ok(());
        };
        share.left -= 1;
        let (index, last) = (share.index, share.left == 0);
        self.send(Delivery::Missing(
            index,
            uid,
            MissingReason::Unreadable,
            text,
        ))?;
        if last { self.finish(number) } else { Ok(()) }
    }

    fn send(&self, delivery: Delivery) -> Result<(), Deaf> {
        self.out.blocking_send(delivery).map_err(|_| Deaf)
    }

    /// Sends what is gathered of one folder.
    fn flush(&mut self, number: FolderNumber) -> Result<(), Deaf> {
        let Some(share) = self.shares.get_mut(&number) else {
            return Ok(());
        };
        let (index, items) = (share.index, std::mem::take(&mut share.gathered));
        self.gathered -= std::mem::take(&mut share.bytes);
        self.count -= items.len();
        for item in items {
            self.send(Delivery::Item(index, item))?;
        }
        Ok(())
    }

    fn flush_all(&mut self) -> Result<(), Deaf> {
        let numbers: Vec<FolderNumber> = self.shares.keys().copied().collect();
        numbers
            .into_iter()
            .try_for_each(|number| self.flush(number))
    }

    /// Sends what is gathered of a folder that has nothing more.
    fn finish(&mut self, number: FolderNumber) -> Result<(), Deaf> {
        self.flush(number)?;
        match self.shares.remove(&number) {
            Some(share) => self.send(Delivery::FolderEnd(share.index)),
            None => Ok(()),
        }
    }

    /// Accounts for what the walk did not meet.
    fn end(&mut self) -> Result<(), Deaf> {
        for ((number, _), uids) in std::mem::take(&mut self.wanted) {
            let Some(share) = self.shares.get(&number) else {
                continue;
            };
            for uid in uids {
                self.send(match &share.trouble {
                    // It may be the one that could not be read.
                    Some(words) => Delivery::Missing(
                        share.index,
                        uid,
                        MissingReason::Unreadable,
                        words.clone(),
                    ),
                    None => Delivery::Vanished(share.index, uid),
                })?;
            }
        }
        let numbers: Vec<FolderNumber> = self.shares.keys().copied().collect();
        numbers
            .into_iter()
            .try_for_each(|number| self.finish(number))
    }
}

enum Loaded {
    Unwanted,
    Payload(Payload),
    Deaf,
}
