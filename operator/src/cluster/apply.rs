//! Server-side apply in ordered waves: one GET per object, a write only on difference.
//!
//! A first apply never forces. When another manager owns a field that Melouvert states, the
//! conflict is reported as a warning Event that names that manager, then the apply is forced: what
//! is rendered always wins, never silently.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, Patch, PatchParams},
};
use melouvert_api::labels;
use melouvert_tenant_template::Object;
use serde_json::Value;
use tokio::time::Instant;

use super::{
    covers::{covers, repair, same_owners},
    refused::{ApplyError, lacks_right},
};
use crate::{events::Events, metrics::Metrics};

/// Objects of one wave written at once.
const WIDTH: usize = 8;
/// How long a refusal right after a RoleBinding was made is taken for a stale RBAC cache.
const RBAC_LAG: Duration = Duration::from_secs(10);
/// Between two tries while that cache catches up.
const RBAC_POLL: Duration = Duration::from_millis(200);

/// What an apply did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The live object already said the same.
    Unchanged,
    /// It was not there.
    Created,
    /// It was rendered differently before.
    Updated,
    /// Somebody had changed it by hand.
    Repaired,
}

/// What was last applied and what the server made of it: a server that keeps its own form of a
/// value (a rounded quantity) must not cause a write at each reconcile.
type Accepted = HashMap<String, (String, String)>;

/// Applies rendered objects.
pub struct Applier {
    client: Client,
    events: Events,
    metrics: Arc<Metrics>,
    accepted: Mutex<Accepted>,
}

impl Applier {
    /// An applier with an empty memory.
    pub fn new(client: Client, events: Events, metrics: Arc<Metrics>) -> Self {
        Self {
            client,
            events,
            metrics,
            accepted: Mutex::default(),
        }
    }

    /// Applies objects that do not depend on each other, and says what was done to each. One that is
    /// refused does not keep the others from being applied.
    pub async fn wave(
        &self,
        objects: &[Object],
        about: &ObjectReference,
    ) -> Result<Vec<Outcome>, ApplyError> {
        self.each(objects, about).await.into_iter().collect()
    }

    /// The same, object by object.
    pub async fn each(
        &self,
        objects: &[Object],
        about: &ObjectReference,
    ) -> Vec<Result<Outcome, ApplyError>> {
        let tasks: Vec<_> = objects
            .iter()
            .map(|object| self.object(object, about))
            .collect();
        stream::iter(tasks).buffered(WIDTH).collect().await
    }

    /// Applies one object.
    pub async fn object(
        &self,
        object: &Object,
        about: &ObjectReference,
    ) -> Result<Outcome, ApplyError> {
        let mut target = Target::of(&self.client, object);
        let rendered = &object.value;
        let live = target.read().await?;
        target.stands = live.is_some();
        let hash = object.hash.clone();
        let key = live.as_ref().map(|live| target.key(live));
        if let (Some(live), Some(key)) = (&live, &key) {
            if live.metadata.deletion_timestamp.is_some() {
                return Err(ApplyError::Leaving {
                    kind: target.kind.clone(),
                    name: target.name.clone(),
                });
            }
            if is_foreign(live, rendered) {
                return Err(ApplyError::Foreign {
                    kind: target.kind.clone(),
                    name: target.name.clone(),
                });
            }
            let accepted = self.is_accepted(key, &hash, live) && owners_kept(live, rendered);
            if accepted || matches(live, rendered) {
                return Ok(Outcome::Unchanged);
            }
        }
        let applied = self.write(&target, rendered, about).await?;
        self.metrics.wrote(1);
        self.accept(target.key(&applied), hash.clone(), version(&applied));
        Ok(match live {
            None => Outcome::Created,
            Some(live) if live.annotations().get(labels::RENDERED_HASH) == Some(&hash) => {
                tracing::warn!(
                    kind = target.kind,
                    name = target.name,
                    "repaired a change made by hand"
                );
                Outcome::Repaired
            }
            Some(_) => Outcome::Updated,
        })
    }

    async fn write(
        &self,
        target: &Target,
        rendered: &Value,
        about: &ObjectReference,
    ) -> Result<DynamicObject, ApplyError> {
        let polite = PatchParams::apply(labels::MANAGER);
        let applied = match target.patch(&polite, &Patch::Apply(rendered)).await {
            Err(ApplyError::Refused { source, .. }) if is_conflict(&source) => {
                let conflict = conflict(&source);
                let note = format!("{} {}: {conflict}", target.kind, target.name);
                tracing::warn!(
                    kind = target.kind,
                    name = target.name,
                    conflict,
                    "taking back fields"
                );
                self.events.warning(about, "FieldsTakenBack", &note).await;
                target
                    .patch(&polite.clone().force(), &Patch::Apply(rendered))
                    .await?
            }
            other => other?,
        };
        if matches(&applied, rendered) {
            return Ok(applied);
        }
        // Server-side apply leaves list elements and keys that another manager added (a port, a
        // rule, a file).
        let manager = Some(labels::MANAGER.into());
        let params = PatchParams {
            field_manager: manager,
            ..PatchParams::default()
        };
        let live = serde_json::to_value(&applied).unwrap_or_default();
        let merged = target
            .patch(&params, &Patch::Merge(&repair(&live, rendered)))
            .await?;
        if !matches(&merged, rendered) {
            tracing::warn!(
                kind = target.kind,
                name = target.name,
                "the server keeps its own form of this object"
            );
        }
        Ok(merged)
    }

