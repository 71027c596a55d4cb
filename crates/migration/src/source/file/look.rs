//! A survey's walk: each item hashed, numbered and listed; no body is held.

use std::collections::HashMap;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::crlf::Crlf;
use super::numbers::{FolderNumber, Numbers};
use super::survey::{Folder, Known, Survey};
use super::{Archive, ArchiveError, Found, Stamp};
use crate::model::{MessageHash, Uid};

/// Bytes read of a body at once.
pub(super) const PIECE: usize = 1 << 16;

/// An archive with what is known of it.
pub(super) struct State {
    pub(super) archive: Box<dyn Archive>,
    pub(super) numbers: Numbers,
    pub(super) survey: Survey,
}

/// The identity of an item whose bytes cannot be had: where it is.
pub(super) fn unreadable(locator: &str) -> MessageHash {
    let mut hasher = blake3::Hasher::new_derive_key("melouvert unreadable item");
    hasher.update(locator.as_bytes());
    MessageHash(*hasher.finalize().as_bytes())
}

/// Surveys an archive whose state is kept in `directory`. UIDVALIDITY is `fresh` if none was kept.
pub(super) fn survey(
    mut archive: Box<dyn Archive>,
    directory: &Path,
    fresh: u32,
    stop: &AtomicBool,
) -> Result<State, ArchiveError> {
    let (numbers, kept) = (directory.join("numbers"), directory.join("survey"));
    let previous = Survey::load(&kept)?.unwrap_or_default();
    let mut numbers = Numbers::open(&numbers, previous.sealed, fresh)?;
    let previous = Some(previous).filter(|survey| survey.validity == numbers.validity());
    let stamp = archive.stamp()?;
    if let Some(survey) = &previous
        && survey.stamp.is_some()
        && survey.stamp == stamp
    {
        let survey = previous.unwrap_or_default();
        return Ok(State {
            archive,
            numbers,
            survey,
        });
    }
    numbers.begin_walk();
    let mut look = Look {
        hashed: previous
            .as_ref()
            .map(|survey| survey.by_stamp(&numbers))
            .unwrap_or_default(),
        numbers: &mut numbers,
        folders: Vec::new(),
        places: HashMap::new(),
        buffer: vec![0; PIECE],
        unreadable: 0,
    };
    look.walk(&mut *archive, stop)?;
    let unreadable = look.unreadable;
    let mut folders = look.folders;
    for folder in &mut folders {
        folder.items.sort_unstable_by_key(|item| item.uid);
        if let Some(previous) = &previous {
            keep_among_equals(folder, previous, &numbers);
        }
    }
    let survey = Survey {
        validity: numbers.validity(),
        sealed: numbers.seal()?,
        // What could not be read may be readable next time, without any change that shows.
        stamp: stamp.filter(|_| unreadable == 0),
        folders,
    };
    survey.save(&kept)?;
    Ok(State {
        archive,
        numbers,
        survey,
    })
}

struct Look<'a> {
    hashed: HashMap<(FolderNumber, Stamp), MessageHash>,
    numbers: &'a mut Numbers,
    folders: Vec<Folder>,
    places: HashMap<FolderNumber, usize>,
    buffer: Vec<u8>,
    unreadable: u64,
}

impl Look<'_> {
    fn walk(&mut self, archive: &mut dyn Archive, stop: &AtomicBool) -> Result<(), ArchiveError> {
        let mut failure = None;
        archive.walk(&mut |found| {
            if stop.load(Ordering::Relaxed) {
                return ControlFlow::Break(());
            }
            match self.take(found) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failure = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        if let Some(failure) = failure {
            return Err(failure);
        }
        for (path, subscribed) in archive.folders()? {
            let place = self.place(&path)?;
            self.folders[place].subscribed = subscribed;
        }
        Ok(())
    }

    fn place(&mut self, path: &crate::model::FolderPath) -> Result<usize, ArchiveError> {
        let number = self.numbers.folder(path)?;
        let folders = &mut self.folders;
        Ok(*self.places.entry(number).or_insert_with(|| {
            folders.push(Folder {
                path: path.clone(),
                number,
                subscribed: true,
                items: Vec::new(),
            });
            folders.len() - 1
        }))
    }

    fn take(&mut self, found: Found<'_>) -> Result<(), ArchiveError> {
        let place = self.place(&found.folder)?;
        let number = self.folders[place].number;
        let stamped = found.stamp.map(|stamp| (number, stamp));
        let known = stamped.and_then(|key| self.hashed.get(&key).copied());
        let hash = match (known, found.body) {
            (Some(hash), Ok(_)) => Some(hash),
            (None, Ok(body)) => match digest(body, &mut self.buffer) {
                Ok(hash) => Some(hash),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
                Err(_) => None,
            },
            (_, Err(_)) => None,
        };
        let mut stamp = found.stamp;
        let hash = hash.unwrap_or_else(|| {
            self.unreadable += 1;
            stamp = None;
            unreadable(&found.locator)
        });
        let uid = self.numbers.give(number, hash)?;
        self.folders[place].items.push(Known {
            uid,
            flags: found.flags,
            date: found.date,
            stamp,
        });
        Ok(())
    }
}

/// Hashes a body as the engine will get it.
fn digest(body: &mut dyn Read, buffer: &mut [u8]) -> std::io::Result<MessageHash> {
    let mut hasher = blake3::Hasher::new();
    let mut crlf = Crlf::default();
    loop {
        let count = read_some(body, buffer)?;
        if count == 0 {
            break;
        }
        crlf.push(&buffer[..count], |part| {
            hasher.update(part);
            Ok::<_, std::io::Error>(())
        })?;
    }
    Ok(MessageHash(*hasher.finalize().as_bytes()))
}

/// Reads what comes, through interruptions.
pub(super) fn read_some(body: &mut dyn Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    loop {
        match body.read(buffer) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            ended => return ended,
        }
    }
}

/// Equal bytes may have other flags and dates: each keeps the number under which an earlier
/// survey listed them, so that another order in the file changes nothing.
fn keep_among_equals(folder: &mut Folder, previous: &Survey, numbers: &Numbers) {
    let Some(before) = previous
        .folders
        .iter()
        .find(|one| one.number == folder.number)
    else {
        return;
    };
    let place = |items: &[Known], uid: Uid| items.binary_search_by_key(&uid, |item| item.uid).ok();
    for uids in numbers.shared(folder.number) {
        let mut places: Vec<usize> = uids
            .iter()
            .filter_map(|uid| place(&folder.items, *uid))
            .collect();
        let mut left: Vec<Known> = places.iter().map(|at| folder.items[*at].clone()).collect();
        let mut settle = |at: usize, mut item: Known| {
            item.uid = folder.items[at].uid;
            folder.items[at] = item;
        };
        // First those that were listed alike before, then the others in order.
        let listed: Vec<(usize, Uid)> = places
            .iter()
            .zip(left.iter().map(|item| item.uid))
            .map(|(at, uid)| (*at, uid))
            .collect();
        for (at, uid) in listed {
            let Some(was) = place(&before.items, uid).map(|at| &before.items[at]) else {
                continue;
            };
            let same = |item: &Known| item.flags == was.flags && item.date == was.date;
            if let Some(found) = left.iter().position(same) {
                settle(at, left.remove(found));
                places.retain(|other| *other != at);
            }
        }
        for (at, item) in places.into_iter().zip(left) {
            settle(at, item);
        }
    }
}
