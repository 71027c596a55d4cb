//! What was made once of a space, and must be found again instead of being made anew.
//!
//! Each thing has its traces: the status, where it was told; the Secrets and the volume, which come
//! after it; the journal and the inventory. A restore may lose some of them, hardly all.

use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
};
use melouvert_api::{Collectivity, labels::MAKE_ANEW};
use melouvert_store::MayMake;
use melouvert_tenant_template::{DKIM_ED25519_SELECTOR, DKIM_RSA_SELECTOR};
use serde_json::json;

use super::{
    dereference::Volume,
    material::{self, Existing, Published},
};

/// Why a space stands still until somebody brings something back.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// The volume with the mail is gone.
    #[error(
        "the volume claim mail-data is gone and held the mail: restore it from a backup, or ask for an empty one by the annotation melouvert.fr/make-anew=volume"
    )]
    Volume,
    /// A signing key is not the one that was published.
    #[error(
        "the signing key {selector} is not the one that was published: restore Secret mail-dkim from a backup, or keep this one by the annotation melouvert.fr/make-anew=dkim"
    )]
    OtherKey {
        /// Its selector.
        selector: &'static str,
    },
}

/// What somebody answered for, by [`MAKE_ANEW`]: it may be made again, with what it held lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Answered {
    /// The database: agents, aliases, the journal.
    pub database: bool,
    /// The signing keys.
    pub dkim: bool,
    /// The mail.
    pub volume: bool,
}

impl Answered {
    /// What the annotation says; a word that is none of these answers for nothing.
    pub fn of(object: &Collectivity) -> Self {
        let text = object.annotations().get(MAKE_ANEW);
        let said = |word| text.is_some_and(|text| text.split(',').any(|said| said.trim() == word));
        Self {
            database: said("database"),
            dkim: said("dkim"),
            volume: said("volume"),
        }
    }

    /// By name, for the journal.
    pub fn names(self) -> Vec<&'static str> {
        let all = [
            ("database", self.database),
            ("dkim", self.dkim),
            ("volume", self.volume),
        ];
        all.into_iter()
            .filter_map(|(name, said)| said.then_some(name))
            .collect()
    }
}

/// Takes the annotation off: an answer holds once.
pub async fn answered(client: &Client, object: &Collectivity) -> Result<(), kube::Error> {
    let api: Api<Collectivity> = Api::all(client.clone());
    let patch = json!({"metadata": {
        "uid": object.metadata.uid,
        "annotations": {MAKE_ANEW: null},
    }});
    let params = PatchParams::default();
    api.patch_metadata(&object.name_any(), &params, &Patch::Merge(&patch))
        .await
        .map(drop)
}

/// Whether the database may be made: not once it was told, nor where the Secret that is written
/// after it stands.
pub fn may_make_database(
    object: &Collectivity,
    existing: &Existing,
    answered: Answered,
) -> MayMake {
    if answered.database {
        MayMake::Anew
    } else if was_told(object) || existing.contains_key(material::DATABASE) {
        MayMake::Never
    } else {
        MayMake::First
    }
}

/// Which signing keys were published, by the records told or by the volume, which is made after
/// every Secret.
pub fn published(object: &Collectivity, volume: Volume, answered: Answered) -> Published {
    if answered.dkim {
        return Published::default();
    }
    let told = |selector| told(object, selector).next().is_some();
    Published {
        ed25519: volume == Volume::There || told(DKIM_ED25519_SELECTOR),
        rsa: told(DKIM_RSA_SELECTOR),
    }
}

