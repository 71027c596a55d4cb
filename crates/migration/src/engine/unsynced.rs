//! What a forgetful target acknowledged enters the journal once a barrier has put it on disk.
//!
//! The barrier of one group runs while the next is sent. After it, one more answer over the same
//! connection proves that the server was not started anew since it took the group. Any break
//! before that ends the attempt: the journal knows nothing of the group, so that the next attempt
//! finds by hash what the target still holds and sends the rest again.

use std::time::{Duration, Instant};

use tokio::task::{JoinError, JoinSet};

use super::batch::Batch;
use super::writer::Writer;
use crate::error::{EndpointError, MigrationError};
use crate::journal::Record;
use crate::progress::Event;
use crate::target::{FlagChange, Target};

/// Bytes after which a barrier is asked for.
const GROUP_BYTES: u64 = 16 << 20;
/// Messages after which it is, so that many small ones do not fill the memory.
const GROUP_MESSAGES: u64 = 4096;
/// Age after which it is, so that a slow source loses little by a crash.
const GROUP_AGE: Duration = Duration::from_secs(5);

/// What waits for a barrier.
pub(super) enum Waiting {
    /// Messages that the target acknowledged, or that it held already.
    Messages {
        folder: usize,
        records: Vec<Record>,
        bytes: u64,
        written: bool,
    },
    /// A folder whose every message was handled.
    Ended(usize),
}

#[derive(Default)]
struct Group {
    waiting: Vec<Waiting>,
    bytes: u64,
    messages: u64,
    since: Option<Instant>,
}

impl Group {
    fn add(&mut self, waiting: Waiting) {
        self.since.get_or_insert_with(Instant::now);
        if let Waiting::Messages { records, bytes, .. } = &waiting {
            self.bytes += bytes;
            self.messages += records.len() as u64;
        }
        self.waiting.push(waiting);
    }

    fn is_due(&self) -> bool {
        self.bytes >= GROUP_BYTES
            || self.messages >= GROUP_MESSAGES
            || self.since.is_some_and(|since| since.elapsed() >= GROUP_AGE)
    }

    fn concerns(&self, folder: usize) -> bool {
        self.waiting
            .iter()
            .any(|waiting| matches!(waiting, Waiting::Messages { folder: of, .. } if *of == folder))
    }
}

/// What is not on the target's disk for certain.
#[derive(Default)]
pub(super) struct Unsynced {
    open: Group,
    /// What the barrier under way, or the answer awaited after it, decides about.
    closing: Option<Group>,
    barrier: JoinSet<Result<(), EndpointError>>,
    /// Flags that messages found at the target lack.
    mends: Vec<(usize, FlagChange)>,
}

impl Unsynced {
    pub(super) fn is_empty(&self) -> bool {
        self.open.waiting.is_empty() && self.closing.is_none()
    }

    pub(super) fn mend(&mut self, folder: usize, change: FlagChange) {
        self.mends.push((folder, change));
    }
}

