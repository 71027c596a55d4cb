//! A server that dies, or loses its power, after so many steps.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::error::EndpointError;
use crate::imap::ImapError;
use crate::matcher::Held;
use crate::model::{FlagSet, MessageHash, Uid};
use crate::source::Item;
use crate::target::{Ack, FlagChange, Target, TargetFolder, WantedFolder};

/// One folder of a server: by UID a message's content and flags.
#[derive(Clone, Debug)]
pub(super) struct Mailbox {
    pub(super) validity: u32,
    pub(super) next: Uid,
    pub(super) mail: BTreeMap<Uid, (u32, BTreeSet<&'static str>)>,
}

impl Mailbox {
    pub(super) fn new() -> Self {
        Self {
            validity: 1,
            next: 1,
            mail: BTreeMap::new(),
        }
    }

    pub(super) fn put(&mut self, content: u32, flags: BTreeSet<&'static str>) -> Uid {
        let uid = self.next;
        self.mail.insert(uid, (content, flags));
        self.next += 1;
        uid
    }

    pub(super) fn renumber(&mut self) {
        let mail = std::mem::take(&mut self.mail);
        self.validity += 1;
        self.next = 1;
        for (content, flags) in mail.into_values() {
            self.put(content, flags);
        }
    }

    pub(super) fn nth(&self, index: usize) -> Option<Uid> {
        self.mail
            .keys()
            .copied()
            .nth(index % self.mail.len().max(1))
    }
}

pub(super) fn known(flags: &FlagSet) -> BTreeSet<&'static str> {
    ["Src", "Mine"]
        .into_iter()
        .filter(|flag| flags.contains(flag))
        .collect()
}

pub(super) fn set(flags: &BTreeSet<&'static str>) -> FlagSet {
    FlagSet::new(flags.iter().copied())
}

pub(super) fn bytes(content: u32) -> Vec<u8> {
    format!("Subject: {content}\r\n\r\n").into_bytes()
}

/// What a power loss takes: of the messages that are not on disk, those whose bit is not set; of
/// the others the flags.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loss(pub(super) u32);

impl Loss {
    /// The server as it comes up again, with the disk as it is then.
    pub(super) fn strike(self, server: &mut Mailbox, disk: &mut Mailbox) {
        let mut after = disk.clone();
        let unsynced = server
            .mail
            .iter()
            .filter(|(uid, _)| !disk.mail.contains_key(uid));
        for (place, (uid, (content, _))) in unsynced.enumerate() {
            if self.0 & (1 << (place % 32)) != 0 {
                after.mail.insert(*uid, (*content, BTreeSet::new()));
                after.next = after.next.max(uid + 1);
            }
        }
        *server = after.clone();
        *disk = after;
    }
}

/// A target that dies for good after so many steps.
pub(super) struct Mortal {
    pub(super) server: Arc<Mutex<Mailbox>>,
    /// What is on disk, of a target that forgets the rest when the power fails.
    pub(super) disk: Option<Arc<Mutex<Mailbox>>>,
    /// The step at which the power fails, once, and what that takes.
    pub(super) power: Option<(u32, Loss)>,
    pub(super) connection: u64,
    pub(super) steps: u32,
    pub(super) stores_when_dying: bool,
    pub(super) tells_uids: bool,
    pub(super) waiting: VecDeque<Vec<Uid>>,
    /// Set until the next connection.
    pub(super) broken: bool,
}

impl Mortal {
    fn step(&mut self) -> Result<(), EndpointError> {
        if let (Some((left, loss)), Some(disk)) = (self.power, &self.disk) {
            self.power = Some((left - 1, loss));
            if left == 1 {
                self.power = None;
                let mut disk = disk.lock().expect("lock");
                loss.strike(&mut self.server.lock().expect("lock"), &mut disk);
                self.waiting.clear();
                self.broken = true;
            }
        }
        if self.broken {
            let (address, said) = ("power".to_owned(), String::new());
            return Err(ImapError::Closed { address, said }.into());
        }
        self.steps = self.steps.saturating_sub(1);
        if self.steps == 0 {
            let source = std::io::Error::other("killed");
            return Err(EndpointError::Io {
                path: "kill".into(),
                source,
            });
        }
        Ok(())
    }

