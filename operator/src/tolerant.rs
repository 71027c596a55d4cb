//! Watching objects of ours of which one may be unreadable: written by a newer operator, say.
//!
//! The typed watch of kube-rs fails as a whole on such an object, and with it everything that rests
//! on the list. Here each object is read by itself; what cannot be read is kept aside by name, with
//! the reason, and with the little that can be told of it ([`Shadow`]).

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{Stream, StreamExt, future};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ApiResource, DynamicObject},
    runtime::{WatchStreamExt, watcher},
};
use melouvert_api::{Collectivity, CollectivityStatus, Migration};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::errors;

/// What stands in for an object that cannot be read.
pub trait Shadow: Sized {
    /// Made of what is readable in `data` and of `metadata`, which always is.
    fn shadow(metadata: ObjectMeta, data: &Value) -> Option<Self>;
}

/// An object that cannot be read.
#[derive(Debug, Clone, PartialEq)]
pub struct Found<K> {
    /// Why not.
    pub why: String,
    /// What stands in for it.
    pub shadow: K,
}

/// By namespace and name.
type ByName<K> = BTreeMap<(String, String), Found<K>>;

/// The objects of one kind that cannot be read. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Unreadable<K> {
    found: Arc<Mutex<ByName<K>>>,
}

impl<K> Default for Unreadable<K> {
    fn default() -> Self {
        Self {
            found: Arc::default(),
        }
    }
}

impl<K: Clone> Unreadable<K> {
    /// All of them, as last seen.
    pub fn all(&self) -> Vec<Found<K>> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, ByName<K>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a store holds a complete list. Cheap to clone, and any number may wait: kube's own
/// `Store::wait_until_ready` wakes the last of those who wait.
#[derive(Debug, Clone)]
pub struct Listed(watch::Receiver<bool>);

/// The other side of [`Listed`].
#[derive(Debug)]
pub struct Listing(watch::Sender<bool>);

/// A store that holds no list yet.
pub fn listing() -> (Listing, Listed) {
    let (sender, receiver) = watch::channel(false);
    (Listing(sender), Listed(receiver))
}

impl Listing {
    /// Notes an event that the store has taken in.
    pub fn note<K>(&self, event: &Result<watcher::Event<K>, watcher::Error>) {
        if matches!(event, Ok(watcher::Event::InitDone)) {
            self.0.send_replace(true);
        }
    }
}

impl Listed {
    /// Waits for the first complete list; `false` when there will be none.
    pub async fn complete(&self) -> bool {
        let mut state = self.0.clone();
        state.wait_for(|complete| *complete).await.is_ok()
    }
}

/// Watches all objects of a kind, as [`watcher`] does, with what cannot be read left out: a list
/// without it, or its deletion when it was readable before.
pub fn watch<K>(
    client: &Client,
    config: watcher::Config,
    unreadable: Unreadable<K>,
) -> impl Stream<Item = Result<watcher::Event<K>, watcher::Error>> + Send + use<K>
where
    K: Resource<DynamicType = ()> + Shadow + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let resource = ApiResource::erase::<K>(&());
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let mut reader = Reader {
        unreadable,
        listed: BTreeMap::new(),
    };
    watcher(api, config)
        .default_backoff()
        .filter_map(move |event| future::ready(event.map(|event| reader.read(event)).transpose()))
}

/// Reads one event after the other.
struct Reader<K> {
    unreadable: Unreadable<K>,
    /// What was found in the list under way.
    listed: ByName<K>,
}

