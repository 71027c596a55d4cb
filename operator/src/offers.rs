//! What spaces live under: who changed a `Region` or a `Plan`, in the platform's journal and, once
//! it was applied there, in that of each space concerned.
//!
//! A space's journal is told by the reconciliation that the change causes anyway, one entry for one
//! generation: a change of the region costs no more than the new rendering of its spaces.

use std::{fmt::Debug, sync::Arc, time::Duration};

use futures::StreamExt;
use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
    core::ClusterResourceScope,
    runtime::{Controller, controller::Action, watcher},
};
use melouvert_api::{
    Collectivity, Plan, Region, SpecStatus,
    collectivity::{Footing, Revision, Under},
    labels,
};
use melouvert_store::{Entry, PlatformStore, Sealed, StoreError, TenantStore};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use crate::{
    database::DatabaseError,
    errors,
    tenant::{Context, dereference::References, footing, journal},
};

/// The controller's name in metrics and spans.
const NAME: &str = "offers";
/// The field manager of statuses.
const MANAGER: &str = "melouvert-status";
/// Entries read at once.
const PAGE: i64 = 500;
/// Between two looks at an object that nothing changed.
const REST: Duration = Duration::from_hours(1);

/// Why a change could not be written down; tried again.
#[derive(Debug, thiserror::Error)]
pub enum OfferError {
    /// The API server refused.
    #[error("failed to write the status")]
    Status(#[source] Box<kube::Error>),
    /// The database was not reached yet.
    #[error("failed to use the database")]
    NoDatabase(#[from] DatabaseError),
    /// The database refused or broke off.
    #[error("failed to write the change into the platform's journal")]
    Journal(#[from] StoreError),
}

/// What spaces live under.
pub trait Offer:
    Resource<DynamicType = (), Scope = ClusterResourceScope>
    + Clone
    + Debug
    + DeserializeOwned
    + Serialize
    + Send
    + Sync
    + 'static
{
    /// What the journals call its change.
    const CHANGED: &'static str;

    /// The generation whose author is written down.
    fn journaled(&self) -> Option<i64>;

    /// Its spec, as the journals tell it.
    fn told(&self) -> Value;
}

impl Offer for Region {
    const CHANGED: &'static str = "region.changed";

    fn journaled(&self) -> Option<i64> {
        self.status.as_ref()?.journaled_generation
    }

    fn told(&self) -> Value {
        let mut told = json!(self.spec);
        // Kilobytes of certificates say no more than their digest.
        if let Some(ca) = told.pointer_mut("/database/ca") {
            let digest = Sha256::digest(ca.as_str().unwrap_or_default());
            *ca = format!("sha256:{}", hex::encode(digest)).into();
        }
        told
    }
}

impl Offer for Plan {
    const CHANGED: &'static str = "plan.changed";

    fn journaled(&self) -> Option<i64> {
        self.status.as_ref()?.journaled_generation
    }

    fn told(&self) -> Value {
        json!(self.spec)
    }
}

/// The generation of an object that a space is applied under.
fn revision(object: &impl Offer) -> Revision {
    Revision {
        uid: object.uid().unwrap_or_default(),
        generation: object.meta().generation.unwrap_or_default(),
    }
}

/// What a space is applied under: the present region and plan where it stands on them, those of the
/// last time where it waits for its turn or they are gone.
pub fn under(tenant: &Collectivity, references: &References, footing: &Footing) -> Under {
    let mut under = told(tenant);
    if let Some(region) = &references.region
        && footing::revision(&region.name_any(), &region.spec) == footing.region
    {
        under.region = revision(region);
    }
    if let Some(plan) = &references.plan
        && footing::revision(&plan.name_any(), &plan.spec) == footing.plan
    {
        under.plan = revision(plan);
    }
    under
}

/// What the space's journal tells already.
fn told(tenant: &Collectivity) -> Under {
    let status = tenant.status.as_ref();
    status
        .and_then(|status| status.under.clone())
        .unwrap_or_default()
}

/// Tells a space's journal which region and plan it lives under from now on, unless it was told.
pub async fn tell_space(
    store: &TenantStore,
    tenant: &Collectivity,
    under: &Under,
    references: &References,
) -> Result<(), StoreError> {
    let told = told(tenant);
    let keys = ["uid", "generation"];
    if let Some(region) = &references.region
        && told.region != under.region
    {
        store.journal_append_once(entry(region)?, &keys).await?;
    }
    if let Some(plan) = &references.plan
        && told.plan != under.plan
    {
        store.journal_append_once(entry(plan)?, &keys).await?;
    }
    Ok(())
}

fn entry<K: Offer>(object: &K) -> Result<Entry, StoreError> {
    let actor = journal::stamped(object, labels::CHANGED_BY)?;
    let Revision { uid, generation } = revision(object);
    let detail = json!({"uid": uid, "generation": generation, "spec": object.told()});
    Ok(Entry::new(&actor, K::CHANGED, object.name_any(), detail))
}

/// Writes every change into the platform's journal, until `stop`.
pub async fn run(ctx: Arc<Context>, stop: CancellationToken) {
    futures::join!(
        follow::<Region>(ctx.clone(), stop.clone()),
        follow::<Plan>(ctx, stop)
    );
}

async fn follow<K: Offer>(ctx: Arc<Context>, stop: CancellationToken) {
    let all: Api<K> = Api::all(ctx.client.clone());
    Controller::new(all, watcher::Config::default())
        .graceful_shutdown_on(stop.cancelled_owned())
        .run(reconcile::<K>, retry::<K>, ctx)
        .for_each(|outcome| async move { errors::log_outcome("offers", outcome) })
        .await;
}

#[expect(clippy::needless_pass_by_value, reason = "the controller gives it so")]
fn retry<K: Offer>(object: Arc<K>, _error: &OfferError, ctx: Arc<Context>) -> Action {
    let failures = ctx.backoff.failed(&object.uid().unwrap_or_default());
    Action::requeue(crate::backoff::delay(failures))
}

async fn reconcile<K: Offer>(object: Arc<K>, ctx: Arc<Context>) -> Result<Action, OfferError> {
    let result = write_down(object.as_ref(), &ctx).await;
    match &result {
        Ok(()) => ctx.backoff.succeeded(&object.uid().unwrap_or_default()),
        Err(error) => {
            ctx.metrics.failed(NAME, "NotJournaled");
            let (object, error) = (object.name_any(), crate::errors::chain(error));
            tracing::warn!(object, error, "the author of a change is not written down");
        }
    }
    result.map(|()| Action::requeue(REST))
}

async fn write_down<K: Offer>(object: &K, ctx: &Context) -> Result<(), OfferError> {
    let generation = object.meta().generation;
    if object.journaled() == generation {
        return Ok(());
    }
    let platform = ctx.database.get()?;
    let about = (K::CHANGED, object.name_any());
    for earlier in journal::superseded(object, (about.0, &about.1), object.journaled())? {
        append_once(&platform, earlier).await?;
    }
    append_once(&platform, entry(object)?).await?;
    let all: Api<K> = Api::all(ctx.client.clone());
    let patch = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": {"name": object.name_any(), "uid": object.uid()},
        "status": SpecStatus { journaled_generation: generation },
    });
    let params = PatchParams::apply(MANAGER).force();
    all.patch_status(&object.name_any(), &params, &Patch::Apply(&patch))
        .await
        .map_err(|source| OfferError::Status(Box::new(source)))?;
    Ok(())
}

/// Walks the platform's chain for this very generation: the process may have died between the entry
/// and the status. Only done for a generation that is not told as written down.
async fn append_once(platform: &PlatformStore, entry: Entry) -> Result<(), StoreError> {
    let same = |there: &Sealed| {
        let agrees = |key: &&str| there.detail.get(*key) == entry.detail.get(*key);
        there.action == entry.action && ["uid", "generation"].iter().all(agrees)
    };
    let mut after = 0;
    loop {
        let page = platform.journal(after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.seq;
        if page.iter().any(same) {
            return Ok(());
        }
    }
    platform.journal_append(entry).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region() -> Region {
        serde_json::from_value(json!({
            "apiVersion": "melouvert.fr/v1alpha1", "kind": "Region",
            "metadata": {"name": "normandie", "uid": "u", "generation": 3,
                "annotations": {"melouvert.fr/changed-by": "paul"}},
            "spec": {"baseDomain": "n.example",
                "images": {"dovecot": "d:1", "exim": "e:1", "melouvert": "m:1"},
                "database": {"host": "pg.example", "port": 5432, "ca": "-----BEGIN CERTIFICATE-----"}},
        }))
        .unwrap()
    }

    #[test]
    fn an_entry_names_the_author_and_what_spaces_run() {
        let entry = entry(&region()).unwrap();
        assert_eq!(entry.action, "region.changed");
        assert_eq!(entry.actor.as_str(), "paul");
        assert_eq!(entry.detail["generation"], 3);
        assert_eq!(entry.detail["spec"]["images"]["dovecot"], "d:1");
        let ca = entry.detail["spec"]["database"]["ca"].as_str().unwrap();
        assert!(ca.starts_with("sha256:"), "{ca}");
    }

    #[test]
    fn a_recreated_object_is_another_revision() {
        let before = revision(&region());
        let mut after = region();
        after.metadata.uid = Some("v".into());
        assert_ne!(before, revision(&after));
    }
}
