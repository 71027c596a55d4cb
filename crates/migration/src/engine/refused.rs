//! What the target refuses: each item alone, then told with its reason.

use std::collections::{BTreeSet, HashSet};

use super::batch::Batch;
use super::writer::{FULL_AFTER, Writer};
use crate::error::MigrationError;
use crate::model::Uid;
use crate::progress::Event;
use crate::proof::{Exception, Reason};
use crate::source::Item;
use crate::target::{Ack, WantedFolder};

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

    async fn write_alone(&mut self, folder: usize, mut item: Item) -> Result<(), MigrationError> {
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
        let mut breaks = 0;
        let mut looked = false;
        loop {
            if self.caution.step_by_step {
                self.settle_groups().await?;
            }
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
                    if self.target.forgetful() && !std::mem::replace(&mut looked, true) {
                        self.look_for_left(folder).await?;
                        let Some(left) = self.claim(folder, item)? else {
                            return Ok(());
                        };
                        item = left;
                        continue;
                    }
                    self.stays_refused(folder, &item, (&code, &said));
                    return Ok(());
                }
                Err(error) => {
                    breaks += 1;
                    let said = error.to_string();
                    self.reconnect(error, folder).await?;
                    let Some(left) = self.claim(folder, item)? else {
                        return Ok(());
                    };
                    item = left;
                    if breaks >= 3 {
                        self.item_absent(folder, &item, Reason::TargetBreaks, &said);
                        self.failures = 0;
                        return Ok(());
                    }
                }
            }
        }
    }

    fn stays_refused(&mut self, folder: usize, item: &Item, (code, said): (&str, &str)) {
        let reason = refusal(code, said);
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
