//! One folder on its way: its epoch in the journal, and the messages that the target holds but
//! the journal does not account for.

use std::collections::{HashMap, HashSet};

use super::claims::Loose;
use super::plan::FolderPlan;
use crate::error::{EndpointError, MigrationError};
use crate::journal::{FolderId, FolderRecord, ItemRecord, Journal, Record};
use crate::matcher::Pool;
use crate::model::Uid;
use crate::source::SourceFolder;
use crate::target::{Target, TargetFolder};

/// One folder on its way.
pub(super) struct FolderRun {
    pub(super) source: SourceFolder,
    pub(super) plan: FolderPlan,
    pub(super) id: FolderId,
    pub(super) target: TargetFolder,
    /// Messages at the target that may be those that a lost acknowledgement left there.
    pub(super) pool: Pool,
    /// Items that took what may be another's.
    pub(super) loose: Vec<Loose>,
    /// Every message at the target up to this UID is known of. At a forgetful target a UID may be
    /// passed over: a file that a crash left takes it later.
    pub(super) seen_through: Uid,
    /// Highest UID at the target that was acknowledged.
    pub(super) stored_through: Uid,
    /// Items that are absent from the target.
    pub(super) absent: u64,
    /// Set once everything was acknowledged.
    pub(super) ended: bool,
}

/// Error of a target, told apart from the journal's.
pub(super) enum OpenError {
    Target(EndpointError),
    Migration(MigrationError),
}

impl From<EndpointError> for OpenError {
    fn from(error: EndpointError) -> Self {
        Self::Target(error)
    }
}

impl From<MigrationError> for OpenError {
    fn from(error: MigrationError) -> Self {
        Self::Migration(error)
    }
}

/// Opens a folder: begins a new epoch where a UIDVALIDITY changed, and reads back what the target
/// holds beyond what is accounted for.
pub(super) async fn open(
    target: &mut dyn Target,
    journal: &mut Journal,
    source: SourceFolder,
    plan: FolderPlan,
    at_target: TargetFolder,
) -> Result<FolderRun, OpenError> {
    let mut carried: Vec<ItemRecord> = Vec::new();
    let known = journal.state().folder(&source.path);
    let same_target = known.is_some_and(|state| {
        state.record.target_validity == at_target.validity
            && state.record.target_name == at_target.name
    });
    let same_source = plan.known;
    let mut floor = 0;
    let id = match known {
        Some(state) if same_source && same_target => {
            floor = state.floor;
            state.record.id
        }
        Some(state) if same_source => {
            carried = state.items.iter().cloned().collect();
            journal.state().next_id()
        }
        _ => journal.state().next_id(),
    };
    let fresh = journal.state().by_id(id).is_none();
    if fresh {
        let record = FolderRecord {
            id,
            path: source.path.clone(),
            source_validity: source.validity,
            target_name: at_target.name.clone(),
            target_validity: at_target.validity,
        };
        journal.append(vec![Record::Folder(record)])?;
    }
    let known = journal
        .state()
        .by_id(id)
        .and_then(|state| state.identity.as_ref());
    if let Some(identity) = source.identity.as_ref().filter(|now| Some(*now) != known) {
        journal.append(vec![Record::Identity(id, identity.clone())])?;
    }
    let mut run = FolderRun {
        source,
        plan,
        id,
        target: at_target,
        pool: Pool::default(),
        loose: Vec::new(),
        seen_through: floor,
        stored_through: floor,
        absent: 0,
        ended: false,
    };
    run.read_back(target, journal, floor).await?;
    if fresh && !carried.is_empty() {
        run.rematch(journal, carried)?;
    }
    Ok(run)
}

impl FolderRun {
    /// Takes note of an acknowledged message; whether every message up to it is known of.
    pub(super) fn note_stored(&mut self, uid: Uid, forgetful: bool) -> bool {
        self.stored_through = self.stored_through.max(uid);
        if !forgetful || uid == self.seen_through.saturating_add(1) {
            self.seen_through = self.seen_through.max(uid);
        }
        uid <= self.seen_through
    }

    /// Adds to the pool what the target holds above `above` and the journal does not know. A
    /// message that was acknowledged without its UID is found here and gets it: left in the pool
    /// it would pass for the next exact duplicate, which would then never be written.
    pub(super) async fn read_back(
        &mut self,
        target: &mut dyn Target,
        journal: &mut Journal,
        above: Uid,
    ) -> Result<(), OpenError> {
        if target.forgetful() {
            // What is gone below UIDNEXT is no gap.
            let last = self.target.uid_next.saturating_sub(1);
            self.seen_through = self.seen_through.max(last);
        }
        if self.target.messages == 0 || self.target.uid_next <= above.saturating_add(1) {
            return Ok(());
        }
        let items = || {
            let state = journal.state().by_id(self.id);
            state.into_iter().flat_map(|state| state.items.iter())
        };
        let journalled: HashSet<Uid> = items().map(|item| item.target_uid).collect();
        let unnumbered: Vec<ItemRecord> = items()
            .filter(|item| item.target_uid == 0)
            .cloned()
            .collect();
        for held in target.read_above(&self.target.name, above).await? {
            self.seen_through = self.seen_through.max(held.uid);
            if !journalled.contains(&held.uid) {
                self.pool.add(held);
            }
        }
        let numbered = unnumbered.into_iter().filter_map(|item| {
            let target_uid = self.pool.claim(item.hash, item.date, &item.flags)?.uid;
            let item = ItemRecord { target_uid, ..item };
            Some(Record::Item(self.id, item))
        });
        let numbered = numbered.collect();
        journal.append(numbered)?;
        Ok(())
    }

    /// After the target renumbered the folder: finds each carried item again by its hash. What is
    /// not found is read and written anew.
    fn rematch(
        &mut self,
        journal: &mut Journal,
        carried: Vec<ItemRecord>,
    ) -> Result<(), MigrationError> {
        let mut found = Vec::new();
        let mut numbers = HashMap::new();
        // Of exact duplicates, those whose date is there go first.
        let (own, others): (Vec<_>, Vec<_>) = carried
            .into_iter()
            .partition(|item| self.pool.holds(item.hash, item.date));
        for item in own.into_iter().chain(others) {
            match self.pool.claim(item.hash, item.date, &item.flags) {
                Some(claimed) => {
                    let target_uid = claimed.uid;
                    numbers.insert(item.source_uid, target_uid);
                    let item = ItemRecord {
                        target_uid,
                        written: false,
                        floor: false,
                        ..item
                    };
                    found.push(Record::Item(self.id, item));
                }
                None => self.plan.uids.push(item.source_uid),
            }
        }
        self.plan.uids.sort_unstable();
        self.plan.uids.dedup();
        self.plan
            .flags
            .retain_mut(|change| match numbers.get(&change.source_uid) {
                Some(target_uid) => {
                    change.target_uid = *target_uid;
                    true
                }
                None => false,
            });
        self.plan.settled = false;
        journal.append(found)
    }
}
