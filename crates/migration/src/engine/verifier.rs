//! Reads folders back while others are still being written.

use tokio::sync::mpsc;

use crate::account::Endpoint;
use crate::error::EndpointError;
use crate::source::imap::Backoff;
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
        verdicts.push(verify(&mut target, job).await?);
    }
    Ok(verdicts)
}