impl Writer<'_> {
    /// Takes into the journal what lasts, and keeps what may not until a barrier has passed.
    pub(super) fn keep(&mut self, waiting: Waiting) -> Result<(), MigrationError> {
        let lasts = match &waiting {
            _ if !self.target.forgetful() => true,
            Waiting::Messages { .. } => false,
            Waiting::Ended(folder) => {
                let groups = [Some(&self.unsynced.open), self.unsynced.closing.as_ref()];
                let mut groups = groups.into_iter().flatten();
                !groups.any(|group| group.concerns(*folder))
            }
        };
        if lasts {
            return self.conclude(waiting);
        }
        self.unsynced.open.add(waiting);
        Ok(())
    }

    fn conclude(&mut self, waiting: Waiting) -> Result<(), MigrationError> {
        match waiting {
            Waiting::Ended(folder) => self.conclude_folder(folder),
            Waiting::Messages {
                records,
                bytes,
                written,
                ..
            } => {
                let messages = records.len() as u64;
                self.journal.append(records)?;
                if written {
                    self.counts.written += messages;
                    self.counts.written_bytes += bytes;
                } else {
                    self.counts.matched += messages;
                }
                self.progress.event(Event::Copied {
                    account: self.account,
                    messages,
                    bytes,
                });
                Ok(())
            }
        }
    }

    /// Asks for barriers when they are due, and takes into the journal what they have covered.
    pub(super) async fn move_groups(&mut self) -> Result<(), MigrationError> {
        if let Some(ended) = self.unsynced.barrier.try_join_next() {
            self.passed(ended).await?;
        }
        if self.unsynced.open.is_due() {
            self.finish_closing().await?;
            self.ask().await?;
        }
        Ok(())
    }

    /// Waits until nothing is left that the target may forget.
    pub(super) async fn settle_groups(&mut self) -> Result<(), MigrationError> {
        while !self.unsynced.is_empty() {
            self.finish_closing().await?;
            self.ask().await?;
        }
        Ok(())
    }

    /// Closes the open group and asks for its barrier.
    async fn ask(&mut self) -> Result<(), MigrationError> {
        self.mend().await?;
        if self.unsynced.open.waiting.is_empty() {
            return Ok(());
        }
        self.unsynced.closing = Some(std::mem::take(&mut self.unsynced.open));
        self.unsynced.barrier.spawn(self.target.barrier());
        Ok(())
    }

    /// Sets the flags that a crash took from messages which this engine had written.
    async fn mend(&mut self) -> Result<(), MigrationError> {
        if self.unsynced.mends.is_empty() {
            return Ok(());
        }
        while !self.in_flight.is_empty() {
            self.acknowledge().await?;
        }
        let mut mends = std::mem::take(&mut self.unsynced.mends);
        mends.sort_by_key(|(folder, _)| *folder);
        for of_folder in mends.chunk_by(|one, other| one.0 == other.0) {
            let name = self.folders[of_folder[0].0].target.name.clone();
            let changes: Vec<FlagChange> =
                of_folder.iter().map(|(_, change)| change.clone()).collect();
            let ended = self.target.change_flags(&name, &changes).await;
            ended.map_err(|error| self.target_error(error))?;
        }
        Ok(())
    }

    async fn finish_closing(&mut self) -> Result<(), MigrationError> {
        if let Some(ended) = self.unsynced.barrier.join_next().await {
            self.passed(ended).await?;
        }
        while self.unsynced.closing.is_some() {
            if self.in_flight.is_empty() {
                return Err(self.unsettled(EndpointError::Interrupted));
            }
            self.acknowledge().await?;
        }
        Ok(())
    }

    /// The barrier has ended: asks whether the connection still stands.
    async fn passed(
        &mut self,
        ended: Result<Result<(), EndpointError>, JoinError>,
    ) -> Result<(), MigrationError> {
        let ended = ended.map_err(|error| MigrationError::Task(error.to_string()))?;
        ended.map_err(|error| self.unsettled(error))?;
        self.submit(Batch::question()).await
    }

    /// The connection stood when the barrier had passed: what it covers is there to stay.
    pub(super) fn commit(&mut self) -> Result<(), MigrationError> {
        let Some(group) = self.unsynced.closing.take() else {
            return Ok(());
        };
        if self.connection != self.target.connection() {
            return Err(self.unsettled(EndpointError::Interrupted));
        }
        for waiting in group.waiting {
            self.conclude(waiting)?;
        }
        Ok(())
    }

    pub(super) fn unsettled(&self, source: EndpointError) -> MigrationError {
        MigrationError::Unsettled {
            account: self.user.to_owned(),
            source,
        }
    }
}

/// A barrier for what was changed since the target's connection number `connection` was opened;
/// nothing may be in flight.
pub(super) async fn barrier(target: &mut dyn Target, connection: u64) -> Result<(), EndpointError> {
    if !target.forgetful() {
        return Ok(());
    }
    target.barrier().await?;
    target.submit("", &[]).await?;
    target.acknowledge().await?;
    if target.connection() == connection {
        Ok(())
    } else {
        Err(EndpointError::Interrupted)
    }
}