    fn is_accepted(&self, key: &str, hash: &str, live: &DynamicObject) -> bool {
        let accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        !hash.is_empty()
            && accepted
                .get(key)
                .is_some_and(|(known, at)| known == hash && *at == version(live))
    }

    fn accept(&self, key: String, hash: String, version: String) {
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        accepted.insert(key, (hash, version));
    }

    /// Forgets what was applied in a namespace that is gone.
    pub fn forget(&self, namespace: &str) {
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        let prefix = format!("{namespace}/");
        accepted.retain(|key, _| !key.starts_with(&prefix));
    }
}

/// An object's place in the API.
struct Target {
    api: Api<DynamicObject>,
    kind: String,
    namespace: String,
    name: String,
    stands: bool,
}

impl Target {
    fn of(client: &Client, object: &Object) -> Self {
        let api = match &object.namespace {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &object.resource),
            None => Api::all_with(client.clone(), &object.resource),
        };
        Self {
            api,
            kind: object.resource.kind.clone(),
            namespace: object.namespace.clone().unwrap_or_default(),
            name: object.name.clone(),
            stands: false,
        }
    }

    /// Namespace first, so that a whole namespace can be forgotten; the UID, so that a new object
    /// of the same name is not taken for the old one.
    fn key(&self, live: &DynamicObject) -> String {
        let uid = live.metadata.uid.as_deref().unwrap_or_default();
        format!("{}/{}/{}/{uid}", self.namespace, self.kind, self.name)
    }

    async fn read(&self) -> Result<Option<DynamicObject>, ApplyError> {
        self.patiently("read", async || self.api.get_opt(&self.name).await)
            .await
    }

    async fn patch(
        &self,
        params: &PatchParams,
        patch: &Patch<&Value>,
    ) -> Result<DynamicObject, ApplyError> {
        self.patiently("apply", async || {
            self.api.patch(&self.name, params, patch).await
        })
        .await
    }

    /// Asks again while the server answers 403 and the RoleBinding may be too young to be known.
    async fn patiently<T, Answer>(
        &self,
        verb: &'static str,
        ask: impl Fn() -> Answer,
    ) -> Result<T, ApplyError>
    where
        Answer: Future<Output = Result<T, kube::Error>>,
    {
        let deadline = Instant::now() + RBAC_LAG;
        loop {
            match ask().await {
                Err(error) if lacks_right(&error) && Instant::now() < deadline => {
                    tokio::time::sleep(RBAC_POLL).await;
                }
                Err(error) => {
                    return Err(ApplyError::Refused {
                        verb,
                        kind: self.kind.clone(),
                        name: self.name.clone(),
                        stands: self.stands,
                        source: Box::new(error),
                    });
                }
                Ok(answer) => return Ok(answer),
            }
        }
    }
}

/// What changes when the object's desired content changes: the generation where the kind has one
/// (a status write leaves it), else the resource version.
fn version(live: &DynamicObject) -> String {
    match live.metadata.generation {
        Some(generation) => format!("g{generation}"),
        None => live.metadata.resource_version.clone().unwrap_or_default(),
    }
}

/// Whether an object that is to go with an owner is neither that owner's already nor the operator's
/// without any: taking it over would let a user's object delete it.
fn is_foreign(live: &DynamicObject, rendered: &Value) -> bool {
    let owners = rendered.pointer("/metadata/ownerReferences");
    let Some(wanted) = owners
        .and_then(Value::as_array)
        .filter(|all| !all.is_empty())
    else {
        return false;
    };
    let theirs = live.owner_references();
    let is_wanted = |uid: &str| wanted.iter().any(|owner| owner["uid"] == uid);
    if theirs.iter().any(|owner| is_wanted(&owner.uid)) {
        return false;
    }
    let managed = live.labels().get(labels::MANAGED_BY);
    !theirs.is_empty() || managed.is_none_or(|by| by != labels::MANAGER)
}

fn owners_kept(live: &DynamicObject, rendered: &Value) -> bool {
    serde_json::to_value(live).is_ok_and(|live| same_owners(&live, rendered))
}

fn matches(live: &DynamicObject, rendered: &Value) -> bool {
    serde_json::to_value(live).is_ok_and(|live| covers(&live, rendered))
}

/// Whether the API server answered 403.
pub fn is_forbidden(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 403)
}

/// What the API server says of a conflict: it names the other manager and its fields.
fn conflict(error: &kube::Error) -> &str {
    match error {
        kube::Error::Api(status) => &status.message,
        _ => "",
    }
}

fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn live(labels: &Value, owner: Option<&str>) -> DynamicObject {
        let owners = owner
            .map(|uid| json!([{"apiVersion": "v", "kind": "Migration", "name": "m", "uid": uid}]));
        serde_json::from_value(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": "migration-m", "labels": labels, "ownerReferences": owners}}))
        .unwrap()
    }

    #[test]
    fn only_what_was_made_for_an_owner_goes_with_it() {
        let rendered = json!({"metadata": {"ownerReferences": [{"uid": "own"}]}});
        let (ours, theirs) = (
            json!({"app.kubernetes.io/managed-by": "melouvert"}),
            json!({}),
        );
        for (labels, owner, foreign) in [
            (&ours, Some("own"), false),
            (&ours, None, false),
            (&theirs, Some("own"), false),
            (&theirs, None, true),
            (&ours, Some("another"), true),
            (&theirs, Some("another"), true),
        ] {
            let live = live(labels, owner);
            assert_eq!(is_foreign(&live, &rendered), foreign, "{labels} {owner:?}");
            let without = json!({"metadata": {}});
            assert!(!is_foreign(&live, &without), "a space's own is repaired");
        }
    }
}
