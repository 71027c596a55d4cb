//! What is written down of a tenant: who changed its spec, and what the operator did of it.

use kube::ResourceExt;
use melouvert_api::{Collectivity, labels};
use melouvert_store::{Actor, Entry, Sealed, StoreError, TenantStore};
use serde_json::{Value, json};

/// A spec was changed.
pub const SPEC_CHANGED: &str = "collectivity.spec-changed";
/// Who changed it when the API server did not say.
const UNKNOWN: &str = "unknown (admission policy absent)";
/// Entries read at once.
const PAGE: i64 = 500;

/// Writes down the spec's change once per generation; tells whether it was new.
pub async fn spec_change(store: &TenantStore, tenant: &Collectivity) -> Result<bool, StoreError> {
    once(
        store,
        tenant,
        SPEC_CHANGED,
        &tenant.name_any(),
        detail(tenant),
    )
    .await
}

/// Writes down that somebody changed `object`, once per `uid` and `generation` of `detail`.
pub async fn once(
    store: &TenantStore,
    object: &impl ResourceExt,
    action: &str,
    subject: &str,
    detail: Value,
) -> Result<bool, StoreError> {
    let entry = Entry::new(&changed_by(object)?, action, subject, detail);
    append_once(store, entry, &["uid", "generation"]).await
}

/// Writes an entry unless one of the same action says the same under these keys of its detail.
pub async fn append_once(
    store: &TenantStore,
    entry: Entry,
    keys: &[&str],
) -> Result<bool, StoreError> {
    if is_journaled(store, &entry, keys).await? {
        return Ok(false);
    }
    store.journal_append(entry).await?;
    Ok(true)
}

/// Writes down an act of the operator.
pub async fn own_act(
    store: &TenantStore,
    actor: &Actor,
    action: &str,
    subject: &str,
    detail: Value,
) -> Result<(), StoreError> {
    store
        .journal_append(Entry::new(actor, action, subject, detail))
        .await
        .map(drop)
}

/// Walks the chain for this generation of this very object. Only done when a generation was not
/// observed before, so it costs nothing at rest.
async fn is_journaled(
    store: &TenantStore,
    wanted: &Entry,
    keys: &[&str],
) -> Result<bool, StoreError> {
    let mut after = 0;
    loop {
        let page = store.journal(after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(false);
        };
        after = last.seq;
        let same = |entry: &Sealed| {
            entry.action == wanted.action
                && keys
                    .iter()
                    .all(|key| entry.detail.get(*key) == wanted.detail.get(*key))
        };
        if page.iter().any(same) {
            return Ok(true);
        }
    }
}

/// The user that the API server stamped on the change.
fn changed_by(tenant: &impl ResourceExt) -> Result<Actor, StoreError> {
    let stamped = tenant.annotations().get(labels::CHANGED_BY).cloned();
    Actor::new(
        stamped
            .filter(|name| !name.trim().is_empty())
            .unwrap_or_else(|| UNKNOWN.into()),
    )
}

/// What changed to: no personal data beyond what the spec itself says of the authority.
fn detail(tenant: &Collectivity) -> Value {
    json!({
        "uid": tenant.uid(),
        "generation": tenant.metadata.generation,
        "plan": tenant.spec.plan,
        "domains": tenant.spec.domains,
        "lifecycle": tenant.spec.lifecycle,
        "overrides": tenant.spec.overrides,
    })
}
