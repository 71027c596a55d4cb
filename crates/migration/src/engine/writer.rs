//! Takes what the source delivers, writes it in batches, journals each acknowledgement.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::folder::FolderRun;
use super::options::{Options, Verification};
use crate::error::{EndpointError, MigrationError};
use crate::journal::{ItemRecord, Journal, Record};
use crate::model::Uid;
use crate::progress::{Event, Progress};
use crate::proof::{Exception, Reason};
use crate::source::{Delivery, Item, MissingReason};
use crate::target::{Ack, Target};
use crate::verify;

/// Bytes that one batch may hold: three of them fit in a worker's memory.
const BATCH_BYTES: u64 = 3 << 20;
/// A batch that is not full goes out when nothing comes for this long.
const IDLE: Duration = Duration::from_millis(30);
/// Refusals for want of room in a row after which the rest of the account is not tried.
const FULL_AFTER: u32 = 20;

/// What one account's run counted.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) written: u64,
    pub(super) written_bytes: u64,
    pub(super) matched: u64,
    pub(super) vanished: u64,
}

/// A batch in flight, or about to be.
pub(super) struct Batch {
    pub(super) folder: usize,
    pub(super) items: Vec<Item>,
}

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
    collecting: Option<Batch>,
    collected: u64,
    full: u32,
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
            collecting: None,
            collected: 0,
            full: 0,
        }
    }

    /// Writes everything that comes; returns early when the target is full or a stop was asked.
    pub(super) async fn write(
        &mut self,
        mut deliveries: mpsc::Receiver<Delivery>,
    ) -> Result<(), MigrationError> {
        while self.full < FULL_AFTER {
            let busy =
                self.collecting.is_some() || !self.in_flight.is_empty() || !self.refused.is_empty();
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
        }
        self.flush().await?;
        self.drain().await
    }

    /// Ends a folder that has no message to copy.
    pub(super) fn nothing_to_copy(&mut self, folder: usize) -> Result<(), MigrationError> {
        self.folders[folder].ended = true;
        self.complete(folder)
    }

    /// True when the target has no room left.
    pub(super) fn is_full(&self) -> bool {
        self.full >= FULL_AFTER
    }

    /// Reports every planned message that was not handled because the target is full.
    pub(super) fn report_unreached(&mut self, planned: &[(usize, Vec<Uid>)]) {
        for (folder, uids) in planned {
            let path = self.folders[*folder].source.path.to_string();
            let reported: HashSet<Uid> = self
                .exceptions
                .iter()
                .filter(|exception| exception.folder == path)
                .filter_map(|exception| exception.uid)
                .collect();
            let state = self.journal.state().by_id(self.folders[*folder].id);
            let absent: Vec<Uid> = uids
                .iter()
                .copied()
                .filter(|uid| !reported.contains(uid))
                .filter(|uid| !state.is_some_and(|state| state.items.contains_key(uid)))
                .collect();
            for uid in absent {
                self.except(*folder, Some(uid), Reason::OverQuota, |exception| {
                    exception.saying("not tried: the mailbox is full")
                });
            }
        }
    }

    async fn take(&mut self, delivery: Delivery) -> Result<(), MigrationError> {
        match delivery {
            Delivery::Item(folder, item) => self.take_item(folder, item).await,
            Delivery::Missing(folder, uid, why, detail) => {
                let reason = match why {
                    MissingReason::Undeliverable => Reason::SourceUndeliverable,
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
                self.flush().await?;
                self.folders[folder].ended = true;
                if !self.in_flight.iter().any(|batch| batch.folder == folder) {
                    self.settle_refused().await?;
                    self.complete(folder)?;
                }
                Ok(())
            }
        }
    }

    async fn take_item(&mut self, folder: usize, item: Item) -> Result<(), MigrationError> {
        if self.claim(folder, &item)? {
            return Ok(());
        }
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

    /// Journals an item without writing it when the target holds it already.
    pub(super) fn claim(&mut self, folder: usize, item: &Item) -> Result<bool, MigrationError> {
        let run = &mut self.folders[folder];
        let Some(target_uid) = run.pool.claim(item.payload.hash, item.date) else {
            return Ok(false);
        };
        let record = record(item, target_uid, false, false);
        self.journal.append(vec![Record::Item(run.id, record)])?;
        self.counts.matched += 1;
        let bytes = item.payload.size;
        self.progress.event(Event::Copied {
            account: self.account,
            messages: 1,
            bytes,
        });
        Ok(true)
    }

    /// Sends what was collected.
    async fn flush(&mut self) -> Result<(), MigrationError> {
        let Some(batch) = self.collecting.take() else {
            return Ok(());
        };
        self.collected = 0;
        while self.in_flight.len() >= self.target.window().max(1) {
            self.acknowledge().await?;
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
        while !self.in_flight.is_empty() {
            self.acknowledge().await?;
        }
        self.settle_refused().await?;
        for folder in 0..self.folders.len() {
            if self.folders[folder].ended {
                self.complete(folder)?;
            }
        }
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
        self.failures = 0;
        match ack {
            Ack::Stored(uids) => {
                let folder = batch.folder;
                self.stored(&batch, uids.as_deref())?;
                let others = self.in_flight.iter().any(|batch| batch.folder == folder);
                if self.folders[folder].ended && !others && self.refused.is_empty() {
                    self.complete(folder)?;
                }
                Ok(())
            }
            Ack::Refused { .. } => {
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
        let run = &mut self.folders[batch.folder];
        let floor = run.pool.is_empty() && uids.is_some();
        let mut bytes = 0;
        let mut records = Vec::with_capacity(batch.items.len());
        for (place, item) in batch.items.iter().enumerate() {
            let uid = uids.and_then(|uids| uids.get(place)).copied().unwrap_or(0);
            run.seen_through = run.seen_through.max(uid);
            bytes += item.payload.size;
            records.push(Record::Item(run.id, record(item, uid, true, floor)));
        }
        self.journal.append(records)?;
        let messages = batch.items.len() as u64;
        self.counts.written += messages;
        self.counts.written_bytes += bytes;
        self.full = 0;
        self.progress.event(Event::Copied {
            account: self.account,
            messages,
            bytes,
        });
        Ok(())
    }

    /// Sends each item of refused batches alone; what is refused again is absent.
    pub(super) async fn settle_refused(&mut self) -> Result<(), MigrationError> {
        while !self.in_flight.is_empty() {
            self.acknowledge().await?;
        }
        while let Some(batch) = self.refused.pop() {
            for item in batch.items {
                self.write_alone(batch.folder, item).await?;
            }
        }
        Ok(())
    }

    async fn write_alone(&mut self, folder: usize, item: Item) -> Result<(), MigrationError> {
        if self.full >= FULL_AFTER {
            self.item_absent(
                folder,
                &item,
                Reason::OverQuota,
                "not tried: the mailbox is full",
            );
            return Ok(());
        }
        let mut breaks = 0;
        loop {
            let name = self.folders[folder].target.name.clone();
            let answer = match self.target.submit(&name, std::slice::from_ref(&item)).await {
                Ok(()) => self.target.acknowledge().await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(Ack::Stored(uids)) => {
                    let batch = Batch {
                        folder,
                        items: vec![item],
                    };
                    self.failures = 0;
                    return self.stored(&batch, uids.as_deref());
                }
                Ok(Ack::Refused { code, said }) => {
                    if code == "TRYCREATE" && breaks == 0 {
                        breaks += 1;
                        self.create_again(folder).await?;
                        continue;
                    }
                    let reason = refusal(&code, &said);
                    self.full = if reason == Reason::OverQuota {
                        self.full + 1
                    } else {
                        0
                    };
                    self.item_absent(folder, &item, reason, &said);
                    return Ok(());
                }
                Err(error) => {
                    breaks += 1;
                    let said = error.to_string();
                    self.reconnect(error, folder).await?;
                    if self.claim(folder, &item)? {
                        return Ok(());
                    }
                    if breaks >= 3 {
                        self.item_absent(folder, &item, Reason::TargetBreaks, &said);
                        self.failures = 0;
                        return Ok(());
                    }
                }
            }
        }
    }

    async fn create_again(&mut self, folder: usize) -> Result<(), MigrationError> {
        let run = &self.folders[folder];
        let wanted = crate::target::WantedFolder {
            path: run.source.path.clone(),
            name: Some(run.target.name.clone()),
            subscribe: false,
        };
        let wanted = [wanted];
        self.target
            .prepare(&wanted)
            .await
            .map(|_| ())
            .map_err(|error| self.target_error(error))
    }

    fn item_absent(&mut self, folder: usize, item: &Item, reason: Reason, said: &str) {
        let (size, date) = (item.payload.size, item.date);
        self.except(folder, Some(item.uid), reason, |e| {
            e.about(size, date).saying(said)
        });
    }

    pub(super) fn except(
        &mut self,
        folder: usize,
        uid: Option<Uid>,
        reason: Reason,
        with: impl FnOnce(Exception) -> Exception,
    ) {
        let run = &mut self.folders[folder];
        run.absent += 1;
        let exception = with(Exception::new(self.user, &run.source.path, uid, reason));
        let event = Event::Exception {
            account: self.account,
            exception: exception.clone(),
        };
        self.progress.event(event);
        self.exceptions.push(exception);
    }

    /// Marks a folder whose every message was handled, and lets it be read back.
    fn complete(&mut self, folder: usize) -> Result<(), MigrationError> {
        let run = &mut self.folders[folder];
        if !std::mem::take(&mut run.ended) {
            return Ok(());
        }
        if run.absent == 0 {
            let record = Record::Complete(run.id, run.source.watermark, run.seen_through);
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

/// What is to be read back of a folder.
pub(super) fn verify_job(
    journal: &Journal,
    run: &FolderRun,
    folder: usize,
    verification: Verification,
) -> Option<verify::Job> {
    let state = journal.state().by_id(run.id)?;
    let expected: Vec<ItemRecord> = match verification {
        Verification::None => return None,
        Verification::All => state.items.values().cloned().collect(),
        Verification::New => state
            .items
            .values()
            .filter(|item| item.target_uid == 0 || item.target_uid > state.verified)
            .cloned()
            .collect(),
    };
    let name = run.target.name.clone();
    (!expected.is_empty()).then_some(verify::Job {
        folder,
        name,
        expected,
    })
}

enum Next {
    Delivery(Delivery),
    Idle,
    End,
}

async fn next_delivery(deliveries: &mut mpsc::Receiver<Delivery>, busy: bool) -> Next {
    let received = if busy {
        match timeout(IDLE, deliveries.recv()).await {
            Ok(received) => received,
            Err(_) => return Next::Idle,
        }
    } else {
        deliveries.recv().await
    };
    received.map_or(Next::End, Next::Delivery)
}

fn record(item: &Item, target_uid: Uid, written: bool, floor: bool) -> ItemRecord {
    ItemRecord {
        source_uid: item.uid,
        target_uid,
        size: item.payload.size,
        hash: item.payload.hash,
        flags: item.flags.clone(),
        date: item.date,
        written,
        floor,
    }
}

fn refusal(code: &str, said: &str) -> Reason {
    let said = said.to_ascii_lowercase();
    match code {
        "OVERQUOTA" => Reason::OverQuota,
        "TOOBIG" | "LIMIT" => Reason::TooLarge,
        _ if said.contains("quota") => Reason::OverQuota,
        _ if said.contains("too large") || said.contains("too big") => Reason::TooLarge,
        _ => Reason::TargetRefused,
    }
}
