//! The chain, recomputed on this side: no word of the platform is taken for it.
//!
//! The hash of an entry is SHA-256 over the canonical JSON (keys sorted by their bytes, no blank,
//! only the escapes that JSON demands) of its other fields.

use melouvert_api::wire::JournalEntry;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The `previous` of the first entry.
const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// How far a chain holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    seq: i64,
    head: String,
}

/// The first link that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken {
    /// Its place.
    pub seq: i64,
    /// What is wrong.
    pub why: Why,
}

/// What is wrong with a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The entry that should come here is not there.
    Missing,
    /// It does not point to the one before.
    Previous,
    /// Its content does not give its hash.
    Content,
}

impl Default for Chain {
    fn default() -> Self {
        Self {
            seq: 0,
            head: GENESIS.into(),
        }
    }
}

impl Chain {
    /// How many links hold.
    pub fn length(&self) -> i64 {
        self.seq
    }

    /// The hash of the last link; `None` when there is none.
    pub fn head(&self) -> Option<&str> {
        (self.seq > 0).then_some(self.head.as_str())
    }

    /// Adds the next link.
    pub fn push(&mut self, entry: &JournalEntry) -> Result<(), Broken> {
        let seq = self.seq + 1;
        let broken = |why| Err(Broken { seq, why });
        if entry.seq != seq {
            return broken(Why::Missing);
        }
        if entry.previous != self.head {
            return broken(Why::Previous);
        }
        if entry.hash != hash(entry) {
            return broken(Why::Content);
        }
        self.seq = seq;
        self.head.clone_from(&entry.hash);
        Ok(())
    }
}

fn hash(entry: &JournalEntry) -> String {
    let content = json!({
        "seq": entry.seq,
        "at": entry.at,
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "detail": entry.detail,
        "previous": entry.previous,
    });
    let mut text = String::new();
    canonical(&content, &mut text);
    hex::encode(Sha256::digest(text))
}

fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                canonical(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            let mut members: Vec<_> = map.iter().collect();
            members.sort_unstable_by(|a, b| a.0.cmp(b.0));
            out.push('{');
            for (place, (key, item)) in members.into_iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                canonical(item, out);
            }
            out.push('}');
        }
        leaf => out.push_str(&leaf.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fixture that the Python verifier is tested with.
    const FIXTURE: &str = include_str!("../../../../docs/verifier-journal.fixture.json");

    fn fixture() -> Vec<JournalEntry> {
        serde_json::from_str(FIXTURE).unwrap()
    }

    fn verify(entries: &[JournalEntry]) -> Result<Chain, Broken> {
        let mut chain = Chain::default();
        for entry in entries {
            chain.push(entry)?;
        }
        Ok(chain)
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
        let changes: [fn(&mut JournalEntry); 5] = [
            |e| e.actor = "mallory".into(),
            |e| e.action.push('x'),
            |e| e.subject.clear(),
            |e| e.at = "2026-11-24T17:00:00.000000Z".into(),
            |e| e.detail = json!({}),
        ];
        for change in changes {
            let mut entries = fixture();
            change(&mut entries[1]);
            assert_eq!(
                verify(&entries),
                Err(Broken {
                    seq: 2,
                    why: Why::Content
                })
            );
        }
    }

    #[test]
    fn a_removed_or_replaced_link_is_named() {
        let mut entries = fixture();
        entries.remove(1);
        assert_eq!(
            verify(&entries),
            Err(Broken {
                seq: 2,
                why: Why::Missing
            })
        );
        let mut entries = fixture();
        entries[1].actor = "mallory".into();
        entries[1].hash = hash(&entries[1]);
        assert_eq!(
            verify(&entries),
            Err(Broken {
                seq: 3,
                why: Why::Previous
            })
        );
    }
}
