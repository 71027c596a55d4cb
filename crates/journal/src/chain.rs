//! Links and the walk along them.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::canonical;

/// The `previous` of a chain's first entry.
pub const GENESIS: [u8; 32] = [0; 32];

/// An entry as its hash covers it.
#[derive(Debug, Clone, Copy)]
pub struct Link<'a> {
    /// Its place, from 1 without gaps.
    pub seq: i64,
    /// When, RFC 3339 in UTC with six decimals.
    pub at: &'a str,
    /// Who did it.
    pub actor: &'a str,
    /// What was done.
    pub action: &'a str,
    /// To whom or what.
    pub subject: &'a str,
    /// The rest.
    pub detail: &'a Value,
    /// The hash of the entry before, 64 hexadecimal digits.
    pub previous: &'a str,
}

impl Link<'_> {
    /// The entry's hash.
    pub fn hash(&self) -> [u8; 32] {
        let content = json!({
            "seq": self.seq,
            "at": self.at,
            "actor": self.actor,
            "action": self.action,
            "subject": self.subject,
            "detail": self.detail,
            "previous": self.previous,
        });
        Sha256::digest(canonical::to_string(&content)).into()
    }
}

/// How far a chain holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    length: i64,
    head: String,
}

/// In which way a link does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// The entry that should come here is not there.
    Missing,
    /// It does not point to the one before.
    Previous,
    /// Its content does not give its hash.
    Content,
}

/// The first link that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Its place.
    pub seq: i64,
    /// In which way.
    pub flaw: Flaw,
    /// A sequence number or a hash.
    pub expected: String,
    /// A sequence number or a hash.
    pub found: String,
}

impl Default for Chain {
    fn default() -> Self {
        Self {
            length: 0,
            head: hex::encode(GENESIS),
        }
    }
}

impl Chain {
    /// How many links hold.
    pub fn length(&self) -> i64 {
        self.length
    }

    /// The hash of the last link; `None` when there is none.
    pub fn head(&self) -> Option<&str> {
        (self.length > 0).then_some(self.head.as_str())
    }

    /// Adds the next link, which claims this hash.
    pub fn push(&mut self, link: &Link<'_>, hash: &str) -> Result<(), Broken> {
        let seq = self.length + 1;
        let broken = |flaw, expected: String, found: String| {
            Err(Broken {
                seq,
                flaw,
                expected,
                found,
            })
        };
        if link.seq != seq {
            return broken(Flaw::Missing, seq.to_string(), link.seq.to_string());
        }
        if link.previous != self.head {
            return broken(Flaw::Previous, self.head.clone(), link.previous.into());
        }
        let computed = hex::encode(link.hash());
        if hash != computed {
            return broken(Flaw::Content, computed, hash.into());
        }
        self.length = seq;
        self.head = computed;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    /// The fixture that the Python verifier is tested with.
    const FIXTURE: &str = include_str!("../../../docs/verifier-journal.fixture.json");

    #[derive(Clone, Deserialize)]
    struct Entry {
        seq: i64,
        at: String,
        actor: String,
        action: String,
        subject: String,
        detail: Value,
        previous: String,
        hash: String,
    }

    impl Entry {
        fn link(&self) -> Link<'_> {
            Link {
                seq: self.seq,
                at: &self.at,
                actor: &self.actor,
                action: &self.action,
                subject: &self.subject,
                detail: &self.detail,
                previous: &self.previous,
            }
        }
    }

    fn fixture() -> Vec<Entry> {
        serde_json::from_str(FIXTURE).unwrap()
    }

    fn verify(entries: &[Entry]) -> Result<Chain, (i64, Flaw)> {
        let mut chain = Chain::default();
        for entry in entries {
            let pushed = chain.push(&entry.link(), &entry.hash);
            pushed.map_err(|broken| (broken.seq, broken.flaw))?;
        }
        Ok(chain)
    }

    /// Computed with Python's hashlib over the text in the docs of the crate.
    #[test]
    fn the_hash_is_the_documented_one() {
        let link = Link {
            seq: 1,
            at: "2026-11-24T16:47:18.500000Z",
            actor: "jeanne",
            action: "agent.added",
            subject: "elodie@caen.example",
            detail: &json!({"quota": 1_073_741_824_u64, "name": "Élodie"}),
            previous: &hex::encode(GENESIS),
        };
        assert_eq!(
            hex::encode(link.hash()),
            "979c2a6efb7241a39b9021c935582741d31cf40c9be4a215c5c71c9ccf9c4cc3"
        );
    }

    #[test]
    fn the_fixture_holds() {
        let entries = fixture();
        let chain = verify(&entries).unwrap();
        assert_eq!(chain.length(), 3);
        assert_eq!(chain.head(), Some(entries[2].hash.as_str()));
        assert_eq!(Chain::default().head(), None);
    }

    #[test]
    fn any_change_breaks_its_own_link() {
        let changes: [fn(&mut Entry); 6] = [
            |e| e.actor = "mallory".into(),
            |e| e.action.push('x'),
            |e| e.subject.clear(),
            |e| e.at = "2026-11-24T17:00:00.000000Z".into(),
            |e| e.detail = json!({}),
            |e| e.hash = hex::encode([1; 32]),
        ];
        for change in changes {
            let mut entries = fixture();
            change(&mut entries[1]);
            assert_eq!(verify(&entries), Err((2, Flaw::Content)));
        }
    }

    #[test]
    fn a_removed_or_replaced_link_is_named() {
        let mut entries = fixture();
        entries.remove(1);
        assert_eq!(verify(&entries), Err((2, Flaw::Missing)));
        let mut entries = fixture();
        entries[1].actor = "mallory".into();
        entries[1].hash = hex::encode(entries[1].link().hash());
        assert_eq!(verify(&entries), Err((3, Flaw::Previous)));
    }
}
