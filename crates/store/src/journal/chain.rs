//! The links of a chain and their verification.

use futures::TryStreamExt;
use jiff::Timestamp;
use melouvert_journal::{Broken, Chain, Flaw, Link};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use sqlx::PgConnection;

use super::{Sealed, write};
use crate::StoreError;

/// A point of a chain that was recorded elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// The entry's place.
    pub seq: i64,
    /// Its hash, 64 hexadecimal digits.
    pub hash: String,
}

/// A chain without a flaw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// How many entries.
    pub entries: u64,
    /// The last entry; `None` for an empty journal.
    pub head: Option<Anchor>,
    /// The point recorded elsewhere that the chain was compared with.
    pub anchor: Option<Anchor>,
}

/// In which way a link is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BreakReason {
    /// The entry that should come next is not there.
    Missing,
    /// The entry does not point to the one before it.
    Previous,
    /// The entry's content does not give its hash: it was altered.
    Content,
    /// The chain is sound in itself but is not the one that was anchored: it was rewritten.
    Anchor,
    /// The chain ends before the anchored entry: its tail was cut.
    Cut,
}

/// The first broken link of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("entry {seq} is broken ({reason:?}): expected {expected}, found {found}")]
pub struct BrokenLink {
    /// The place of the first entry that is not as it should be.
    pub seq: i64,
    /// In which way.
    pub reason: BreakReason,
    /// A sequence number or a hash.
    pub expected: String,
    /// A sequence number or a hash, or `nothing`.
    pub found: String,
}

impl From<Broken> for BrokenLink {
    fn from(broken: Broken) -> Self {
        Self {
            seq: broken.seq,
            reason: match broken.flaw {
                Flaw::Missing => BreakReason::Missing,
                Flaw::Previous => BreakReason::Previous,
                Flaw::Content => BreakReason::Content,
            },
            expected: broken.expected,
            found: broken.found,
        }
    }
}

/// RFC 3339 in UTC, always with six decimals.
pub(super) fn instant(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// [`instant`] for serde.
pub(super) fn six_decimals<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&instant(*at))
}

/// The hash of an entry that follows `previous`.
pub(super) fn seal(
    (seq, at): (i64, Timestamp),
    (actor, action, subject): (&str, &str, &str),
    detail: &Value,
    previous: &[u8; 32],
) -> [u8; 32] {
    let link = Link {
        seq,
        at: &instant(at),
        actor,
        action,
        subject,
        detail,
        previous: &hex::encode(previous),
    };
    link.hash()
}

/// Walks a chain from its first entry.
#[derive(Debug)]
struct Walk {
    chain: Chain,
    anchor: Option<Anchor>,
}

impl Walk {
    fn new(anchor: Option<Anchor>) -> Self {
        Self {
            chain: Chain::default(),
            anchor,
        }
    }

    /// Checks the next entry in order of `seq`.
    fn step(&mut self, entry: &Sealed) -> Result<(), BrokenLink> {
        let link = Link {
            seq: entry.seq,
            at: &entry.at_text(),
            actor: &entry.actor,
            action: &entry.action,
            subject: &entry.subject,
            detail: &entry.detail,
            previous: &entry.previous,
        };
        self.chain.push(&link, &entry.hash)?;
        match &self.anchor {
            Some(anchor) if anchor.seq == entry.seq && anchor.hash != entry.hash => {
                Err(BrokenLink {
                    seq: entry.seq,
                    reason: BreakReason::Anchor,
                    expected: anchor.hash.clone(),
                    found: entry.hash.clone(),
                })
            }
            _ => Ok(()),
        }
    }

    fn end(self) -> Result<Verified, BrokenLink> {
        if let Some(anchor) = &self.anchor
            && anchor.seq > self.chain.length()
        {
            return Err(BrokenLink {
                seq: self.chain.length() + 1,
                reason: BreakReason::Cut,
                expected: format!("entries up to {} with hash {}", anchor.seq, anchor.hash),
                found: "nothing".into(),
            });
        }
        Ok(Verified {
            entries: self.chain.length().unsigned_abs(),
            head: self.chain.head().map(|hash| Anchor {
                seq: self.chain.length(),
                hash: hash.to_owned(),
            }),
            anchor: self.anchor,
        })
    }
}

/// Reads a whole chain, one entry at a time, and compares it with `anchor` if there is one.
pub(crate) async fn verify(
    connection: &mut PgConnection,
    anchor: Option<Anchor>,
) -> Result<Verified, StoreError> {
    let mut walk = Walk::new(anchor);
    let mut entries = write::all(connection);
    while let Some(entry) = entries.try_next().await? {
        walk.step(&entry)?;
    }
    Ok(walk.end()?)
}

#[cfg(test)]
mod tests {
    use melouvert_journal::{GENESIS, canonical};
    use serde_json::json;
    use sha2::{Digest, Sha256};

