//! Takes what the source delivers, writes it in batches, journals each acknowledgement.

use std::collections::VecDeque;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::batch::{Batch, Caution, Counts, Next, next_delivery, record};
use super::folder::FolderRun;
use super::options::Options;
use super::unsynced::{Unsynced, Waiting};
use super::verifier::verify_job;
use super::views::Views;
use crate::error::{EndpointError, MigrationError};
use crate::journal::{Journal, Record};
use crate::model::{MessageHash, Uid};
use crate::progress::Progress;
use crate::proof::{Exception, Reason};
use crate::source::{Delivery, Item, MissingReason};
use crate::target::{Ack, Target};
use crate::verify;

/// Bytes that one batch may hold: three of them fit in a worker's memory.
const BATCH_BYTES: u64 = 3 << 20;
/// Refusals for want of room in a row after which the rest of the account is not tried.
pub(super) const FULL_AFTER: u32 = 20;

/// Writes one account.
pub(super) struct Writer<'a> {
    pub(super) account: usize,
    pub(super) user: &'a str,
    pub(super) options: &'a Options,
    pub(super) target: &'a mut dyn Target,
    pub(super) journal: &'a mut Journal,
    pub(super) folders: &'a mut Vec<FolderRun>,
    pub(super) progress: &'a dyn Progress,
    pub(super) exceptions: &'a mut Vec<Exception>,
    pub(super) counts: Counts,
    pub(super) finished: &'a mpsc::UnboundedSender<verify::Job>,
    pub(super) stop: &'a CancellationToken,
    pub(super) in_flight: VecDeque<Batch>,
    pub(super) refused: Vec<Batch>,
    pub(super) failures: u32,
    pub(super) unsynced: Unsynced,
    pub(super) caution: Caution,
    /// The target's connection over which all was done and seen that the journal does not know.
    pub(super) connection: u64,
    collecting: Option<Batch>,
    collected: u64,
    pub(super) full: u32,
    /// The next message, when the source tells no flags with it.
    pub(super) unflagged: Option<Uid>,
    /// Where messages are, if the source has views.
    pub(super) views: Option<Views>,
    /// Messages that were left out and are not journalled yet.
    pub(super) left_out: Vec<(usize, Uid, MessageHash)>,
}

