//! What a journal's records add up to.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::items::Items;
use super::record::{FolderId, FolderRecord, Record, Watermark};
use crate::model::{FlagSet, FolderPath, MessageHash, Uid};

/// One folder's state.
#[derive(Clone, Debug)]
pub struct FolderState {
    /// Its source and target.
    pub record: FolderRecord,
    /// Messages at the target, by source UID.
    pub items: Items,
    /// Set while the folder is complete.
    pub complete: Option<Watermark>,
    /// Highest target UID that was read back.
    pub verified: Uid,
    /// Every message of the target's folder up to this UID is accounted for.
    pub floor: Uid,
    /// The source server's own identity for it.
    pub identity: Option<String>,
    /// Source UIDs of items that are no longer at the source.
    pub gone: HashSet<Uid>,
    /// Source UIDs in place of which the source gave a text of its own.
    pub substitutes: BTreeSet<Uid>,
    /// Messages that were left out, since another copied folder has them.
    pub left_out: BTreeMap<Uid, MessageHash>,
}

/// An account's state.
#[derive(Clone, Debug, Default)]
pub struct JournalState {
    folders: HashMap<FolderId, FolderState>,
    current: HashMap<FolderPath, FolderId>,
    /// Folders whose subscription was carried over once.
    pub subscribed: HashSet<FolderPath>,
    /// True when the last writer did not end in order.
    pub interrupted: bool,
    next_id: FolderId,
    /// Equal flag sets share their memory.
    flags: HashSet<FlagSet>,
}

impl JournalState {
    /// The state of a path's latest epoch.
    pub fn folder(&self, path: &FolderPath) -> Option<&FolderState> {
        self.folders.get(self.current.get(path)?)
    }

    /// The state of a folder by its number.
    pub fn by_id(&self, id: FolderId) -> Option<&FolderState> {
        self.folders.get(&id)
    }

    /// Latest epoch of every path.
    pub fn folders(&self) -> impl Iterator<Item = &FolderState> {
        self.current.values().filter_map(|id| self.folders.get(id))
    }

    /// A number for the next folder.
    pub fn next_id(&self) -> FolderId {
        self.next_id
    }

    /// Bytes of everything journalled.
    pub fn bytes(&self) -> u64 {
        self.folders()
            .flat_map(|folder| folder.items.iter())
            .map(|item| item.size)
            .sum()
    }

    /// Takes one record into account.
    pub fn apply(&mut self, record: Record) {
        match record {
            Record::Folder(record) => self.begin(record),
            Record::Item(id, mut item) => {
                item.flags = self.shared(item.flags);
                if let Some(folder) = self.folders.get_mut(&id) {
                    if item.floor {
                        folder.floor = folder.floor.max(item.target_uid);
                    }
                    folder.items.insert(item);
                    folder.complete = None;
                }
            }
            Record::Flags(id, uid, flags) => {
                let flags = self.shared(flags);
                let folder = self.folders.get_mut(&id);
                if let Some(item) = folder.and_then(|folder| folder.items.get_mut(uid)) {
                    item.flags = flags;
                }
            }
            Record::Complete(id, watermark, floor) => {
                if let Some(folder) = self.folders.get_mut(&id) {
                    folder.floor = folder.floor.max(floor);
                    folder.complete = Some(watermark);
                }
            }
            Record::Verified(id, uid) => {
                if let Some(folder) = self.folders.get_mut(&id) {
                    folder.verified = folder.verified.max(uid);
                }
            }
            Record::Lost(id, uid) => {
                if let Some(folder) = self.folders.get_mut(&id) {
                    folder.items.remove(uid);
                    folder.complete = None;
                }
            }
            Record::Subscribed(path) => {
                self.subscribed.insert(path);
            }
            Record::Identity(id, identity) => {
                if let Some(folder) = self.folders.get_mut(&id) {
                    folder.identity = Some(identity);
                }
            }
            Record::Renamed(id, path) => self.rename(id, path),
            Record::Gone(id, uids) => {
                if let Some(folder) = self.folders.get_mut(&id) {
                    folder.gone.extend(uids);
                }
            }
            Record::Substitute(id, uid) => {
                if let Some(folder) = self.folders.get_mut(&id) {
                    folder.substitutes.insert(uid);
                }
            }
            Record::LeftOut(id, messages) => {
                if let Some(folder) = self.folders.get_mut(&id) {
                    folder.left_out.extend(messages);
                }
            }
            Record::Opened => self.interrupted = true,
            Record::Closed => self.interrupted = false,
        }
    }

    fn rename(&mut self, id: FolderId, path: FolderPath) {
        let Some(folder) = self.folders.get_mut(&id) else {
            return;
        };
        let old = std::mem::replace(&mut folder.record.path, path.clone());
        // Where two folders swapped their names, the other one has the old path by now.
        if self.current.get(&old) == Some(&id) {
            self.current.remove(&old);
        }
        self.current.insert(path, id);
    }

    fn shared(&mut self, flags: FlagSet) -> FlagSet {
        if let Some(known) = self.flags.get(&flags) {
            return known.clone();
        }
        self.flags.insert(flags.clone());
        flags
    }

    fn begin(&mut self, record: FolderRecord) {
        self.next_id = self.next_id.max(record.id + 1);
        self.current.insert(record.path.clone(), record.id);
        let state = FolderState {
            record,
            items: Items::default(),
            complete: None,
            verified: 0,
            floor: 0,
            identity: None,
            gone: HashSet::new(),
            substitutes: BTreeSet::new(),
            left_out: BTreeMap::new(),
        };
        self.folders.insert(state.record.id, state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_may_swap_their_names() {
        let path = |name: &str| FolderPath(vec![name.to_owned()]);
        let mut state = JournalState::default();
        for (id, name) in [(0, "A"), (1, "B")] {
            state.apply(Record::Folder(FolderRecord {
                id,
                path: path(name),
                source_validity: id,
                target_name: name.to_owned(),
                target_validity: 1,
            }));
        }
        state.apply(Record::Renamed(0, path("B")));
        state.apply(Record::Renamed(1, path("A")));
        let at = |name: &str| state.folder(&path(name)).map(|folder| folder.record.id);
        assert_eq!((at("A"), at("B")), (Some(1), Some(0)));
        assert_eq!(state.folders().count(), 2);
        state.apply(Record::Renamed(1, path("C")));
        assert!(state.folder(&path("A")).is_none());
    }
}
