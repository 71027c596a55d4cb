//! What is left to do in a folder: a pure function of the survey and the journal.

use std::collections::HashSet;

use super::views::Views;
use crate::journal::{FolderState, JournalState};
use crate::model::{FlagSet, Uid};
use crate::source::{Entries, Entry, SourceFolder};

/// Flags that changed at the source since they were last carried over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct FlagWork {
    /// UID at the source.
    pub(super) source_uid: Uid,
    /// UID at the target.
    pub(super) target_uid: Uid,
    /// Flags when they were last carried over.
    pub(super) base: FlagSet,
    /// Flags now.
    pub(super) now: FlagSet,
}

/// One folder's work.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct FolderPlan {
    /// Messages to read, ascending.
    pub(super) uids: Vec<Uid>,
    /// Flags to carry over.
    pub(super) flags: Vec<FlagWork>,
    /// Journalled messages that are found deleted at the source.
    pub(super) gone: Vec<Uid>,
    /// True when the journal knows this folder at this UIDVALIDITY.
    pub(super) known: bool,
    /// True when everything is at the target already, and marked so.
    pub(super) settled: bool,
    /// True when something was not read back yet.
    pub(super) unverified: bool,
}

/// Plans a folder that the journal knows nothing of, whatever it has at its path.
pub(super) fn afresh(folder: &SourceFolder) -> FolderPlan {
    plan(folder, &JournalState::default(), None)
}

/// Plans one folder; `views` tells where messages are, if the source has views.
pub(super) fn plan(
    folder: &SourceFolder,
    journal: &JournalState,
    views: Option<&Views>,
) -> FolderPlan {
    let state = journal
        .folder(&folder.path)
        .filter(|state| state.record.source_validity == folder.validity);
    let empty: &[Entry] = &[];
    let entries = match &folder.entries {
        Entries::Unchanged => empty,
        Entries::Changed(entries) | Entries::All(entries) => entries,
    };
    let mut plan = FolderPlan {
        known: state.is_some(),
        ..FolderPlan::default()
    };
    let left_out = |uid: Uid| {
        let hash = state.and_then(|state| state.left_out.get(&uid));
        let there = |hash| views.is_some_and(|views| views.elsewhere(hash, &folder.path));
        hash.copied().is_some_and(there)
    };
    for entry in entries {
        match state.and_then(|state| state.items.get(entry.uid)) {
            None if left_out(entry.uid) => {}
            None => plan.uids.push(entry.uid),
            // That no flags were told does not say that they were taken away.
            Some(_) if folder.flagless.binary_search(&entry.uid).is_ok() => {}
            Some(item) if item.flags != entry.flags && item.target_uid != 0 => {
                plan.flags.push(FlagWork {
                    source_uid: entry.uid,
                    target_uid: item.target_uid,
                    base: item.flags.clone(),
                    now: entry.flags.clone(),
                });
            }
            Some(_) => {}
        }
    }
    if let Some(state) = state {
        plan.gone = gone(folder, state);
        plan.unverified = state
            .items
            .iter()
            .any(|item| item.target_uid > state.verified);
        plan.settled = plan.uids.is_empty()
            && plan.flags.is_empty()
            && state.complete == Some(folder.watermark);
    }
    plan
}