/// Everything a writer works with.
pub(super) struct Parts<'a> {
    pub(super) account: usize,
    pub(super) user: &'a str,
    pub(super) options: &'a Options,
    pub(super) target: &'a mut dyn Target,
    pub(super) journal: &'a mut Journal,
    pub(super) folders: &'a mut Vec<FolderRun>,
    pub(super) progress: &'a dyn Progress,
    pub(super) exceptions: &'a mut Vec<Exception>,
    pub(super) finished: &'a mpsc::UnboundedSender<verify::Job>,
    pub(super) stop: &'a CancellationToken,
    pub(super) caution: Caution,
    pub(super) connection: u64,
    pub(super) views: Option<Views>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(parts: Parts<'a>) -> Self {
        let Parts {
            account,
            user,
            options,
            target,
            journal,
            folders,
            progress,
            exceptions,
            finished,
            stop,
            caution,
            connection,
            views,
        } = parts;
        Self {
            account,
            user,
            options,
            target,
            journal,
            folders,
            progress,
            exceptions,
            finished,
            stop,
            counts: Counts::default(),
            in_flight: VecDeque::new(),
            refused: Vec::new(),
            failures: 0,
            unsynced: Unsynced::default(),
            caution,
            connection,
            collecting: None,
            collected: 0,
            full: 0,
            unflagged: None,
            views,
            left_out: Vec::new(),
        }
    }

    /// Writes everything that comes; returns early when the target is full or a stop was asked.
    pub(super) async fn write(
        &mut self,
        mut deliveries: mpsc::Receiver<Delivery>,
    ) -> Result<(), MigrationError> {
        while self.full < FULL_AFTER {
            let busy = self.collecting.is_some()
                || !self.in_flight.is_empty()
                || !self.refused.is_empty()
                || !self.unsynced.is_empty();
            let next = tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                next = next_delivery(&mut deliveries, busy) => next,
            };
            match next {
                Next::Delivery(delivery) => self.take(delivery).await?,
                Next::Idle => self.advance().await?,
                Next::End => break,
            }
            self.move_groups().await?;
        }
        self.flush().await?;
        self.drain().await
    }

    /// Ends a folder that has no message to copy.
    pub(super) fn nothing_to_copy(&mut self, folder: usize) -> Result<(), MigrationError> {
        self.folders[folder].ended = true;
        self.complete(folder)
    }

    async fn take(&mut self, delivery: Delivery) -> Result<(), MigrationError> {
        match delivery {
            Delivery::Item(folder, item) => self.take_item(folder, item).await,
            Delivery::Remark(folder, uid, remark) => self.remark(folder, uid, remark),
            Delivery::Missing(folder, uid, why, detail) => {
                let reason = match why {
                    MissingReason::Undeliverable => Reason::SourceUndeliverable,
                    MissingReason::Unreadable => Reason::SourceUnreadable,
                    MissingReason::FolderUnavailable => Reason::SourceFolderUnavailable,
                    MissingReason::ValidityChanged => Reason::SourceValidityChanged,
                };
                self.except(folder, Some(uid), reason, |exception| {
                    exception.saying(detail)
                });
                Ok(())
            }
            Delivery::Vanished(..) => {
                self.counts.vanished += 1;
                Ok(())
            }
            Delivery::FolderEnd(folder) => {
                self.note_left_out()?;
                self.flush().await?;
                self.folders[folder].ended = true;
                if !self.is_in_flight(folder) {
                    self.settle_refused().await?;
                    self.complete(folder)?;
                }
                Ok(())
            }
        }
    }

    async fn take_item(&mut self, folder: usize, mut item: Item) -> Result<(), MigrationError> {
        self.flags_seen(folder, &mut item);
        let Some(item) = self.in_view(folder, item)? else {
            return Ok(());
        };
        let Some(item) = self.claim(folder, item)? else {
            return Ok(());
        };
        let limit = self.target.batch_limit();
        let size = item.payload.size;
        let other = self
            .collecting
            .as_ref()
            .is_some_and(|batch| batch.folder != folder || self.collected + size > BATCH_BYTES);
        if other {
            self.flush().await?;
        }
        let batch = self.collecting.get_or_insert_with(|| Batch {
            folder,
            items: Vec::new(),
        });
        batch.items.push(item);
        self.collected += size;
        if batch.items.len() >= limit || self.collected >= BATCH_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    fn is_in_flight(&self, folder: usize) -> bool {
        let mut batches = self.in_flight.iter();
        batches.any(|batch| batch.folder == folder && !batch.is_question())
    }

    /// Sends what was collected.
    async fn flush(&mut self) -> Result<(), MigrationError> {
        let Some(batch) = self.collecting.take() else {
            return Ok(());
        };
        self.collected = 0;
        let step_by_step = self.caution.step_by_step && self.target.forgetful();
        let window = if step_by_step {
            1
        } else {
            self.target.window().max(1)
        };
        while self.in_flight.len() >= window {
            self.acknowledge().await?;
        }
        if step_by_step {
            self.settle_groups().await?;
        }
        self.submit(batch).await
    }

    pub(super) async fn submit(&mut self, batch: Batch) -> Result<(), MigrationError> {
        let name = self.folders[batch.folder].target.name.clone();
        let sent = self.target.submit(&name, &batch.items).await;
        self.in_flight.push_back(batch);
        match sent {
            Ok(()) => Ok(()),
            Err(error) => Box::pin(self.recover(error)).await,
        }
    }

    /// Nothing comes: use the time.
    async fn advance(&mut self) -> Result<(), MigrationError> {
        if self.collecting.is_some() {
            return self.flush().await;
        }
        self.acknowledge().await?;
        if self.in_flight.is_empty() {
            self.settle_refused().await?;
        }
        Ok(())
    }

    async fn drain(&mut self) -> Result<(), MigrationError> {
        self.note_left_out()?;
        while !self.in_flight.is_empty() {
            self.acknowledge().await?;
        }
        self.settle_refused().await?;
        for folder in 0..self.folders.len() {
            if self.folders[folder].ended {
                self.complete(folder)?;
            }
        }
        self.settle_groups().await?;
        self.journal.sync()
    }

    /// Waits for the oldest batch's answer.
    pub(super) async fn acknowledge(&mut self) -> Result<(), MigrationError> {
        if self.in_flight.is_empty() {
            return Ok(());
        }
        let ack = match self.target.acknowledge().await {
            Ok(ack) => ack,
            Err(error) => return Box::pin(self.recover(error)).await,
        };
        let Some(batch) = self.in_flight.pop_front() else {
            return Ok(());
        };
        if batch.is_question() {
            return self.commit();
        }
        self.failures = 0;
        self.heed(batch, ack).await
    }

    /// Does what a batch's answer calls for.
    pub(super) async fn heed(&mut self, batch: Batch, ack: Ack) -> Result<(), MigrationError> {
        match ack {
            Ack::Stored(uids) => {
                let folder = batch.folder;
                self.stored(&batch, uids.as_deref())?;
                let others = self.is_in_flight(folder);
                if self.folders[folder].ended && !others && self.refused.is_empty() {
                    self.complete(folder)?;
                }
                Ok(())
            }
            Ack::Refused(refusal) if refusal.misunderstood => {
                Box::pin(self.distrust(batch, &refusal)).await
            }
            Ack::Refused(refusal) if refusal.is_temporary() => {
                Box::pin(self.wait_out(batch, refusal)).await
            }
            Ack::Refused(_) => {
                self.refused.push(batch);
                Ok(())
            }
        }
    }

    pub(super) fn stored(
        &mut self,
        batch: &Batch,
        uids: Option<&[Uid]>,
    ) -> Result<(), MigrationError> {
        let forgetful = self.target.forgetful();
        let run = &mut self.folders[batch.folder];
        let floor = run.pool.is_empty() && run.loose.is_empty() && uids.is_some();
        let mut bytes = 0;
        let mut records = Vec::with_capacity(batch.items.len());
        for (place, item) in batch.items.iter().enumerate() {
            let uid = uids.and_then(|uids| uids.get(place)).copied().unwrap_or(0);
            let floor = run.note_stored(uid, forgetful) && floor;
            bytes += item.payload.size;
            records.push(Record::Item(run.id, record(item, uid, true, floor)));
        }
        self.full = 0;
        self.keep(Waiting::Messages {
            folder: batch.folder,
            records,
            bytes,
            written: true,
        })
    }

    fn complete(&mut self, folder: usize) -> Result<(), MigrationError> {
        if !std::mem::take(&mut self.folders[folder].ended) {
            return Ok(());
        }
        self.settle_claims(folder)?;
        self.keep(Waiting::Ended(folder))
    }

    /// Marks a folder whose every message was handled, and lets it be read back.
    pub(super) fn conclude_folder(&mut self, folder: usize) -> Result<(), MigrationError> {
        let run = &self.folders[folder];
        // One that was listed in part is asked for all again.
        if run.absent == 0 && run.source.partly.is_none() {
            let record = Record::Complete(
                run.id,
                run.source.watermark,
                run.seen_through.max(run.stored_through),
            );
            self.journal.append(vec![record])?;
        }
        let job = verify_job(
            self.journal,
            &self.folders[folder],
            folder,
            self.options.verification,
        );
        if let Some(job) = job {
            // A verifier that ended early has its own error, which the account reports.
            let _ = self.finished.send(job);
        }
        Ok(())
    }

    pub(super) fn target_error(&self, source: EndpointError) -> MigrationError {
        MigrationError::Target {
            account: self.user.to_owned(),
            source,
        }
    }
}
