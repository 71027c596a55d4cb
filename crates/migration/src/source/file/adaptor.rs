//! The one [`Source`] of all archives: blocking walks beside the engine's tasks.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::look::{self, State};
use super::{Archive, ArchiveError, deliver};
use crate::context::Context;
use crate::error::EndpointError;
use crate::payload::Room;
use crate::source::{Delivery, FolderWork, Known, Source, SourceFolder};

/// An archive as a source.
pub struct FileSource {
    stage: Stage,
    room: Arc<Room>,
    directory: PathBuf,
    fresh: u32,
}

enum Stage {
    New(Box<dyn Archive>),
    Surveyed(Box<State>),
    /// A walk is under way, or was broken off.
    Away,
}

/// Ends a walk when the future that waits for it is dropped.
struct StopOnDrop(Arc<AtomicBool>);

impl StopOnDrop {
    fn new() -> (Self, Arc<AtomicBool>) {
        let stop = Arc::new(AtomicBool::new(false));
        (Self(Arc::clone(&stop)), stop)
    }
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl FileSource {
    /// Prepares a source; nothing is opened before it is needed. UIDVALIDITY is `fresh`, a random
    /// number, unless one is kept in the context's folder.
    pub fn new(archive: Box<dyn Archive>, context: &Context, fresh: u32) -> Self {
        Self {
            stage: Stage::New(archive),
            room: Arc::clone(&context.room),
            directory: context.directory.clone(),
            fresh,
        }
    }

    fn broken(&self) -> ArchiveError {
        ArchiveError::unusable(&self.directory, "its walk was broken off; run again")
    }

    async fn look(&mut self) -> Result<Vec<SourceFolder>, ArchiveError> {
        let archive = match std::mem::replace(&mut self.stage, Stage::Away) {
            Stage::New(archive) => archive,
            Stage::Surveyed(state) => state.archive,
            Stage::Away => return Err(self.broken()),
        };
        let (directory, fresh) = (self.directory.clone(), self.fresh);
        let (_guard, stop) = StopOnDrop::new();
        let walked = spawn_blocking(move || look::survey(archive, &directory, fresh, &stop)).await;
        let state = walked.map_err(|_| self.broken())??;
        let folders = state.survey.folders();
        self.stage = Stage::Surveyed(Box::new(state));
        Ok(folders)
    }

    async fn deliver(
        &mut self,
        work: Vec<FolderWork>,
        out: mpsc::Sender<Delivery>,
    ) -> Result<(), ArchiveError> {
        let Stage::Surveyed(mut state) = std::mem::replace(&mut self.stage, Stage::Away) else {
            return Err(self.broken());
        };
        let (room, handle) = (Arc::clone(&self.room), Handle::current());
        let (_guard, stop) = StopOnDrop::new();
        let walked = spawn_blocking(move || {
            let ended = deliver::read(&mut state, &work, &room, out, handle, &stop);
            (state, ended)
        });
        let (state, ended) = walked.await.map_err(|_| self.broken())?;
        self.stage = Stage::Surveyed(state);
        ended
    }
}

impl Source for FileSource {
    fn survey<'a>(
        &'a mut self,
        _known: &'a dyn Known,
    ) -> BoxFuture<'a, Result<Vec<SourceFolder>, EndpointError>> {
        async move { self.look().await.map_err(EndpointError::from) }.boxed()
    }

    fn read(
        &mut self,
        work: Vec<FolderWork>,
        out: mpsc::Sender<Delivery>,
    ) -> BoxFuture<'_, Result<(), EndpointError>> {
        async move { self.deliver(work, out).await.map_err(EndpointError::from) }.boxed()
    }
}
