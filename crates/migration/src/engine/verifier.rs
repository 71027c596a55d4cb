//! Reads folders back while others are still being written.

use tokio::sync::mpsc;

use crate::account::Endpoint;
use crate::error::EndpointError;
use crate::source::imap::Backoff;
use crate::target::Target;
use crate::target::imap::ImapTarget;
use crate::verify::{Job, Verdict, verify};

/// Verifies each job on a connection of its own, opened with the first job.
pub(super) async fn run(
    endpoint: Endpoint,
    timeouts: crate::imap::Timeouts,
    backoff: Backoff,
    mut jobs: mpsc::UnboundedReceiver<Job>,
) -> Result<Vec<Verdict>, EndpointError> {
    let mut target = ImapTarget::new(endpoint, timeouts, backoff);
    let mut verdicts = Vec::new();
    while let Some(job) = jobs.recv().await {
        let mut attempt = 0;
        let verdict = loop {
            match verify(&mut target, job.clone()).await {
                Ok(verdict) => break verdict,
                Err(EndpointError::Imap(error))
                    if error.is_transient() && attempt + 1 < backoff.tries =>
                {
                    tracing::warn!(%error, attempt, "verify_retry");
                    tokio::time::sleep(backoff.pause(attempt)).await;
                    target.reconnect().await?;
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        };
        verdicts.push(verdict);
    }
    Ok(verdicts)
}
