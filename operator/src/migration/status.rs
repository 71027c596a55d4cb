//! What is told of a migration. The figures of accounts and messages are the platform API's.

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
};
use melouvert_api::{
    Migration, MigrationStatus,
    condition::{READY, RECONCILING, STALLED, Verdict, merge},
};
use melouvert_store::MigrationReport;
use serde_json::json;

use super::validate::Refusal;

/// The field manager of this part of the status.
const MANAGER: &str = "melouvert-status";

/// How far a migration came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Nothing is done until something changes.
    Refused(Vec<Refusal>),
    /// The Job waits for its pod.
    Pending,
    /// The Job copies.
    Running,
    /// Everything was copied.
    Complete {
        /// The proof's hash.
        hash: String,
    },
    /// It ended with exceptions, all of them in the proof.
    Partial {
        /// The proof's hash.
        hash: String,
    },
    /// It ended without a proof.
    Failed,
}

impl Progress {
    /// `Pending`, `Running`, `Complete`, `Partial`, `Failed`.
    pub fn phase(&self) -> &'static str {
        match self {
            Self::Refused(_) | Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Complete { .. } => "Complete",
            Self::Partial { .. } => "Partial",
            Self::Failed => "Failed",
        }
    }

    /// A CamelCase word for programs.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Refused(refusals) => refusals.first().map_or("InvalidSpec", |first| first.reason),
            other => other.phase(),
        }
    }

    /// Whether this run ended.
    pub fn is_over(&self) -> bool {
        matches!(
            self,
            Self::Complete { .. } | Self::Partial { .. } | Self::Failed
        )
    }

    fn hash(&self) -> Option<&str> {
        match self {
            Self::Complete { hash } | Self::Partial { hash } => Some(hash),
            _ => None,
        }
    }
}

/// From the Job and the report to the progress: the proof alone tells what was copied, the Job only
/// whether somebody still works.
pub fn progress(job: Option<&Job>, report: Option<&MigrationReport>) -> Progress {
    let status = job.and_then(|job| job.status.as_ref());
    let ended = |kind: &str| {
        let conditions = status
            .and_then(|status| status.conditions.as_deref())
            .unwrap_or_default();
        conditions
            .iter()
            .any(|condition| condition.type_ == kind && condition.status == "True")
    };
    let hash = report.map(|report| report.hash.clone());
    match (ended("Complete"), ended("Failed"), hash) {
        (true, _, Some(hash)) => Progress::Complete { hash },
        (_, true, Some(hash)) => Progress::Partial { hash },
        (true, ..) | (_, true, None) => Progress::Failed,
        _ if status.and_then(|status| status.active).unwrap_or(0) > 0 => Progress::Running,
        _ => Progress::Pending,
    }
}

/// The status that follows the previous one.
pub fn compute(migration: &Migration, progress: &Progress, now: Timestamp) -> MigrationStatus {
    let mut status = migration.status.clone().unwrap_or_default();
    let generation = migration.metadata.generation;
    let instant = k8s_openapi::jiff::Timestamp::from_second(now.as_second()).unwrap_or_default();
    // A refused change is not in the journal yet: it is told as observed once accepted.
    if !matches!(progress, Progress::Refused(_)) {
        status.observed_generation = generation;
    }
    status.conditions = merge(&status.conditions, verdicts(progress), generation, instant);
    status.phase = Some(progress.phase().into());
    status.proof_hash = progress.hash().map(Into::into);
    status
}

fn verdicts(progress: &Progress) -> Vec<Verdict> {
    let ([ready, reconciling, stalled], message) = match progress {
        Progress::Refused(refusals) => {
            let texts: Vec<String> = refusals
                .iter()
                .map(|refusal| format!("{}: {}", refusal.field, refusal.message))
                .collect();
            ([false, false, true], texts.join("; "))
        }
        Progress::Pending => ([false, true, false], "the migration's pod starts".into()),
        Progress::Running => ([false, true, false], "mailboxes are being copied".into()),
        Progress::Complete { .. } => (
            [true, false, false],
            "everything was copied; see the proof".into(),
        ),
        Progress::Partial { .. } => (
            [false, false, true],
            "it ended with exceptions, all of them in the proof; raise spec.run to try them again"
                .into(),
        ),
        Progress::Failed => (
            [false, false, true],
            "it ended without a proof; see the Job's log, then raise spec.run".into(),
        ),
    };
    let verdict = |kind, holds| Verdict {
        kind,
        holds,
        reason: progress.reason(),
        message: message.clone(),
    };
    vec![
        verdict(READY, ready),
        verdict(RECONCILING, reconciling),
        verdict(STALLED, stalled),
    ]
}

/// Writes this part of the status if it differs; tells whether it did.
pub async fn write(
    client: &Client,
    migration: &Migration,
    status: &MigrationStatus,
) -> Result<bool, kube::Error> {
    if migration.status.as_ref() == Some(status) {
        return Ok(false);
    }
    let namespace = migration.namespace().unwrap_or_default();
    let name = migration.name_any();
    let api: Api<Migration> = Api::namespaced(client.clone(), &namespace);
    let patch = json!({
        "apiVersion": format!("{}/{}", melouvert_api::GROUP, melouvert_api::VERSION),
        "kind": "Migration",
        "metadata": {"name": name, "uid": migration.metadata.uid},
        "status": {
            "observedGeneration": status.observed_generation,
            "conditions": status.conditions,
            "phase": status.phase,
            "proofHash": status.proof_hash,
        },
    });
    let patch = without_nulls(patch);
    let params = PatchParams::apply(MANAGER).force();
    api.patch_status(&name, &params, &Patch::Apply(&patch))
        .await?;
    Ok(true)
}

/// Absent fields are given up by server-side apply; null ones would be refused by the schema.
fn without_nulls(mut patch: serde_json::Value) -> serde_json::Value {
    if let Some(status) = patch
        .get_mut("status")
        .and_then(serde_json::Value::as_object_mut)
    {
        status.retain(|_, value| !value.is_null());
    }
    patch
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(status: &serde_json::Value) -> Job {
        serde_json::from_value(json!({"metadata": {}, "status": status})).unwrap()
    }

    fn ended(kind: &str) -> Job {
        job(&json!({"conditions": [{"type": kind, "status": "True"}]}))
    }

    fn report() -> MigrationReport {
        MigrationReport {
            migration: "m".parse().unwrap(),
            run: 1,
            at: Timestamp::UNIX_EPOCH,
            text: "{}".into(),
            signature: None,
            hash: "h".into(),
        }
    }

    #[test]
    fn only_a_proof_makes_a_migration_complete() {
        let report = report();
        let hash = || "h".to_owned();
        assert_eq!(progress(None, None), Progress::Pending);
        assert_eq!(
            progress(Some(&job(&json!({"active": 1}))), None),
            Progress::Running
        );
        assert_eq!(
            progress(Some(&ended("Complete")), Some(&report)),
            Progress::Complete { hash: hash() }
        );
        assert_eq!(progress(Some(&ended("Complete")), None), Progress::Failed);
        assert_eq!(
            progress(Some(&ended("Failed")), Some(&report)),
            Progress::Partial { hash: hash() }
        );
        assert_eq!(progress(Some(&ended("Failed")), None), Progress::Failed);
        assert_eq!(
            progress(Some(&job(&json!({"active": 1}))), Some(&report)),
            Progress::Running
        );
    }
}
