//! The Jobs of a migration: one per account at work.

use std::collections::HashMap;

use k8s_openapi::api::batch::v1::Job;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Preconditions, PropagationPolicy},
};
use melouvert_api::labels::{self, component};
use melouvert_tenant_template::ValidatedMigration;

use super::{MigrationError, door, kube_error};
use crate::tenant::Context;

/// A Job as seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassJob {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// The pass that it makes.
    pub pass: u32,
    /// Whether it succeeded, once it ended.
    pub ended: Option<bool>,
    /// Whether it is on its way out.
    pub deleting: bool,
}

/// The Jobs of this very migration, by account.
pub async fn list(
    migration: &ValidatedMigration,
    ctx: &Context,
) -> Result<HashMap<String, PassJob>, MigrationError> {
    let selector = format!(
        "{}={},{}={}",
        labels::COMPONENT,
        component::MIGRATION,
        labels::MIGRATION,
        migration.name
    );
    let found = api(migration, ctx)
        .list(&ListParams::default().labels(&selector))
        .await
        .map_err(kube_error("list the migration's Jobs"))?;
    let own = |job: &Job| {
        job.owner_references()
            .iter()
            .any(|owner| owner.uid == migration.uid)
    };
    let jobs = found.items.iter().filter(|job| own(job)).filter_map(read);
    Ok(jobs.collect())
}

fn read(job: &Job) -> Option<(String, PassJob)> {
    let account = job.labels().get(labels::ACCOUNT)?.clone();
    let pass = job.labels().get(labels::PASS)?.parse().ok()?;
    let conditions = job
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_deref());
    let ended = |kind: &str| {
        let mut all = conditions.unwrap_or_default().iter();
        all.any(|condition| condition.type_ == kind && condition.status == "True")
    };
    let job = PassJob {
        name: job.name_any(),
        uid: job.uid()?,
        pass,
        ended: match (ended("Complete"), ended("Failed")) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        },
        deleting: job.metadata.deletion_timestamp.is_some(),
    };
    Some((account, job))
}

/// Stops a Job, or clears one that ended away. It stays listed until its pods are gone, so that its
/// share of the caps is not given away before.
pub async fn remove(
    migration: &ValidatedMigration,
    job: &PassJob,
    ctx: &Context,
) -> Result<(), MigrationError> {
    door::shut(migration, &job.name, ctx).await?;
    if job.deleting {
        return Ok(());
    }
    let params = DeleteParams {
        propagation_policy: Some(PropagationPolicy::Foreground),
        preconditions: Some(Preconditions {
            uid: Some(job.uid.clone()),
            resource_version: None,
        }),
        ..DeleteParams::default()
    };
    match api(migration, ctx).delete(&job.name, &params).await {
        Ok(_) => Ok(()),
        // Gone, or another one by now.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        Err(error) => Err(kube_error("stop a Job")(error)),
    }
}

fn api(migration: &ValidatedMigration, ctx: &Context) -> Api<Job> {
    Api::namespaced(ctx.client.clone(), migration.namespace.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_job_is_read_by_its_labels_and_conditions() {
        let job = |conditions: serde_json::Value| -> Job {
            serde_json::from_value(json!({
                "metadata": {"name": "migration-m-a", "uid": "u",
                    "labels": {"melouvert.fr/account": "a", "melouvert.fr/pass": "3"}},
                "status": {"conditions": conditions}}))
            .unwrap()
        };
        let (account, seen) = read(&job(json!([]))).unwrap();
        assert_eq!((account.as_str(), seen.pass, seen.ended), ("a", 3, None));
        let ended = |kind: &str| {
            read(&job(json!([{"type": kind, "status": "True"}])))
                .unwrap()
                .1
                .ended
        };
        assert_eq!(ended("Complete"), Some(true));
        assert_eq!(ended("Failed"), Some(false));
        assert_eq!(ended("FailureTarget"), None);
    }
}
