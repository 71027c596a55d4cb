//! The heads of the journals, kept outside the databases: a database that was restored from before
//! a head, or made anew, shows.
//!
//! Once a day each tenant's head goes into the platform's journal, and all of them, the platform's
//! too, into a ConfigMap. Between, each chain is asked whether it still holds what is known of it.

use std::{collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
    runtime::reflector::Store,
};
use melouvert_api::{Collectivity, alarm::AlarmKind};
use melouvert_domain::NamespaceName;
use melouvert_store::{Actor, Anchor, Entry, PlatformStore, StoreError};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{alarms::Alarms, database::Database, errors, events::Events, tolerant::Listed};

/// The ConfigMap: `platform` and `col-<siren>` to `<entry> <hash>`.
pub const CONFIG_MAP: &str = "melouvert-journal-heads";
/// Its key for the platform's own journal.
pub const PLATFORM: &str = "platform";
/// Its key for the last time that all heads were kept.
const KEPT_AT: &str = "keptAt";
/// What somebody writes in a head's place to take the chain as it is.
const ACCEPT: &str = "accept";
/// The field manager.
const MANAGER: &str = "melouvert-heads";
/// Between two times that all heads are kept.
const KEEP: SignedDuration = SignedDuration::from_hours(24);
/// Between two looks at the chains.
const LOOK: Duration = Duration::from_hours(1);
/// Between two looks when the last one failed.
const AGAIN: Duration = Duration::from_mins(1);

/// What is known of the chains.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Known {
    heads: BTreeMap<String, Head>,
    kept_at: Option<Timestamp>,
}

/// What is known of one.
#[derive(Debug, Clone, PartialEq)]
enum Head {
    At(Anchor),
    Accept,
}

impl Known {
    /// Reads the ConfigMap's data; a value that is none says nothing.
    pub fn read(data: &BTreeMap<String, String>) -> Self {
        let head = |text: &String| {
            if text.trim() == ACCEPT {
                return Some(Head::Accept);
            }
            let (seq, hash) = text.trim().split_once(' ')?;
            Some(Head::At(Anchor {
                seq: seq.parse().ok()?,
                hash: hash.to_owned(),
            }))
        };
        Self {
            heads: data
                .iter()
                .filter_map(|(key, text)| Some((key.clone(), head(text)?)))
                .collect(),
            kept_at: data.get(KEPT_AT).and_then(|text| text.parse().ok()),
        }
    }

    fn data(&self) -> BTreeMap<String, String> {
        let text = |head: &Head| match head {
            Head::At(anchor) => format!("{} {}", anchor.seq, anchor.hash),
            Head::Accept => ACCEPT.to_owned(),
        };
        let kept_at = self.kept_at.map(|at| (KEPT_AT.to_owned(), at.to_string()));
        let heads = self
            .heads
            .iter()
            .map(|(key, head)| (key.clone(), text(head)));
        heads.chain(kept_at).collect()
    }

    /// The head of a chain, unless it is to be taken as it is.
    fn at(&self, name: &str) -> Option<&Anchor> {
        match self.heads.get(name)? {
            Head::At(anchor) => Some(anchor),
            Head::Accept => None,
        }
    }

    /// Whether the chain is to be taken as it is.
    pub fn accepts(&self, name: &str) -> bool {
        self.heads.get(name) == Some(&Head::Accept)
    }

    /// Whether a chain's head was ever seen.
    pub fn knows(&self, name: &str) -> bool {
        self.heads.contains_key(name)
    }

    /// Whether all heads are to be kept at `now`: also after a restart, and never twice a day.
    fn is_due(&self, now: Timestamp) -> bool {
        self.kept_at
            .is_none_or(|at| now.duration_since(at) >= KEEP || at > now)
    }

    fn note(&mut self, name: &str, head: Option<Anchor>) {
        match head {
            Some(anchor) => self.heads.insert(name.to_owned(), Head::At(anchor)),
            None => self.heads.remove(name),
        };
    }
}

/// Reads what is known.
pub async fn known(client: &Client, namespace: &str) -> Result<Known, kube::Error> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let found = maps.get_opt(CONFIG_MAP).await?;
    let data = found.and_then(|map| map.data).unwrap_or_default();
    Ok(Known::read(&data))
}

/// Takes a chain as it will be: somebody answered for the loss of the one before.
pub async fn accept(client: &Client, namespace: &str, name: &str) -> Result<(), kube::Error> {
    let mut known = known(client, namespace).await?;
    known.heads.insert(name.to_owned(), Head::Accept);
    write(client, namespace, &known).await
}

async fn write(client: &Client, namespace: &str, known: &Known) -> Result<(), kube::Error> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": CONFIG_MAP, "namespace": namespace},
        "data": known.data(),
    });
    let params = PatchParams::apply(MANAGER).force();
    maps.patch(CONFIG_MAP, &params, &Patch::Apply(&map))
        .await
        .map(drop)
}

/// Keeps the heads.
pub struct Heads {
    /// The API.
    pub client: Client,
    /// The operator's namespace.
    pub namespace: String,
    /// All tenants, as last seen.
    pub tenants: Store<Collectivity>,
    /// Whether these are all.
    pub listed: Listed,
    /// The databases.
    pub database: Database,
    /// Under which name heads are recorded.
    pub actor: Actor,
    /// How a broken chain is told.
    pub alarms: Alarms,
    /// See `alarms`.
    pub events: Events,
}

