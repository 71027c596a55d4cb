//! Servers that read their configuration at start only are restarted when it changed.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use melouvert_api::labels;
use melouvert_tenant_template::Object;
use serde_json::{Value, json};

use super::{Bootstrap, BootstrapError, api};
use crate::cluster::Outcome;

/// On the StatefulSet: the configuration that its pods were last started for.
const CONFIGURATION: &str = "melouvert.fr/configuration-hash";
/// On the pod template: what makes the pods new.
const RESTARTED: &str = "melouvert.fr/restarted-at";
/// Workloads whose configuration is the ConfigMap of the same name.
const WORKLOADS: [&str; 3] = [
    "melouvert-postgresql",
    "melouvert-relay-in",
    "melouvert-relay-out",
];

impl Bootstrap {
    /// Restarts what still runs with another configuration. What was started for is written in the
    /// same request, so that a crash in between loses no restart.
    pub(super) async fn follow(
        &self,
        objects: &[Object],
        outcomes: &[Outcome],
        now: Timestamp,
    ) -> Result<(), BootstrapError> {
        let sets: Api<StatefulSet> = Api::namespaced(self.client.clone(), &self.settings.namespace);
        for (object, outcome) in objects.iter().zip(outcomes) {
            let name = object.name.as_str();
            if object.resource.kind != "ConfigMap" || !WORKLOADS.contains(&name) {
                continue;
            }
            // An external database has no workload here.
            let Some(set) = sets.get_opt(name).await.map_err(api("read", name))? else {
                continue;
            };
            let noted = set.annotations().get(CONFIGURATION).map(String::as_str);
            let Some(patch) = due(noted, &object.hash, *outcome, now) else {
                continue;
            };
            let params = PatchParams {
                field_manager: Some(labels::MANAGER.into()),
                ..PatchParams::default()
            };
            sets.patch(name, &params, &Patch::Merge(&patch))
                .await
                .map_err(api("restart", name))?;
            if patch.get("spec").is_some() {
                tracing::info!(workload = name, "restarted for its new configuration");
            }
        }
        Ok(())
    }
}

/// What is written on a workload that was last started for `noted`; `None` when nothing is due.
fn due(noted: Option<&str>, hash: &str, outcome: Outcome, now: Timestamp) -> Option<Value> {
    let changed = matches!(outcome, Outcome::Updated | Outcome::Repaired);
    let restarts = match noted {
        Some(noted) if noted == hash => return None,
        Some(_) => true,
        // Not noted yet: its pods started with what was there, unless it changed just now.
        None => changed,
    };
    let mut patch = json!({"metadata": {"annotations": {CONFIGURATION: hash}}});
    if restarts {
        patch["spec"] =
            json!({"template": {"metadata": {"annotations": {RESTARTED: now.to_string()}}}});
    }
    Some(patch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_is_due_once_per_configuration_even_after_a_crash() {
        let restarts = |noted, outcome| {
            due(noted, "new", outcome, Timestamp::UNIX_EPOCH)
                .map(|patch| patch.get("spec").is_some())
        };
        assert_eq!(restarts(Some("new"), Outcome::Unchanged), None);
        // Applied before the crash, restarted after it.
        assert_eq!(restarts(Some("old"), Outcome::Unchanged), Some(true));
        assert_eq!(restarts(Some("old"), Outcome::Updated), Some(true));
        // A new installation starts its pods once.
        assert_eq!(restarts(None, Outcome::Created), Some(false));
        assert_eq!(restarts(None, Outcome::Unchanged), Some(false));
        assert_eq!(restarts(None, Outcome::Updated), Some(true));
    }
}
