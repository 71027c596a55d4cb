//! What is written down of a tenant: who changed its spec, and what the operator did of it.

use kube::ResourceExt;
use melouvert_api::{Collectivity, labels};
use melouvert_store::{Actor, Entry, StoreError, TenantStore};
use serde_json::{Value, json};

use super::validate;

/// A spec was changed.
pub const SPEC_CHANGED: &str = "collectivity.spec-changed";
/// The space was opened.
pub const PROVISIONED: &str = "space.provisioned";
/// Who changed it when the API server did not say.
const UNKNOWN: &str = "unknown (admission policy absent)";

/// Writes down the spec's changes since the generation that was observed, each once.
pub async fn spec_change(store: &TenantStore, tenant: &Collectivity) -> Result<(), StoreError> {
    let observed = tenant
        .status
        .as_ref()
        .and_then(|status| status.observed_generation);
    changed(
        store,
        tenant,
        (SPEC_CHANGED, &tenant.name_any()),
        observed,
        detail(tenant),
    )
    .await
}

/// Writes down that somebody changed `object` (action, subject), once per `uid` and `generation` of
/// `detail`; before it, whoever changed it since the generation `observed`.
pub async fn changed(
    store: &TenantStore,
    object: &impl ResourceExt,
    (action, subject): (&str, &str),
    observed: Option<i64>,
    detail: Value,
) -> Result<(), StoreError> {
    for entry in superseded(object, (action, subject), observed)? {
        store
            .journal_append_once(entry, &["uid", "generation"])
            .await?;
    }
    once(store, object, action, subject, detail).await?;
    Ok(())
}

/// What tells who changed `object` (action, subject) since the generation `observed`, but for the last.
pub fn superseded(
    object: &impl ResourceExt,
    (action, subject): (&str, &str),
    observed: Option<i64>,
) -> Result<Vec<Entry>, StoreError> {
    let now = object.meta().generation.unwrap_or_default();
    let text = object.annotations().get(labels::AUTHORS);
    let authors = authors(text.map_or("", String::as_str));
    before(&authors, observed, now)
        .into_iter()
        .map(|(generation, author)| {
            let detail = json!({"uid": object.uid(), "generation": generation, "superseded": true});
            Ok(Entry::new(&Actor::new(author)?, action, subject, detail))
        })
        .collect()
}

/// Writes down an act of whoever changed `object` last, once per `uid` and `generation` of
/// `detail`; tells whether it was new.
pub async fn once(
    store: &TenantStore,
    object: &impl ResourceExt,
    action: &str,
    subject: &str,
    detail: Value,
) -> Result<bool, StoreError> {
    let entry = Entry::new(
        &stamped(object, labels::CHANGED_BY)?,
        action,
        subject,
        detail,
    );
    store
        .journal_append_once(entry, &["uid", "generation"])
        .await
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

/// The user that the API server stamped under `annotation`.
pub fn stamped(object: &impl ResourceExt, annotation: &str) -> Result<Actor, StoreError> {
    let stamped = object.annotations().get(annotation).cloned();
    Actor::new(
        stamped
            .filter(|name| !name.trim().is_empty())
            .unwrap_or_else(|| UNKNOWN.into()),
    )
}

/// `generation=user` a line, the newest first; what is none is left out.
fn authors(text: &str) -> Vec<(i64, &str)> {
    let author = |line| {
        let (generation, user): (&str, &str) = str::split_once(line, '=')?;
        Some((generation.parse().ok()?, user))
    };
    text.lines().filter_map(author).collect()
}

/// Who changed the spec after `observed` and before `now`, the oldest first, one a generation.
/// Generations that no author is known of are a deletion's, or older than the list is long.
fn before<'a>(authors: &[(i64, &'a str)], observed: Option<i64>, now: i64) -> Vec<(i64, &'a str)> {
    let first = observed.unwrap_or_default();
    let mut all: Vec<(i64, &str)> = authors
        .iter()
        .copied()
        .filter(|(generation, user)| {
            *generation > first && *generation < now && !user.trim().is_empty()
        })
        .collect();
    // Stable: of two claims to one generation the newest is kept.
    all.sort_by_key(|(generation, _)| *generation);
    all.dedup_by_key(|(generation, _)| *generation);
    all
}

/// What changed to: no personal data beyond what the spec itself says of the authority. What it does
/// to the domains is said in so many words: whoever has a domain gets its mail.
fn detail(tenant: &Collectivity) -> Value {
    let mut detail = json!({
        "uid": tenant.uid(),
        "generation": tenant.metadata.generation,
        "plan": tenant.spec.plan,
        "domains": tenant.spec.domains,
        "lifecycle": tenant.spec.lifecycle,
        "overrides": tenant.spec.overrides,
    });
    let served: Vec<String> = validate::served(tenant)
        .iter()
        .map(ToString::to_string)
        .collect();
    domains_changed(&served, &tenant.spec.domains, &mut detail);
    detail
}

/// Tells which domains come, beside those that the space serves, and which go.
fn domains_changed(served: &[String], asked: &[String], detail: &mut Value) {
    let missing = |from: &[String], of: &[String]| -> Vec<String> {
        let gone = of.iter().filter(|domain| !from.contains(domain));
        gone.cloned().collect()
    };
    for (key, changed) in [
        ("domainsAdded", missing(served, asked)),
        ("domainsRemoved", missing(asked, served)),
    ] {
        if !changed.is_empty() {
            detail[key] = json!(changed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_that_come_and_go_are_said() {
        let told = |served: &[&str], asked: &[&str]| {
            let own = |all: &[&str]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
            let mut detail = json!({});
            domains_changed(&own(served), &own(asked), &mut detail);
            detail
        };
        assert_eq!(
            told(&[], &["a.example"]),
            json!({"domainsAdded": ["a.example"]})
        );
        assert_eq!(told(&["a.example"], &["a.example"]), json!({}));
        assert_eq!(
            told(&["a.example", "b.example"], &["c.example", "a.example"]),
            json!({"domainsAdded": ["c.example"], "domainsRemoved": ["b.example"]})
        );
    }

    #[test]
    fn every_author_since_the_observed_generation_is_told_once() {
        let text = "5=carole\n4=bob\n3=alice\n2=zoé\n1=admin";
        let list = authors(text);
        assert_eq!(
            before(&list, Some(2), 5),
            [(3, "alice"), (4, "bob")],
            "the newest is the object's own entry"
        );
        assert_eq!(before(&list, None, 5).len(), 4);
        assert!(before(&list, Some(4), 5).is_empty());
        let odd = authors("x\n=\n7=\n3=a=b\n3=forged\n 2=x");
        assert_eq!(before(&odd, Some(1), 9), [(3, "a=b")]);
    }
}
