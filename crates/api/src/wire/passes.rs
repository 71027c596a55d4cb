//! What a migration's Jobs hand over, and the proof that becomes of it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::migration::MessageCounts;

/// Where a pass over an account stands, told by its Job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PutPassProgress {
    /// The UID of the Migration that the Job works for: a namesake made later is another.
    pub migration_uid: String,
    /// The number of the pass.
    pub pass: u32,
    /// What this pass found and copied.
    pub messages: MessageCounts,
    /// Bytes copied a second, just now.
    pub bytes_per_second: u64,
}

/// How a pass over an account ended, told by its Job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PutPassReport {
    /// The UID of the Migration that the Job works for: a namesake made later is another.
    pub migration_uid: String,
    /// The number of the pass.
    pub pass: u32,
    /// The engine's report, of this account alone.
    pub report: Value,
}

/// The proof of a migration's run, as kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The migration.
    pub migration: String,
    /// The run.
    pub run: u32,
    /// When it was kept, RFC 3339.
    pub at: String,
    /// BLAKE3 of the proof.
    pub hash: String,
    /// The proof.
    pub report: Value,
    /// The very text that was signed: a [`Proof`]. None for a proof of an earlier release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// Its detached signature, CMS as PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// Version of a [`Proof`]'s form.
pub const PROOF_FORMAT: &str = "melouvert-migration-proof/1";

/// The document that is signed and handed to the collectivity: a run's report, whose it is, and when
/// it was issued.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    /// [`PROOF_FORMAT`].
    pub format: String,
    /// When it was issued and signed, RFC 3339.
    pub issued: String,
    /// The authenticated user who handed the report over; none without a cluster.
    pub by: Option<String>,
    /// Whose mailboxes; none without a cluster.
    pub collectivity: Option<ProofCollectivity>,
    /// Which migration; none without a cluster.
    pub migration: Option<ProofMigration>,
    /// BLAKE3 of the report: of its JSON with sorted keys and without blanks, in hexadecimal.
    pub hash: String,
    /// The engine's report.
    pub report: Value,
}

/// Whose mailboxes a proof is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofCollectivity {
    /// The SIREN.
    pub siren: String,
    /// The legal name.
    pub name: String,
}

/// Which migration a proof is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofMigration {
    /// The name.
    pub name: String,
    /// The UID of the object: a namesake made later is another.
    pub uid: String,
    /// The run.
    pub run: u32,
}