/// Messages that the journal has and the source no longer, as far as the survey tells.
fn gone(folder: &SourceFolder, state: &FolderState) -> Vec<Uid> {
    let there: HashSet<Uid> = match &folder.entries {
        Entries::All(entries) => entries.iter().map(|entry| entry.uid).collect(),
        Entries::Unchanged | Entries::Changed(_) => HashSet::new(),
    };
    let all = matches!(folder.entries, Entries::All(_));
    let told = |uid: Uid| {
        let mut ranges = folder.gone.iter();
        ranges.any(|(first, last)| (*first..=*last).contains(&uid))
    };
    // Ascending, as the journal gives them.
    let known = state.items.iter().map(|item| item.source_uid);
    known
        .filter(|uid| !state.gone.contains(uid))
        .filter(|uid| {
            if all {
                !there.contains(uid)
            } else {
                told(*uid)
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::journal::{FolderRecord, ItemRecord, Record};
    use crate::model::{FolderPath, MessageHash};

    fn journal(uids: &[Uid]) -> JournalState {
        let mut state = JournalState::default();
        state.apply(Record::Folder(FolderRecord {
            id: 0,
            path: FolderPath(vec!["A".into()]),
            source_validity: 1,
            target_name: "A".into(),
            target_validity: 1,
        }));
        for uid in uids {
            let item = ItemRecord {
                source_uid: *uid,
                target_uid: uid + 1000,
                size: 1,
                hash: MessageHash::of(b"x"),
                flags: FlagSet::default(),
                date: None,
                written: true,
                floor: true,
            };
            state.apply(Record::Item(0, item));
        }
        state
    }

    fn folder(validity: u32, entries: Vec<Entry>) -> SourceFolder {
        SourceFolder {
            path: FolderPath(vec!["A".into()]),
            name: "A".into(),
            validity,
            entries: Entries::All(entries),
            ..SourceFolder::default()
        }
    }

    proptest! {
        #[test]
        fn reads_exactly_what_is_not_journalled(
            source in proptest::collection::btree_set(1u32..60, 0..40),
            held in proptest::collection::btree_set(1u32..60, 0..40),
        ) {
            let journal = journal(&held.iter().copied().collect::<Vec<_>>());
            let entries: Vec<Entry> = source
                .iter()
                .map(|uid| Entry { uid: *uid, flags: FlagSet::default() })
                .collect();
            let plan = plan(&folder(1, entries.clone()), &journal, None);
            let expected: Vec<Uid> = source.difference(&held).copied().collect();
            prop_assert_eq!(plan.uids, expected);
            prop_assert!(plan.flags.is_empty());
            let renumbered = super::plan(&folder(2, entries), &journal, None);
            prop_assert_eq!(renumbered.uids.len(), source.len());
        }
    }

    #[test]
    fn tells_what_was_deleted_at_the_source_once() {
        let mut state = journal(&[1, 2, 3, 4]);
        let entry = |uid| Entry {
            uid,
            flags: FlagSet::default(),
        };
        let all = folder(1, vec![entry(1), entry(3), entry(4)]);
        assert_eq!(plan(&all, &state, None).gone, [2]);
        state.apply(Record::Gone(0, vec![2]));
        assert!(plan(&all, &state, None).gone.is_empty());
        let mut told = folder(1, Vec::new());
        told.entries = Entries::Changed(Vec::new());
        assert!(plan(&told, &state, None).gone.is_empty());
        told.gone = vec![(2, 3), (4_000_000_000, u32::MAX)];
        assert_eq!(plan(&told, &state, None).gone, [3]);
    }

    #[test]
    fn carries_changed_flags_only() {
        let seen = FlagSet::new(["\\Seen"]);
        let entries = vec![
            Entry {
                uid: 1,
                flags: seen.clone(),
            },
            Entry {
                uid: 2,
                flags: FlagSet::default(),
            },
        ];
        let plan = plan(&folder(1, entries), &journal(&[1, 2]), None);
        assert_eq!(plan.flags.len(), 1);
        assert_eq!(
            (plan.flags[0].source_uid, plan.flags[0].target_uid),
            (1, 1001)
        );
        assert_eq!(plan.flags[0].now, seen);
    }

    #[test]
    fn flags_that_were_not_told_are_not_taken_away() {
        let mut journal = journal(&[1, 2]);
        let seen = FlagSet::new(["\\Seen"]);
        journal.apply(Record::Flags(0, 1, seen.clone()));
        journal.apply(Record::Flags(0, 2, seen));
        let entry = |uid| Entry {
            uid,
            flags: FlagSet::default(),
        };
        let mut folder = folder(1, vec![entry(1), entry(2)]);
        assert_eq!(plan(&folder, &journal, None).flags.len(), 2);
        folder.flagless = vec![2];
        assert_eq!(plan(&folder, &journal, None).flags[0].source_uid, 1);
        assert_eq!(plan(&folder, &journal, None).flags.len(), 1);
    }
}