impl<K> Reader<K>
where
    K: Resource<DynamicType = ()> + Shadow + Clone + DeserializeOwned + Debug,
{
    fn read(&mut self, event: watcher::Event<DynamicObject>) -> Option<watcher::Event<K>> {
        use watcher::Event::{Apply, Delete, Init, InitApply, InitDone};
        match event {
            Init => {
                self.listed.clear();
                Some(Init)
            }
            InitApply(object) => match typed(object) {
                Ok(good) => Some(InitApply(good)),
                Err(found) => {
                    let found = found?;
                    self.listed.insert(key(&found.shadow), found);
                    None
                }
            },
            InitDone => {
                *self.unreadable.lock() = std::mem::take(&mut self.listed);
                Some(InitDone)
            }
            Apply(object) => match typed(object) {
                Ok(good) => {
                    self.unreadable.lock().remove(&key(&good));
                    Some(Apply(good))
                }
                Err(found) => {
                    let found = found?;
                    let shadow = found.shadow.clone();
                    self.unreadable.lock().insert(key(&shadow), found);
                    Some(Delete(shadow))
                }
            },
            Delete(object) => {
                let gone = match typed(object) {
                    Ok(good) => good,
                    Err(found) => found?.shadow,
                };
                self.unreadable.lock().remove(&key(&gone));
                Some(Delete(gone))
            }
        }
    }
}

fn key(object: &impl ResourceExt) -> (String, String) {
    (object.namespace().unwrap_or_default(), object.name_any())
}

/// The object in its own type; else why not, with its shadow.
fn typed<K>(mut object: DynamicObject) -> Result<K, Option<Found<K>>>
where
    K: Resource<DynamicType = ()> + Shadow + DeserializeOwned,
{
    // A third of an object, and nothing here looks at it.
    object.metadata.managed_fields = None;
    let (metadata, data) = (object.metadata.clone(), object.data.clone());
    object.try_parse().map_err(|error| {
        let why = errors::chain(&error);
        let (kind, name) = (K::kind(&()), metadata.name.clone().unwrap_or_default());
        tracing::warn!(kind = %kind, name, error = why, "an object cannot be read");
        let shadow = K::shadow(metadata, &data)?;
        Some(Found { why, shadow })
    })
}

impl Shadow for Collectivity {
    /// Tells the domains that it asks for and those that it was accepted with; `Terminating` only
    /// when it says so in as many words.
    fn shadow(metadata: ObjectMeta, data: &Value) -> Option<Self> {
        let spec = &data["spec"];
        let texts = |list: &Value| -> Vec<String> {
            let all = list.as_array().into_iter().flatten();
            all.filter_map(|text| text.as_str().map(str::to_owned))
                .collect()
        };
        let text = |field: &str| spec[field].as_str().unwrap_or_default().to_owned();
        let ends = spec["lifecycle"] == "Terminating";
        let records = data["status"]["dnsRecords"]
            .as_array()
            .into_iter()
            .flatten();
        let records = records
            .filter_map(|record| serde_json::from_value(record.clone()).ok())
            .collect();
        let spec = json!({
            "siren": text("siren"), "legalName": text("legalName"), "kind": "Other", "population": 0,
            "region": text("region"), "plan": text("plan"), "domains": texts(&spec["domains"]),
            "lifecycle": if ends { "Terminating" } else { "Active" },
        });
        Some(Self {
            metadata,
            spec: serde_json::from_value(spec).ok()?,
            status: Some(CollectivityStatus {
                dns_records: records,
                ..CollectivityStatus::default()
            }),
        })
    }
}

