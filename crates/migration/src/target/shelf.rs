//! Targets made of files: blocking work, in order, on a thread of its own.
//!
//! A kind of file target implements [`Shelf`]; [`FilesTarget`] makes it a [`Target`].

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::oneshot;

use super::{Ack, FlagChange, Refusal, Target, TargetFolder, WantedFolder};
use crate::error::EndpointError;
use crate::matcher::Held;
use crate::model::{FlagSet, InternalDate, MessageHash, Uid};
use crate::payload::SpilledChunks;
use crate::source::Item;

/// Messages in one batch: they share the synchronisation of a directory.
const BATCH: usize = 128;

/// Which messages to read back.
#[derive(Clone, Debug)]
pub(super) enum Which {
    /// Those with higher UIDs.
    Above(Uid),
    /// These, ascending.
    These(Vec<Uid>),
}

impl Which {
    /// Whether a UID is meant.
    pub(super) fn holds(&self, uid: Uid) -> bool {
        match self {
            Self::Above(above) => uid > *above,
            Self::These(uids) => uids.binary_search(&uid).is_ok(),
        }
    }
}

/// What a kind of file target does, each call blocking.
pub(super) trait Shelf: Send + 'static {
    /// Makes the wanted folders exist; none of them may get a `reserved` name.
    fn prepare(
        &mut self,
        wanted: &[WantedFolder],
        reserved: &[String],
    ) -> io::Result<Vec<Result<TargetFolder, String>>>;
    /// A folder's present state.
    fn state(&mut self, name: &str) -> io::Result<TargetFolder>;
    /// Reads messages back.
    fn read(&mut self, name: &str, which: &Which) -> io::Result<Vec<Held>>;
    /// Stores a batch for good: once this returns, a loss of power loses nothing of it.
    fn store(&mut self, name: &str, parcels: Vec<Parcel>) -> io::Result<Vec<Uid>>;
    /// Changes flags; messages that are gone are left alone.
    fn change_flags(&mut self, name: &str, changes: &[FlagChange]) -> io::Result<()>;
    /// Brings summaries up to date.
    fn finish(&mut self) -> io::Result<()>;
}

/// A message to store, apart from the batch that still owns it.
pub(super) struct Parcel {
    pub(super) flags: FlagSet,
    pub(super) date: Option<InternalDate>,
    pub(super) size: u64,
    pub(super) hash: MessageHash,
    body: Body,
}

enum Body {
    Memory(Bytes),
    Spilled(SpilledChunks),
}

impl Parcel {
    fn of(item: &Item) -> io::Result<Self> {
        let body = match (item.payload.memory(), item.payload.spilled_chunks()?) {
            (Some(bytes), _) => Body::Memory(bytes.clone()),
            (None, Some(chunks)) => Body::Spilled(chunks),
            (None, None) => return Err(io::Error::other("the message's bytes were not kept")),
        };
        Ok(Self {
            flags: item.flags.clone(),
            date: item.date,
            size: item.payload.size,
            hash: item.payload.hash,
            body,
        })
    }

    /// Passes the bytes on, in order.
    pub(super) fn pour(&mut self, mut into: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        match &mut self.body {
            Body::Memory(bytes) => into(bytes),
            Body::Spilled(chunks) => loop {
                let chunk = chunks.next_chunk()?;
                if chunk.is_empty() {
                    return Ok(());
                }
                into(&chunk)?;
            },
        }
    }
}

type Work<S> = Box<dyn FnOnce(&mut S) + Send>;

struct Running<S> {
    work: mpsc::Sender<Work<S>>,
    thread: JoinHandle<()>,
}

/// A file target at work.
pub(super) struct FilesTarget<S: Shelf> {
    root: PathBuf,
    /// Names of folders that other parts of the source were copied to.
    reserved: Vec<String>,
    idle: Option<S>,
    running: Option<Running<S>>,
    in_flight: VecDeque<oneshot::Receiver<Result<Ack, EndpointError>>>,
}

impl<S: Shelf> FilesTarget<S> {
    /// Nothing is touched before it is needed.
    pub(super) fn new(root: &Path, shelf: S) -> Self {
        Self {
            root: root.to_owned(),
            reserved: Vec::new(),
            idle: Some(shelf),
            running: None,
            in_flight: VecDeque::new(),
        }
    }

    fn start(&mut self, work: impl FnOnce(&mut S) + Send + 'static) -> Result<(), EndpointError> {
        if let Some(mut shelf) = self.idle.take() {
            let (sender, jobs) = mpsc::channel::<Work<S>>();
            let thread = std::thread::Builder::new()
                .name("files-target".to_owned())
                .spawn(move || {
                    while let Ok(job) = jobs.recv() {
                        job(&mut shelf);
                    }
                });
            let thread = thread.map_err(|error| self.failed(error))?;
            self.running = Some(Running {
                work: sender,
                thread,
            });
        }
        let sent = self
            .running
            .as_ref()
            .is_some_and(|running| running.work.send(Box::new(work)).is_ok());
        if sent {
            Ok(())
        } else {
            Err(self.failed(io::Error::other("the thread that writes files ended early")))
        }
    }

    fn failed(&self, source: io::Error) -> EndpointError {
        failed(&self.root, source)
    }

