//! Reads folders back while others are still being written.

use tokio::sync::mpsc;

use super::folder::FolderRun;
use super::options::Verification;
use crate::account::Destination;
use crate::context::Context;
use crate::error::EndpointError;
use crate::journal::{ItemRecord, Journal};
use crate::target;
use crate::verify::{Job, Verdict, verify};

/// Verifies each job on a connection of its own, opened with the first job.
pub(super) async fn run(
    destination: Destination,
    context: Context,
    mut jobs: mpsc::UnboundedReceiver<Job>,
) -> Result<Vec<Verdict>, EndpointError> {
    let mut target = target::open(&destination, &context)?;
    let mut verdicts = Vec::new();
    while let Some(job) = jobs.recv().await {
        verdicts.push(verify(&mut *target, job).await?);
    }
    Ok(verdicts)
}

/// What is to be read back of a folder.
pub(super) fn verify_job(
    journal: &Journal,
    run: &FolderRun,
    folder: usize,
    verification: Verification,
) -> Option<Job> {
    let state = journal.state().by_id(run.id)?;
    let expected: Vec<ItemRecord> = match verification {
        Verification::None => return None,
        Verification::All => state.items.iter().cloned().collect(),
        Verification::New => state
            .items
            .iter()
            .filter(|item| item.target_uid == 0 || item.target_uid > state.verified)
            .cloned()
            .collect(),
    };
    let name = run.target.name.clone();
    (!expected.is_empty()).then_some(Job {
        folder,
        name,
        expected,
    })
}