impl Shadow for Migration {
    /// Its name alone: nothing is done for it.
    fn shadow(metadata: ObjectMeta, data: &Value) -> Option<Self> {
        let host = data["spec"]["source"]["host"].as_str().unwrap_or_default();
        let spec = json!({"source": {"host": host, "port": 993, "cidrs": []}, "paused": true});
        Some(Self {
            metadata,
            spec: serde_json::from_value(spec).ok()?,
            status: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(name: &str, lifecycle: &str) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "melouvert.fr/v1alpha1", "kind": "Collectivity",
            "metadata": {"name": name, "uid": name},
            "spec": {"siren": "211401187", "legalName": "x", "kind": "Commune", "population": 1,
                "region": "r", "plan": "p", "domains": ["a.example"], "lifecycle": lifecycle},
            "status": {"dnsRecords": [{"name": "a.example.", "type": "MX", "value": "10 mx."}]},
        }))
        .unwrap()
    }

    fn reader() -> Reader<Collectivity> {
        Reader {
            unreadable: Unreadable::default(),
            listed: BTreeMap::new(),
        }
    }

    fn names(unreadable: &Unreadable<Collectivity>) -> Vec<String> {
        let all = unreadable.all();
        all.iter().map(|found| found.shadow.name_any()).collect()
    }

    #[test]
    fn one_object_that_cannot_be_read_leaves_the_list_whole() {
        use watcher::Event::{Init, InitApply, InitDone};
        let mut reader = reader();
        reader.read(Init);
        let good = reader.read(InitApply(object("col-a", "Active")));
        assert!(matches!(good, Some(InitApply(_))), "{good:?}");
        assert!(
            reader
                .read(InitApply(object("col-b", "Archived")))
                .is_none()
        );
        assert!(names(&reader.unreadable).is_empty(), "the list is not over");
        assert!(matches!(reader.read(InitDone), Some(InitDone)));
        let found = reader.unreadable.all();
        assert_eq!(names(&reader.unreadable), ["col-b"]);
        assert!(found[0].why.contains("Archived"), "{}", found[0].why);
        // The next list, without it.
        reader.read(Init);
        reader.read(InitDone);
        assert!(names(&reader.unreadable).is_empty());
    }

    #[test]
    fn what_becomes_unreadable_moves_aside_and_comes_back() {
        use watcher::Event::{Apply, Delete};
        let mut reader = reader();
        let left = reader.read(Apply(object("col-a", "Archived")));
        assert!(matches!(left, Some(Delete(_))), "{left:?}");
        let shadow = reader.unreadable.all().remove(0).shadow;
        assert_eq!(shadow.spec.domains, ["a.example"]);
        assert_eq!(shadow.status.unwrap().dns_records[0].name, "a.example.");
        assert!(matches!(
            reader.read(Apply(object("col-a", "Active"))),
            Some(Apply(_))
        ));
        assert!(names(&reader.unreadable).is_empty());
        reader.read(Apply(object("col-a", "Archived")));
        assert!(matches!(
            reader.read(Delete(object("col-a", "Archived"))),
            Some(Delete(_))
        ));
        assert!(names(&reader.unreadable).is_empty());
    }

    #[tokio::test]
    async fn everybody_who_waits_for_the_list_is_woken() {
        let (listing, listed) = listing();
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let listed = listed.clone();
                tokio::spawn(async move { listed.complete().await })
            })
            .collect();
        tokio::task::yield_now().await;
        listing.note::<Collectivity>(&Ok(watcher::Event::Init));
        assert!(!*listed.0.borrow());
        listing.note::<Collectivity>(&Ok(watcher::Event::InitDone));
        for task in waiting {
            assert!(task.await.unwrap());
        }
        drop(listing);
        assert!(listed.complete().await, "it stays complete");
        let (gone, listed) = super::listing();
        drop(gone);
        assert!(!listed.complete().await);
    }

    #[test]
    fn a_shadow_is_made_of_whatever_is_left() {
        let metadata = || ObjectMeta {
            name: Some("col-a".into()),
            ..ObjectMeta::default()
        };
        for data in [
            json!({}),
            json!({"spec": null}),
            json!({"spec": {"domains": [1, {"a": 2}]}, "status": {"dnsRecords": "x"}}),
            json!({"spec": [], "status": {"dnsRecords": [{"name": 1}]}}),
        ] {
            let shadow = Collectivity::shadow(metadata(), &data).unwrap();
            assert!(shadow.spec.domains.is_empty());
            assert!(Migration::shadow(metadata(), &data).is_some());
        }
        let ends = json!({"spec": {"lifecycle": "Terminating"}});
        let shadow = Collectivity::shadow(metadata(), &ends).unwrap();
        assert_eq!(
            shadow.spec.lifecycle,
            melouvert_api::collectivity::LifecycleSchema::Terminating
        );
    }
}
