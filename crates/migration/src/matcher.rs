//! Finds among messages that the target already holds those that a lost acknowledgement left
//! there: a multiset keyed by the hash of the raw bytes, so that exact duplicates stay
//! duplicates.

use std::collections::HashMap;

use crate::model::{FlagSet, InternalDate, MessageHash, Uid};

/// A message found at the target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held {
    /// Its UID there.
    pub uid: Uid,
    /// BLAKE3 of its bytes.
    pub hash: MessageHash,
    /// Its length in bytes.
    pub size: u64,
    /// Its flags.
    pub flags: FlagSet,
    /// Its date.
    pub date: Option<InternalDate>,
}

/// Messages that no journalled item accounts for yet.
#[derive(Debug, Default)]
pub struct Pool {
    by_hash: HashMap<MessageHash, Vec<(Uid, Option<i64>)>>,
    count: usize,
}

impl Pool {
    /// True when nothing is left to claim.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Messages left to claim.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Adds one message.
    pub fn add(&mut self, hash: MessageHash, uid: Uid, date: Option<InternalDate>) {
        self.by_hash
            .entry(hash)
            .or_default()
            .push((uid, date.map(|date| date.unix)));
        self.count += 1;
    }

    /// Takes one message with these bytes, preferring the same date; each is taken once.
    pub fn claim(&mut self, hash: MessageHash, date: Option<InternalDate>) -> Option<Uid> {
        let candidates = self.by_hash.get_mut(&hash)?;
        let wanted = date.map(|date| date.unix);
        let place = candidates
            .iter()
            .position(|(_, found)| *found == wanted)
            .unwrap_or(0);
        let (uid, _) = candidates.remove(place);
        if candidates.is_empty() {
            self.by_hash.remove(&hash);
        }
        self.count -= 1;
        Some(uid)
    }
}

impl FromIterator<Held> for Pool {
    fn from_iter<T: IntoIterator<Item = Held>>(messages: T) -> Self {
        let mut pool = Self::default();
        for held in messages {
            pool.add(held.hash, held.uid, held.date);
        }
        pool
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// What the pool gives plus what must be written is exactly the wanted multiset.
        #[test]
        fn claims_are_a_multiset_intersection(
            held in proptest::collection::vec(0u8..6, 0..40),
            wanted in proptest::collection::vec(0u8..6, 0..40),
        ) {
            let mut pool = Pool::default();
            for (uid, byte) in held.iter().enumerate() {
                pool.add(MessageHash::of(&[*byte]), u32::try_from(uid).expect("small"), None);
            }
            let mut taken = std::collections::HashSet::new();
            let mut written = Vec::new();
            for byte in &wanted {
                match pool.claim(MessageHash::of(&[*byte]), None) {
                    Some(uid) => {
                        prop_assert!(taken.insert(uid), "claimed twice");
                        prop_assert_eq!(held[uid as usize], *byte);
                    }
                    None => written.push(*byte),
                }
            }
            for byte in 0..6u8 {
                let count = |list: &[u8]| list.iter().copied().filter(|other| *other == byte).count();
                let missing = count(&wanted).saturating_sub(count(&held));
                prop_assert_eq!(count(&written), missing);
            }
            prop_assert_eq!(pool.len(), held.len() - taken.len());
        }
    }

    #[test]
    fn prefers_the_same_date() {
        let (hash, date) = (MessageHash::of(b"x"), |unix| {
            Some(InternalDate {
                unix,
                offset_minutes: 0,
            })
        });
        let mut pool = Pool::default();
        pool.add(hash, 1, date(10));
        pool.add(hash, 2, date(20));
        assert_eq!(pool.claim(hash, date(20)), Some(2));
        assert_eq!(pool.claim(hash, date(20)), Some(1));
        assert_eq!(pool.claim(hash, date(20)), None);
    }
}