/// Why the chains could not be looked at.
#[derive(Debug, thiserror::Error)]
enum HeadsError {
    #[error("failed to read or write ConfigMap {CONFIG_MAP}")]
    Api(#[from] kube::Error),
    #[error("failed to read the platform's journal")]
    Store(#[from] StoreError),
}

impl Heads {
    /// Looks at once, then every hour, until `stop`.
    pub async fn keep(self, stop: CancellationToken) {
        // Whoever is not listed yet is not gone.
        tokio::select! {
            () = stop.cancelled() => return,
            complete = self.listed.complete() => if !complete { return },
        }
        loop {
            let wait = match self.database.get() {
                // Said already by whoever connects.
                Err(_) => AGAIN,
                Ok(store) => match self.look(&store, Timestamp::now()).await {
                    Ok(()) => LOOK,
                    Err(error) => {
                        tracing::warn!(error = errors::chain(&error), "journals not looked at");
                        AGAIN
                    }
                },
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    async fn look(&self, store: &PlatformStore, now: Timestamp) -> Result<(), HeadsError> {
        let before = known(&self.client, &self.namespace).await?;
        let mut after = before.clone();
        let due = before.is_due(now);
        let mut broken = Vec::new();
        match store.journal_head(before.at(PLATFORM)).await {
            Ok(_) => {}
            Err(StoreError::BrokenJournal(link)) => {
                broken.push((PLATFORM.to_owned(), now, link.to_string()));
            }
            Err(error) => return Err(error.into()),
        }
        if before.accepts(PLATFORM) {
            let head = store.journal_head(None).await?;
            let entry = Entry::new(
                &self.actor,
                "journal.accepted",
                PLATFORM,
                json!({"head": head}),
            );
            store.journal_append(entry).await?;
        }
        for tenant in self.tenants.state() {
            let Some(namespace) = NamespaceName::parse(&tenant.name_any()) else {
                continue;
            };
            // A chain that nobody knows yet is known from its first hour on.
            let due = due || !before.knows(namespace.as_str());
            match self.tenant(store, &namespace, &before, due).await {
                Ok(Some(head)) => after.note(namespace.as_str(), Some(head)),
                Ok(None) => {}
                Err(StoreError::BrokenJournal(link)) => {
                    broken.push((namespace.to_string(), now, link.to_string()));
                }
                // Its space tells that its database is away or lost.
                Err(error) => {
                    tracing::warn!(%namespace, error = errors::chain(&error), "journal not looked at");
                }
            }
        }
        let sound = !broken.iter().any(|(name, ..)| name == PLATFORM);
        self.alarms
            .tell(&self.events, AlarmKind::JournalBroken, broken)
            .await;
        if due || after != before || before.accepts(PLATFORM) {
            // Last: the tenants' heads went into it.
            if sound {
                after.note(PLATFORM, store.journal_head(None).await?);
            }
        }
        if due {
            after.kept_at = Some(now);
        }
        if after != before {
            write(&self.client, &self.namespace, &after).await?;
        }
        Ok(())
    }

    /// The head to keep of a tenant's chain, when it is due.
    async fn tenant(
        &self,
        store: &PlatformStore,
        namespace: &NamespaceName,
        before: &Known,
        due: bool,
    ) -> Result<Option<Anchor>, StoreError> {
        let siren = namespace.siren();
        match store.tenant(siren).await {
            // Refused since it was made: it has no database.
            Err(StoreError::NotFound { .. }) => return Ok(None),
            other => other?,
        };
        let accepted = before.accepts(namespace.as_str());
        if !accepted {
            store
                .confirm_tenant(siren, before.at(namespace.as_str()))
                .await?;
        }
        if due || accepted {
            store.anchor_tenant(siren, &self.actor, accepted).await
        } else {
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        entries
            .iter()
            .map(|(key, text)| ((*key).to_owned(), (*text).to_owned()))
            .collect()
    }

    #[test]
    fn heads_are_read_back_as_written() {
        let written = data(&[
            ("platform", "12 ab"),
            ("col-211401187", "accept"),
            ("keptAt", "2026-11-24T00:00:00Z"),
        ]);
        let known = Known::read(&written);
        assert_eq!(known.data(), written);
        assert!(known.accepts("col-211401187") && known.at("col-211401187").is_none());
        assert_eq!(known.at("platform").unwrap().seq, 12);
        assert!(!known.knows("col-217605401"));
        let odd = Known::read(&data(&[("platform", "x"), ("keptAt", "yesterday")]));
        assert_eq!(odd, Known::default());
    }

    #[test]
    fn heads_are_kept_once_a_day_and_at_the_first_start() {
        let at: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
        let mut known = Known::default();
        assert!(known.is_due(at));
        known.kept_at = Some(at);
        let second = SignedDuration::from_secs(1);
        assert!(!known.is_due(at + KEEP - second));
        assert!(known.is_due(at + KEEP));
        assert!(known.is_due(at - second), "the clock was set back");
    }
}
