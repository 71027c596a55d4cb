//! What the target refuses: each item alone, then told with its reason.

use std::collections::{BTreeSet, HashSet};

use super::batch::Batch;
use super::writer::{FULL_AFTER, Writer};
use crate::error::{EndpointError, MigrationError};
use crate::model::Uid;
use crate::progress::Event;
use crate::proof::{Exception, Reason};
use crate::source::Item;
use crate::target::{Ack, Refusal, Rung, WantedFolder};

/// A refused item on its way, alone.
struct Alone {
    folder: usize,
    item: Item,
    /// What is told about it.
    rung: Rung,
    breaks: u32,
    /// Whether it was looked for among what a crash left.
    looked: bool,
}

impl Alone {
    fn new(folder: usize, item: Item) -> Self {
        Self {
            folder,
            item,
            rung: Rung::Whole,
            breaks: 0,
            looked: false,
        }
    }
}

impl Writer<'_> {
    /// Sends each item of refused batches alone; what is refused again is absent.
    pub(super) async fn settle_refused(&mut self) -> Result<(), MigrationError> {
        while !self.in_flight.is_empty() {
            self.acknowledge().await?;
        }
        self.look_for_refused().await?;
        while let Some(batch) = self.refused.pop() {
            for item in batch.items {
                self.write_alone(batch.folder, item).await?;
            }
        }
        Ok(())
    }

    /// A store that lost its index in a crash refuses the name of a message whose file outlived
    /// it, and takes that file in: it may be the very message.
    async fn look_for_refused(&mut self) -> Result<(), MigrationError> {
        if !self.target.forgetful() {
            return Ok(());
        }
        let folders: BTreeSet<usize> = self.refused.iter().map(|batch| batch.folder).collect();
        for folder in folders {
            self.look_for_left(folder).await?;
        }
        Ok(())
    }

    /// Looks for what a crash left in a folder; what the journal does not know yet would pass for
    /// it.
    async fn look_for_left(&mut self, folder: usize) -> Result<(), MigrationError> {
        self.settle_groups().await?;
        self.look_again(folder).await
    }

    pub(super) async fn write_alone(
        &mut self,
        folder: usize,
        mut item: Item,
    ) -> Result<(), MigrationError> {
        if self.target.forgetful() {
            let Some(left) = self.claim(folder, item)? else {
                return Ok(());
            };
            item = left;
        }
        if self.full >= FULL_AFTER {
            self.item_absent(
                folder,
                &item,
                Reason::OverQuota,
                "not tried: the mailbox is full",
            );
            return Ok(());
        }
        let mut alone = Alone::new(folder, item);
        loop {
            if self.caution.step_by_step {
                self.settle_groups().await?;
            }
            let answer = self.try_alone(&alone).await;
            let left = match answer {
                Ok(Ack::Stored(uids)) => return self.stored_alone(alone, uids).await,
                Ok(Ack::Refused(refusal)) => self.try_otherwise(alone, refusal).await?,
                Err(error) => self.after_break(alone, error).await?,
            };
            let Some(left) = left else {
                return Ok(());
            };
            alone = left;
        }
    }

    async fn try_alone(&mut self, alone: &Alone) -> Result<Ack, EndpointError> {
        let name = self.folders[alone.folder].target.name.clone();
        self.target
            .submit_alone(&name, &alone.item, alone.rung)
            .await?;
        self.target.acknowledge().await
    }

    /// Stored; the flags that it was sent without follow, as far as the target takes them.
    async fn stored_alone(
        &mut self,
        alone: Alone,
        uids: Option<Vec<Uid>>,
    ) -> Result<(), MigrationError> {
        let Alone {
            folder, item, rung, ..
        } = alone;
        self.failures = 0;
        let name = self.folders[folder].target.name.clone();
        let uid = uids.as_ref().and_then(|uids| uids.first().copied());
        if let Some(uid) = uid.filter(|_| rung > Rung::Whole) {
            let followed = self.target.complete_flags(&name, uid, (&item, rung)).await;
            followed.map_err(|error| self.target_error(error))?;
        }
        let batch = Batch {
            folder,
            items: vec![item],
        };
        self.stored(&batch, uids.as_deref())
    }

    /// Refused: what may be at fault is tried without; none when that was all.
    async fn try_otherwise(
        &mut self,
        mut alone: Alone,
        refusal: Refusal,
    ) -> Result<Option<Alone>, MigrationError> {
        let folder = alone.folder;
        if refusal.is_temporary() {
            self.bear(&refusal).await?;
            return Ok(Some(alone));
        }
        if refusal.misunderstood {
            self.leave(&refusal).await?;
            self.look_again(folder).await?;
            let Some(left) = self.claim(folder, alone.item)? else {
                return Ok(None);
            };
            alone.item = left;
        } else if refusal.code == "TRYCREATE" && alone.breaks == 0 {
            alone.breaks += 1;
            self.create_again(folder).await?;
            return Ok(Some(alone));
        } else if self.target.forgetful() && !std::mem::replace(&mut alone.looked, true) {
            self.look_for_left(folder).await?;
            let Some(left) = self.claim(folder, alone.item)? else {
                return Ok(None);
            };
            alone.item = left;
            return Ok(Some(alone));
        }
        let reason = refusal_reason(&refusal.code, &refusal.said);
        let name = &self.folders[folder].target.name;
        let next = self.target.next_rung(name, &alone.item, alone.rung);
        // Less said about it makes no message smaller.
        if let Some(rung) = next.filter(|_| reason == Reason::TargetRefused) {
            return Ok(Some(Alone { rung, ..alone }));
        }
        self.stays_refused(folder, &alone.item, (reason, &refusal.said));
        Ok(None)
    }

    /// The connection broke; none when the item is at the target, or breaks it again and again.
    async fn after_break(
        &mut self,
        mut alone: Alone,
        error: EndpointError,
    ) -> Result<Option<Alone>, MigrationError> {
        alone.breaks += 1;
        let (folder, said) = (alone.folder, error.to_string());
        self.reconnect(error, folder).await?;
        let Some(left) = self.claim(folder, alone.item)? else {
            return Ok(None);
        };
        alone.item = left;
        if alone.breaks >= 3 {
            self.item_absent(folder, &alone.item, Reason::TargetBreaks, &said);
            self.failures = 0;
            return Ok(None);
        }
        Ok(Some(alone))
    }

    fn stays_refused(&mut self, folder: usize, item: &Item, (reason, said): (Reason, &str)) {
        self.full = if reason == Reason::OverQuota {
            self.full + 1
        } else {
            0
        };
        self.item_absent(folder, item, reason, said);
    }

    async fn create_again(&mut self, folder: usize) -> Result<(), MigrationError> {
        let run = &self.folders[folder];
        let wanted = WantedFolder {
            path: run.source.path.clone(),
            name: Some(run.target.name.clone()),
            ..WantedFolder::default()
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
                .filter(|uid| !state.is_some_and(|state| state.items.contains(*uid)))
                .collect();
            for uid in absent {
                self.except(*folder, Some(uid), Reason::OverQuota, |exception| {
                    exception.saying("not tried: the mailbox is full")
                });
            }
        }
    }

    /// True when the target has no room left.
    pub(super) fn is_full(&self) -> bool {
        self.full >= FULL_AFTER
    }
}

fn refusal_reason(code: &str, said: &str) -> Reason {
    let said = said.to_ascii_lowercase();
    match code {
        "OVERQUOTA" => Reason::OverQuota,
        "TOOBIG" => Reason::TooLarge,
        _ if said.contains("quota") => Reason::OverQuota,
        _ if said.contains("too large") || said.contains("too big") => Reason::TooLarge,
        _ => Reason::TargetRefused,
    }
}
