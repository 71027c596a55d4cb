//! The target's connection broke: what was in flight may or may not be stored.

use std::collections::BTreeSet;
use std::time::Duration;

use super::batch::Batch;
use super::folder::OpenError;
use super::writer::Writer;
use crate::error::{EndpointError, MigrationError};
use crate::matcher::Pool;
use crate::target::{Refusal, Target, TargetFolder};

/// Pause between two looks at a folder that an earlier session may still be writing.
const LOOK: Duration = Duration::from_millis(250);
/// Looks before the folder is taken as it is.
const LOOKS: u32 = 40;
/// Breaks in a row without an acknowledgement after which items are sent one at a time.
const ALONE_AFTER: u32 = 2;

/// Waits until a folder's UIDNEXT stands still: an interrupted session may still be storing what
/// had reached the server.
pub(super) async fn settle(
    target: &mut dyn Target,
    name: &str,
) -> Result<TargetFolder, EndpointError> {
    let mut before = target.state(name).await?;
    for _ in 0..LOOKS {
        tokio::time::sleep(LOOK).await;
        let now = target.state(name).await?;
        if now == before {
            break;
        }
        before = now;
    }
    Ok(before)
}

impl Writer<'_> {
    /// Reconnects, finds by hash which items in flight were stored, and sends the others again.
    pub(super) async fn recover(&mut self, error: EndpointError) -> Result<(), MigrationError> {
        let unanswered: Vec<_> = std::mem::take(&mut self.in_flight).into();
        let mut looked = Vec::new();
        let mut error = Some(error);
        for batch in &unanswered {
            if !looked.contains(&batch.folder) {
                looked.push(batch.folder);
                match error.take() {
                    Some(error) => self.reconnect(error, batch.folder).await?,
                    None => self.look_again(batch.folder).await?,
                }
            }
        }
        if let Some(error) = error {
            return Err(self.target_error(error));
        }
        for batch in unanswered {
            let Some(batch) = self.keep_left(batch)? else {
                continue;
            };
            if self.failures >= ALONE_AFTER {
                self.refused.push(batch);
            } else {
                self.submit(batch).await?;
            }
        }
        Ok(())
    }

    /// Opens a new connection and looks at a folder again.
    pub(super) async fn reconnect(
        &mut self,
        error: EndpointError,
        folder: usize,
    ) -> Result<(), MigrationError> {
        let transient = matches!(&error, EndpointError::Imap(error) if error.is_transient());
        self.failures += 1;
        if !transient || self.failures > self.options.backoff.tries {
            return Err(self.target_error(error));
        }
        if self.may_forget() {
            return Err(self.unsettled(error));
        }
        tracing::warn!(%error, failures = self.failures, "target_reconnect");
        tokio::time::sleep(self.options.backoff.pause(self.failures - 1)).await;
        self.renew().await?;
        self.look_again(folder).await
    }

    /// The target did not understand what was sent: nobody knows what it makes of the bytes behind
    /// it, so the connection is closed. What was in flight is looked for and sent again; the batch
    /// at fault goes item by item.
    pub(super) async fn distrust(
        &mut self,
        batch: Batch,
        refusal: &Refusal,
    ) -> Result<(), MigrationError> {
        let mut unanswered: Vec<Batch> = std::mem::take(&mut self.in_flight).into();
        let folders: BTreeSet<usize> = unanswered
            .iter()
            .filter(|batch| !batch.is_question())
            .chain([&batch])
            .map(|batch| batch.folder)
            .collect();
        self.leave(refusal).await?;
        for folder in folders {
            self.look_again(folder).await?;
        }
        // At once, so that what follows knows what this teaches.
        if let Some(left) = self.keep_left(batch)? {
            for item in left.items {
                Box::pin(self.write_alone(left.folder, item)).await?;
            }
        }
        for batch in unanswered.drain(..) {
            if let Some(left) = self.keep_left(batch)? {
                self.submit(left).await?;
            }
        }
        Ok(())
    }

    /// Closes a connection that cannot be trusted any more, and opens another.
    pub(super) async fn leave(&mut self, refusal: &Refusal) -> Result<(), MigrationError> {
        tracing::warn!(said = refusal.said, "target_misunderstood");
        if self.may_forget() {
            return Err(self.unsettled(EndpointError::Interrupted));
        }
        self.renew().await
    }

    /// Of a batch that may be stored, what is not.
    fn keep_left(&mut self, mut batch: Batch) -> Result<Option<Batch>, MigrationError> {
        let mut left = Vec::new();
        for item in batch.items {
            left.extend(self.claim(batch.folder, item)?);
        }
        batch.items = left;
        Ok(Some(batch).filter(|batch| !batch.is_question()))
    }

    /// Opens a new connection; what was found over the old one may be gone by now.
    async fn renew(&mut self) -> Result<(), MigrationError> {
        self.target
            .reconnect()
            .await
            .map_err(|error| self.target_error(error))?;
        if self.target.forgetful() {
            self.connection = self.target.connection();
            self.caution.mend_flags = true;
            self.find_again().await?;
        }
        Ok(())
    }

    /// Whether something was taken for done that the target may have forgotten since.
    fn may_forget(&self) -> bool {
        let took = self.folders.iter().any(|run| !run.loose.is_empty());
        !self.unsynced.is_empty() || took && self.target.forgetful()
    }

    /// What was found before may be gone by now: it is read back anew.
    async fn find_again(&mut self) -> Result<(), MigrationError> {
        for folder in 0..self.folders.len() {
            let run = &mut self.folders[folder];
            if run.pool.is_empty() {
                continue;
            }
            run.pool = Pool::default();
            let state = self.journal.state().by_id(run.id);
            run.seen_through = state.map_or(0, |state| state.floor);
            let name = run.target.name.clone();
            let state = self.target.state(&name).await;
            let state = state.map_err(|error| self.target_error(error))?;
            self.read_back(folder, state).await?;
        }
        Ok(())
    }

    /// Reads back what appeared in a folder since it was last looked at.
    pub(super) async fn look_again(&mut self, folder: usize) -> Result<(), MigrationError> {
        let name = self.folders[folder].target.name.clone();
        let state = settle(self.target, &name)
            .await
            .map_err(|error| self.target_error(error))?;
        self.read_back(folder, state).await
    }

    async fn read_back(
        &mut self,
        folder: usize,
        state: TargetFolder,
    ) -> Result<(), MigrationError> {
        let run = &mut self.folders[folder];
        run.target = state;
        let above = run.seen_through;
        let read = run.read_back(self.target, self.journal, above).await;
        read.map_err(|error| match error {
            OpenError::Target(error) => self.target_error(error),
            OpenError::Migration(error) => error,
        })
    }
}