    use super::*;

    fn chain(length: i64) -> Vec<Sealed> {
        let mut previous = GENESIS;
        (1..=length)
            .map(|seq| {
                let at = Timestamp::from_microsecond(1_795_537_638_000_000 + seq).unwrap();
                let detail = json!({ "n": seq });
                let hash = seal(
                    (seq, at),
                    ("jeanne", "agent.added", "x"),
                    &detail,
                    &previous,
                );
                let entry = Sealed {
                    seq,
                    at,
                    actor: "jeanne".into(),
                    action: "agent.added".into(),
                    subject: "x".into(),
                    detail,
                    previous: hex::encode(previous),
                    hash: hex::encode(hash),
                };
                previous = hash;
                entry
            })
            .collect()
    }

    fn check(entries: &[Sealed], anchor: Option<Anchor>) -> Result<Verified, BrokenLink> {
        let mut walk = Walk::new(anchor);
        for entry in entries {
            walk.step(entry)?;
        }
        walk.end()
    }

    fn anchor_of(entry: &Sealed) -> Anchor {
        Anchor {
            seq: entry.seq,
            hash: entry.hash.clone(),
        }
    }

    /// What the README tells others to do with an exported entry.
    #[test]
    fn an_exported_entry_can_be_checked_elsewhere() {
        let mut sealed = chain(1).remove(0);
        sealed.at = "2026-11-24T16:47:18.5Z".parse().unwrap();
        assert_eq!(sealed.at_text(), "2026-11-24T16:47:18.500000Z");
        let names = ("jeanne", "agent.added", "x");
        sealed.hash = hex::encode(seal((1, sealed.at), names, &sealed.detail, &GENESIS));
        let mut exported = serde_json::to_value(&sealed).unwrap();
        let members = exported.as_object_mut().unwrap();
        members.remove("hash");
        let hash = Sha256::digest(canonical::to_string(&exported));
        assert_eq!(hex::encode(hash), sealed.hash);
        assert_eq!(exported["at"], sealed.at_text());
    }

    #[test]
    fn a_sound_chain_passes() {
        let entries = chain(5);
        let verified = check(&entries, Some(anchor_of(&entries[2]))).unwrap();
        assert_eq!(
            (verified.entries, verified.head),
            (5, Some(anchor_of(&entries[4])))
        );
        assert_eq!(check(&[], None).unwrap().head, None);
    }

    #[test]
    fn every_altered_field_is_named() {
        let alter: [fn(&mut Sealed); 6] = [
            |e| e.actor.push('x'),
            |e| e.action.push('x'),
            |e| e.subject.push('x'),
            |e| e.detail = json!({}),
            |e| e.at += jiff::SignedDuration::from_micros(1),
            |e| e.hash = hex::encode([1; 32]),
        ];
        for change in alter {
            let mut entries = chain(5);
            change(&mut entries[2]);
            let broken = check(&entries, None).unwrap_err();
            assert_eq!((broken.seq, broken.reason), (3, BreakReason::Content));
        }
    }

    #[test]
    fn gaps_reorders_cuts_and_rewrites_are_told_apart() {
        let entries = chain(5);
        let head = anchor_of(&entries[4]);

        let mut gap = entries.clone();
        gap.remove(2);
        let broken = check(&gap, None).unwrap_err();
        assert_eq!((broken.seq, broken.reason), (3, BreakReason::Missing));
        assert_eq!(
            (broken.expected.as_str(), broken.found.as_str()),
            ("3", "4")
        );

        let mut swapped = entries.clone();
        swapped.swap(1, 2);
        (swapped[1].seq, swapped[2].seq) = (2, 3);
        let broken = check(&swapped, None).unwrap_err();
        assert_eq!((broken.seq, broken.reason), (2, BreakReason::Previous));

        let broken = check(&entries[..3], Some(head.clone())).unwrap_err();
        assert_eq!((broken.seq, broken.reason), (4, BreakReason::Cut));
        assert!(
            check(&entries[..3], None).is_ok(),
            "only an anchor shows a cut tail"
        );

        let mut rewritten = Vec::new();
        let mut previous = GENESIS;
        for mut entry in entries {
            entry.actor = "nobody".into();
            let names = (
                entry.actor.as_str(),
                entry.action.as_str(),
                entry.subject.as_str(),
            );
            let hash = seal((entry.seq, entry.at), names, &entry.detail, &previous);
            entry.previous = hex::encode(previous);
            entry.hash = hex::encode(hash);
            previous = hash;
            rewritten.push(entry);
        }
        assert!(check(&rewritten, None).is_ok());
        let broken = check(&rewritten, Some(head)).unwrap_err();
        assert_eq!((broken.seq, broken.reason), (5, BreakReason::Anchor));
    }
}