    pub(super) fn now(&self) -> TargetFolder {
        let server = self.server.lock().expect("lock");
        TargetFolder {
            name: "A".into(),
            validity: server.validity,
            uid_next: server.next,
            messages: u32::try_from(server.mail.len()).expect("few"),
        }
    }

    fn held(&self, wanted: impl Fn(Uid) -> bool) -> Vec<Held> {
        let server = self.server.lock().expect("lock");
        let mail = server.mail.iter().filter(|(uid, _)| wanted(**uid));
        mail.map(|(uid, (content, flags))| Held {
            uid: *uid,
            hash: MessageHash::of(&bytes(*content)),
            size: bytes(*content).len() as u64,
            flags: set(flags),
            date: None,
        })
        .collect()
    }

    fn store(&mut self, batch: &[Item]) {
        let mut server = self.server.lock().expect("lock");
        let uids = batch.iter().map(|item| {
            let content = item.payload.memory().expect("small").to_vec();
            let text = String::from_utf8(content).expect("text");
            let content = text
                .trim_start_matches("Subject: ")
                .trim_end()
                .parse()
                .expect("number");
            server.put(content, known(&item.flags))
        });
        let uids = uids.collect();
        self.waiting.push_back(uids);
    }
}

impl Target for Mortal {
    fn prepare<'a>(
        &'a mut self,
        _: &'a [WantedFolder],
    ) -> BoxFuture<'a, Result<Vec<Result<TargetFolder, String>>, EndpointError>> {
        async move { self.step().map(|()| vec![Ok(self.now())]) }.boxed()
    }

    fn state<'a>(&'a mut self, _: &'a str) -> BoxFuture<'a, Result<TargetFolder, EndpointError>> {
        async move { self.step().map(|()| self.now()) }.boxed()
    }

    fn read_above<'a>(
        &'a mut self,
        _: &'a str,
        above: Uid,
    ) -> BoxFuture<'a, Result<Vec<Held>, EndpointError>> {
        async move { self.step().map(|()| self.held(|uid| uid > above)) }.boxed()
    }

    fn read_these<'a>(
        &'a mut self,
        _: &'a str,
        uids: &'a [Uid],
    ) -> BoxFuture<'a, Result<Vec<Held>, EndpointError>> {
        async move { self.step().map(|()| self.held(|uid| uids.contains(&uid))) }.boxed()
    }

    fn submit<'a>(
        &'a mut self,
        _: &'a str,
        batch: &'a [Item],
    ) -> BoxFuture<'a, Result<(), EndpointError>> {
        async move {
            let died = self.step();
            if died.is_ok() || self.stores_when_dying {
                self.store(batch);
            }
            died
        }
        .boxed()
    }

    fn acknowledge(&mut self) -> BoxFuture<'_, Result<Ack, EndpointError>> {
        async move {
            self.step()?;
            let uids = self.waiting.pop_front().unwrap_or_default();
            Ok(Ack::Stored(self.tells_uids.then_some(uids)))
        }
        .boxed()
    }

    fn window(&self) -> usize {
        2
    }

    fn batch_limit(&self) -> usize {
        3
    }

    fn change_flags<'a>(
        &'a mut self,
        _: &'a str,
        changes: &'a [FlagChange],
    ) -> BoxFuture<'a, Result<Vec<Uid>, EndpointError>> {
        async move {
            for change in changes {
                self.step()?;
                let mut server = self.server.lock().expect("lock");
                if let Some((_, flags)) = server.mail.get_mut(&change.uid) {
                    flags.extend(known(&change.add));
                    flags.retain(|flag| !change.remove.contains(flag));
                }
            }
            Ok(Vec::new())
        }
        .boxed()
    }

    fn reconnect(&mut self) -> BoxFuture<'_, Result<(), EndpointError>> {
        async move {
            self.broken = false;
            self.connection += 1;
            self.step()
        }
        .boxed()
    }

    fn forgetful(&self) -> bool {
        self.disk.is_some()
    }

    fn connection(&self) -> u64 {
        self.connection
    }

    fn barrier(&self) -> BoxFuture<'static, Result<(), EndpointError>> {
        let server = Arc::clone(&self.server);
        let disk = self.disk.clone();
        async move {
            if let Some(disk) = disk {
                disk.lock()
                    .expect("lock")
                    .clone_from(&server.lock().expect("lock"));
            }
            Ok(())
        }
        .boxed()
    }
}
