//! The target asks for patience: what it refused is sent again after a wait, one batch at a time.

use std::collections::VecDeque;

use super::batch::Batch;
use super::writer::Writer;
use crate::error::MigrationError;
use crate::target::{Ack, Refusal};

impl Writer<'_> {
    /// Waits until a batch is taken, or refused for another reason, and then for the others that
    /// were refused meanwhile.
    pub(super) async fn wait_out(
        &mut self,
        batch: Batch,
        refusal: Refusal,
    ) -> Result<(), MigrationError> {
        let mut again = VecDeque::from([batch]);
        // What is in flight already was sent before the target could say so.
        while let Some(batch) = self.in_flight.pop_front() {
            let ack = match self.target.acknowledge().await {
                Ok(ack) => ack,
                Err(error) => {
                    self.in_flight.push_front(batch);
                    self.in_flight.extend(again);
                    return Box::pin(self.recover(error)).await;
                }
            };
            match ack {
                Ack::Refused(other) if other.is_temporary() => again.push_back(batch),
                _ if batch.is_question() => self.commit()?,
                other => self.heed(batch, other).await?,
            }
        }
        self.bear(&refusal).await?;
        while let Some(batch) = again.pop_front() {
            let name = self.folders[batch.folder].target.name.clone();
            let answer = match self.target.submit(&name, &batch.items).await {
                Ok(()) => self.target.acknowledge().await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(Ack::Refused(refusal)) if refusal.is_temporary() => {
                    again.push_front(batch);
                    self.bear(&refusal).await?;
                }
                Ok(ack) => self.heed(batch, ack).await?,
                Err(error) => {
                    self.in_flight.push_back(batch);
                    self.in_flight.extend(again);
                    return Box::pin(self.recover(error)).await;
                }
            }
        }
        Ok(())
    }

    /// Waits as the target asks; a stop ends the wait.
    pub(super) async fn bear(&mut self, refusal: &Refusal) -> Result<(), MigrationError> {
        let waited = tokio::select! {
            () = self.stop.cancelled() => return Err(MigrationError::Stopped),
            waited = self.target.wait(refusal) => waited,
        };
        waited.map_err(|error| self.target_error(error))
    }
}