/// The first selector under which another key was told than `now` would.
pub fn other_key(object: &Collectivity, now: &[(&'static str, String)]) -> Option<Lost> {
    let differs = |(selector, value): &&(&'static str, String)| {
        let mut before = told(object, selector).peekable();
        before.peek().is_some() && before.all(|told| told != value)
    };
    let (selector, _) = now.iter().find(differs)?;
    Some(Lost::OtherKey { selector })
}

/// Whether the volume was there: once mail was delivered into it, or the journal says that the
/// space was opened.
pub fn volume_was_there(object: &Collectivity, journaled: bool) -> bool {
    let status = object.status.as_ref();
    journaled || status.is_some_and(|status| status.proven_template.is_some())
}

fn was_told(object: &Collectivity) -> bool {
    let status = object.status.as_ref();
    status.is_some_and(|status| !status.dns_records.is_empty())
}

/// The values of the TXT records told for a selector.
fn told<'a>(object: &'a Collectivity, selector: &str) -> impl Iterator<Item = &'a str> {
    let prefix = format!("{selector}._domainkey.");
    let records = object.status.iter().flat_map(|status| &status.dns_records);
    records
        .filter(move |record| record.kind == "TXT" && record.name.starts_with(&prefix))
        .map(|record| record.value.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn object(annotation: Option<&str>, records: &Value, proven: bool) -> Collectivity {
        serde_json::from_value(json!({
            "apiVersion": "melouvert.fr/v1alpha1", "kind": "Collectivity",
            "metadata": {"name": "col-211401187",
                "annotations": annotation.map(|text| json!({MAKE_ANEW: text}))},
            "spec": {"siren": "211401187", "legalName": "x", "kind": "Commune", "population": 1,
                "region": "r", "plan": "p", "domains": ["a.example"]},
            "status": {"dnsRecords": records, "provenTemplate": proven.then_some("x")},
        }))
        .unwrap()
    }

    fn with_keys() -> Collectivity {
        let records = json!([
            {"name": "a.example.", "type": "MX", "value": "10 mx."},
            {"name": "m1._domainkey.a.example.", "type": "TXT", "value": "one"},
        ]);
        object(None, &records, true)
    }

    #[test]
    fn an_answer_names_what_it_answers_for() {
        let of = |text| Answered::of(&object(text, &json!([]), false)).names();
        assert!(of(None).is_empty());
        assert_eq!(of(Some("database, volume")), ["database", "volume"]);
        assert_eq!(of(Some("dkim")), ["dkim"]);
        for nothing in ["", "true", "all", "Database", "databases"] {
            assert!(of(Some(nothing)).is_empty(), "{nothing:?}");
        }
    }

    #[test]
    fn each_trace_by_itself_says_that_a_thing_was_made() {
        let (fresh, told) = (object(None, &json!([]), false), with_keys());
        let none = Answered::default();
        let secret: Existing = [(material::DATABASE.to_owned(), [].into())].into();
        let may =
            |object: &Collectivity, existing: &Existing| may_make_database(object, existing, none);
        assert_eq!(may(&fresh, &Existing::new()), MayMake::First);
        assert_eq!(may(&told, &Existing::new()), MayMake::Never);
        assert_eq!(may(&fresh, &secret), MayMake::Never);
        let answered = Answered {
            database: true,
            dkim: true,
            volume: true,
        };
        assert_eq!(may_make_database(&told, &secret, answered), MayMake::Anew);
        let keys = |object, volume| published(object, volume, none).ed25519;
        assert!(!keys(&fresh, Volume::Absent) && !keys(&fresh, Volume::Unknown));
        assert!(keys(&fresh, Volume::There) && keys(&told, Volume::Absent));
        assert!(!published(&told, Volume::There, none).rsa);
        assert_eq!(
            published(&told, Volume::There, answered),
            Published::default()
        );
        assert!(!volume_was_there(&fresh, false));
        assert!(volume_was_there(&fresh, true) && volume_was_there(&told, false));
    }

    #[test]
    fn another_key_than_the_published_one_is_seen() {
        let now = |value: &str| [("m1", value.to_owned()), ("m2", "new".to_owned())];
        assert!(other_key(&with_keys(), &now("one")).is_none());
        let lost = other_key(&with_keys(), &now("two")).unwrap();
        assert!(lost.to_string().contains("m1"), "{lost}");
        let fresh = object(None, &json!([]), false);
        assert!(other_key(&fresh, &now("two")).is_none());
    }
}