    async fn run<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut S) -> io::Result<T> + Send + 'static,
    ) -> Result<T, EndpointError> {
        let (answer, wait) = oneshot::channel();
        self.start(move |shelf| {
            // Nobody listens any more when the run was stopped.
            let _ = answer.send(work(shelf));
        })?;
        match wait.await {
            Ok(done) => done.map_err(|error| self.failed(error)),
            Err(_) => {
                Err(self.failed(io::Error::other("the thread that writes files ended early")))
            }
        }
    }

    fn submit_batch(&mut self, name: &str, batch: &[Item]) -> Result<(), EndpointError> {
        let parcels: io::Result<Vec<Parcel>> = batch.iter().map(Parcel::of).collect();
        let parcels = parcels.map_err(|error| self.failed(error))?;
        let (name, root) = (name.to_owned(), self.root.clone());
        let (answer, wait) = oneshot::channel();
        self.start(move |shelf| {
            let ack = match shelf.store(&name, parcels) {
                Ok(uids) => Ok(Ack::Stored(Some(uids))),
                Err(error) => refusal(&error).ok_or_else(|| failed(&root, error)),
            };
            // Nobody listens any more when the run was stopped.
            let _ = answer.send(ack);
        })?;
        self.in_flight.push_back(wait);
        Ok(())
    }
}

fn failed(root: &Path, source: io::Error) -> EndpointError {
    EndpointError::Io {
        path: root.to_owned(),
        source,
    }
}

/// Failures that concern the batch, not the whole target.
fn refusal(error: &io::Error) -> Option<Ack> {
    let code = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "OVERQUOTA",
        io::ErrorKind::FileTooLarge => "TOOBIG",
        _ => return None,
    };
    let (code, said) = (code.to_owned(), error.to_string());
    Some(Ack::Refused(Refusal {
        code,
        said,
        misunderstood: false,
    }))
}

impl<S: Shelf> Drop for FilesTarget<S> {
    /// What is under way ends before the folders are given free.
    fn drop(&mut self) {
        if let Some(Running { work, thread }) = self.running.take() {
            drop(work);
            if thread.join().is_err() {
                tracing::error!(root = %self.root.display(), "files_target_died");
            }
        }
    }
}

impl<S: Shelf> Target for FilesTarget<S> {
    fn reserve(&mut self, names: Vec<String>) {
        self.reserved = names;
    }

    fn prepare<'a>(
        &'a mut self,
        wanted: &'a [WantedFolder],
    ) -> BoxFuture<'a, Result<Vec<Result<TargetFolder, String>>, EndpointError>> {
        let (wanted, reserved) = (wanted.to_vec(), self.reserved.clone());
        self.run(move |shelf| shelf.prepare(&wanted, &reserved))
            .boxed()
    }

    fn state<'a>(
        &'a mut self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<TargetFolder, EndpointError>> {
        let name = name.to_owned();
        self.run(move |shelf| shelf.state(&name)).boxed()
    }

    fn read_above<'a>(
        &'a mut self,
        name: &'a str,
        above: Uid,
    ) -> BoxFuture<'a, Result<Vec<Held>, EndpointError>> {
        let name = name.to_owned();
        self.run(move |shelf| shelf.read(&name, &Which::Above(above)))
            .boxed()
    }

    fn read_these<'a>(
        &'a mut self,
        name: &'a str,
        uids: &'a [Uid],
    ) -> BoxFuture<'a, Result<Vec<Held>, EndpointError>> {
        let name = name.to_owned();
        let mut uids = uids.to_vec();
        uids.sort_unstable();
        self.run(move |shelf| shelf.read(&name, &Which::These(uids)))
            .boxed()
    }

    fn submit<'a>(
        &'a mut self,
        name: &'a str,
        batch: &'a [Item],
    ) -> BoxFuture<'a, Result<(), EndpointError>> {
        async move { self.submit_batch(name, batch) }.boxed()
    }

    fn acknowledge(&mut self) -> BoxFuture<'_, Result<Ack, EndpointError>> {
        async move {
            let Some(wait) = self.in_flight.pop_front() else {
                return Err(self.failed(io::Error::other("no batch is waiting for an answer")));
            };
            wait.await.unwrap_or_else(|_| {
                Err(self.failed(io::Error::other("the thread that writes files ended early")))
            })
        }
        .boxed()
    }

    fn window(&self) -> usize {
        2
    }

    fn batch_limit(&self) -> usize {
        BATCH
    }

    fn change_flags<'a>(
        &'a mut self,
        name: &'a str,
        changes: &'a [FlagChange],
    ) -> BoxFuture<'a, Result<Vec<Uid>, EndpointError>> {
        let (name, changes) = (name.to_owned(), changes.to_vec());
        self.run(move |shelf| shelf.change_flags(&name, &changes).map(|()| Vec::new()))
            .boxed()
    }

    fn reconnect(&mut self) -> BoxFuture<'_, Result<(), EndpointError>> {
        // What was submitted still ends, in order, before anything that is asked from now on.
        self.in_flight.clear();
        async { Ok(()) }.boxed()
    }

    fn finish(&mut self) -> BoxFuture<'_, Result<(), EndpointError>> {
        self.run(Shelf::finish).boxed()
    }
}
