//! The target's connection broke: what was in flight may or may not be stored.

use std::time::Duration;

use super::folder::OpenError;
use super::writer::Writer;
use crate::error::{EndpointError, MigrationError};
use crate::matcher::Pool;
use crate::target::{Target, TargetFolder};

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
        for mut batch in unanswered {
            let folder = batch.folder;
            let mut left = Vec::new();
            for item in batch.items {
                left.extend(self.claim(folder, item)?);
            }
            batch.items = left;
            if batch.items.is_empty() {
                continue;
            }
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
        self.target
            .reconnect()
            .await
            .map_err(|error| self.target_error(error))?;
        if self.target.forgetful() {
            self.connection = self.target.connection();
            self.caution.mend_flags = true;
            self.find_again().await?;
        }
        self.look_again(folder).await
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
