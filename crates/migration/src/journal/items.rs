//! The messages of one folder that the target has, in little memory: a folder of a hundred
//! thousand messages is usual, and every pass holds them all.

use super::record::ItemRecord;
use crate::model::Uid;

/// Records by source UID. They come in nearly ascending order, so two sorted lists take half the
/// room of a hash map and never a second copy while they grow.
#[derive(Clone, Debug, Default)]
pub struct Items {
    uids: Vec<Uid>,
    /// None where a record was taken away: its place stays for the next one of its UID.
    records: Vec<Option<ItemRecord>>,
    held: usize,
}

impl Items {
    fn place(&self, uid: Uid) -> Result<usize, usize> {
        match self.uids.last() {
            Some(last) if *last >= uid => self.uids.binary_search(&uid),
            _ => Err(self.uids.len()),
        }
    }

    /// Puts a record in, in place of an earlier one of its source UID.
    pub fn insert(&mut self, item: ItemRecord) {
        match self.place(item.source_uid) {
            Ok(place) => {
                self.held += usize::from(self.records[place].is_none());
                self.records[place] = Some(item);
            }
            Err(place) => {
                self.uids.insert(place, item.source_uid);
                self.records.insert(place, Some(item));
                self.held += 1;
            }
        }
    }

    /// Takes a record away.
    pub fn remove(&mut self, uid: Uid) -> Option<ItemRecord> {
        let place = self.place(uid).ok()?;
        let taken = self.records[place].take();
        self.held -= usize::from(taken.is_some());
        taken
    }

    /// The record of a source UID.
    pub fn get(&self, uid: Uid) -> Option<&ItemRecord> {
        self.records[self.place(uid).ok()?].as_ref()
    }

    /// The same, to change.
    pub fn get_mut(&mut self, uid: Uid) -> Option<&mut ItemRecord> {
        let place = self.place(uid).ok()?;
        self.records[place].as_mut()
    }

    /// Whether a source UID has a record.
    pub fn contains(&self, uid: Uid) -> bool {
        self.get(uid).is_some()
    }

    /// All records, by ascending source UID.
    pub fn iter(&self) -> impl Iterator<Item = &ItemRecord> {
        self.records.iter().flatten()
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.held
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.held == 0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::model::{FlagSet, MessageHash};

    fn item(source_uid: Uid, size: u64) -> ItemRecord {
        ItemRecord {
            source_uid,
            target_uid: 1,
            size,
            hash: MessageHash::of(b"x"),
            flags: FlagSet::default(),
            date: None,
            written: true,
            floor: true,
        }
    }

    proptest! {
        /// Whatever comes in whatever order, it holds what an ordinary map does.
        #[test]
        fn holds_what_a_map_holds(steps in proptest::collection::vec((0u32..40, any::<Option<u8>>()), 0..120)) {
            let mut items = Items::default();
            let mut model: BTreeMap<Uid, ItemRecord> = BTreeMap::new();
            for (uid, size) in steps {
                if let Some(size) = size {
                    items.insert(item(uid, size.into()));
                    model.insert(uid, item(uid, size.into()));
                } else {
                    prop_assert_eq!(items.remove(uid), model.remove(&uid));
                }
                prop_assert_eq!(items.len(), model.len());
                prop_assert_eq!(items.is_empty(), model.is_empty());
            }
            prop_assert!(items.iter().eq(model.values()));
            for uid in 0..40 {
                prop_assert_eq!(items.get(uid), model.get(&uid));
                prop_assert_eq!(items.contains(uid), model.contains_key(&uid));
                prop_assert_eq!(items.get_mut(uid), model.get_mut(&uid));
            }
        }
    }
}
