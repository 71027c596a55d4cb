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

/// A message of the pool.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claimed {
    /// Its UID at the target.
    pub uid: Uid,
    /// Its flags there.
    pub flags: FlagSet,
    date: Option<i64>,
}

impl Claimed {
    /// Whether it has this date, or none is asked for.
    pub fn is_of(&self, date: Option<InternalDate>) -> bool {
        date.is_none_or(|date| self.date == Some(date.unix))
    }

    /// Whether it has this date and these flags.
    pub fn is_exactly(&self, date: Option<InternalDate>, flags: &FlagSet) -> bool {
        self.is_of(date) && self.flags.same_as(flags)
    }
}

/// Messages that no journalled item accounts for yet.
#[derive(Debug, Default)]
pub struct Pool {
    by_hash: HashMap<MessageHash, Vec<Claimed>>,
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
    pub fn add(&mut self, held: Held) {
        self.by_hash.entry(held.hash).or_default().push(Claimed {
            uid: held.uid,
            flags: held.flags,
            date: held.date.map(|date| date.unix),
        });
        self.count += 1;
    }

    /// Whether there is a message with these bytes and this date.
    pub fn holds(&self, hash: MessageHash, date: Option<InternalDate>) -> bool {
        let candidates = self.by_hash.get(&hash);
        candidates.is_some_and(|all| all.iter().any(|found| found.is_of(date)))
    }

    /// Takes one message with these bytes, preferring the same date, then the same flags; each is
    /// taken once.
    pub fn claim(
        &mut self,
        hash: MessageHash,
        date: Option<InternalDate>,
        flags: &FlagSet,
    ) -> Option<Claimed> {
        let candidates = self.by_hash.get_mut(&hash)?;
        let rank = |found: &Claimed| {
            let date = !found.is_of(date);
            (date, !found.flags.same_as(flags), !found.flags.is_empty())
        };
        let places = candidates.iter().enumerate();
        let (place, _) = places.min_by_key(|(_, found)| rank(found))?;
        let claimed = candidates.remove(place);
        if candidates.is_empty() {
            self.by_hash.remove(&hash);
        }
        self.count -= 1;
        Some(claimed)
    }
}

impl FromIterator<Held> for Pool {
    fn from_iter<T: IntoIterator<Item = Held>>(messages: T) -> Self {
        let mut pool = Self::default();
        for held in messages {
            pool.add(held);
        }
        pool
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(byte: u8, uid: Uid, date: Option<InternalDate>) -> Held {
        Held {
            uid,
            hash: MessageHash::of(&[byte]),
            size: 1,
            flags: FlagSet::default(),
            date,
        }
    }

    proptest! {
        /// What the pool gives plus what must be written is exactly the wanted multiset.
        #[test]
        fn claims_are_a_multiset_intersection(
            held in proptest::collection::vec(0u8..6, 0..40),
            wanted in proptest::collection::vec(0u8..6, 0..40),
        ) {
            let mut pool = Pool::default();
            for (uid, byte) in held.iter().enumerate() {
                pool.add(message(*byte, u32::try_from(uid).expect("small"), None));
            }
            let mut taken = std::collections::HashSet::new();
            let mut written = Vec::new();
            for byte in &wanted {
                match pool.claim(MessageHash::of(&[*byte]), None, &FlagSet::default()) {
                    Some(found) => {
                        prop_assert!(taken.insert(found.uid), "claimed twice");
                        prop_assert_eq!(held[found.uid as usize], *byte);
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
        let date = |unix| {
            Some(InternalDate {
                unix,
                offset_minutes: 0,
            })
        };
        let mut pool: Pool = [message(0, 1, date(10)), message(0, 2, date(20))]
            .into_iter()
            .collect();
        let mut claim = || {
            let found = pool.claim(MessageHash::of(&[0]), date(20), &FlagSet::default());
            found.map(|found| found.uid)
        };
        assert_eq!((claim(), claim(), claim()), (Some(2), Some(1), None));
    }
}
