//! Random interleavings of kills, lost journal tails and both users' doings against a model:
//! nothing lost, nothing doubled, and what the target's user did stays.

mod doing;
mod mortal;
mod pass;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use self::doing::{Doing, doing};
use self::mortal::{Mailbox, set};
use crate::journal::{Journal, Watermark};
use crate::model::{FolderPath, Uid};
use crate::source::{Entries, Entry, SourceFolder};

const SAME: u32 = 0;
const USERS: u32 = 1_000_000;

struct World {
    source: Mailbox,
    target: Arc<Mutex<Mailbox>>,
    disk: Option<Arc<Mutex<Mailbox>>>,
    tells_uids: bool,
    /// A lost journal cannot tell which flags a power loss took.
    lost_journal: bool,
    arrived: HashMap<u32, u32>,
    users: u32,
    /// Contents that the user deleted when the journal had them: they must not come back.
    gone: BTreeSet<u32>,
    deleted: HashMap<u32, u32>,
    /// Contents that the user marked; cleared of `Src` where the source never changed it.
    mine: BTreeSet<u32>,
    cleared: BTreeSet<u32>,
    flagged: BTreeSet<u32>,
}

impl World {
    fn new(tells_uids: bool, forgetful: bool) -> Self {
        Self {
            source: Mailbox::new(),
            target: Arc::new(Mutex::new(Mailbox::new())),
            disk: forgetful.then(|| Arc::new(Mutex::new(Mailbox::new()))),
            tells_uids,
            lost_journal: false,
            arrived: HashMap::new(),
            users: 0,
            gone: BTreeSet::new(),
            deleted: HashMap::new(),
            mine: BTreeSet::new(),
            cleared: BTreeSet::new(),
            flagged: BTreeSet::new(),
        }
    }

    fn surveyed(&self) -> SourceFolder {
        let entry = |(uid, (_, flags)): (&Uid, &(u32, BTreeSet<&'static str>))| Entry {
            uid: *uid,
            flags: set(flags),
        };
        SourceFolder {
            path: FolderPath(vec!["A".into()]),
            name: "A".into(),
            validity: self.source.validity,
            watermark: Watermark {
                uid_next: self.source.next,
                messages: u32::try_from(self.source.mail.len()).expect("few"),
                highest_modseq: 0,
            },
            entries: Entries::All(self.source.mail.iter().map(entry).collect()),
            ..SourceFolder::default()
        }
    }

    fn journalled(&self, state: &Path, uid: Uid) -> bool {
        self.journal_holds(state).contains(&uid)
    }

    /// The UIDs at the target of what the journal has. A message that a killed pass stored and
    /// the source then lost is in no journal: a power loss may take it.
    fn journal_holds(&self, state: &Path) -> BTreeSet<Uid> {
        let journal = Journal::open(state).expect("journal");
        let known = journal.state().folder(&FolderPath(vec!["A".into()]));
        let target = self.target.lock().expect("lock").validity;
        known
            .filter(|folder| folder.record.source_validity == self.source.validity)
            .filter(|folder| folder.record.target_validity == target)
            .map(|folder| folder.items.iter().map(|item| item.target_uid).collect())
            .unwrap_or_default()
    }

    /// What the target's user does goes through the ordinary door, which syncs.
    fn sync_after(&self, users: bool) {
        if let Some(disk) = self.disk.as_ref().filter(|_| users) {
            let target = self.target.lock().expect("lock");
            disk.lock().expect("lock").clone_from(&target);
        }
    }

    /// Checks the target after a last pass that nothing disturbed.
    fn check(&self) -> Result<(), TestCaseError> {
        let target = self.target.lock().expect("lock");
        let mut there: HashMap<u32, u32> = HashMap::new();
        for (content, _) in target.mail.values() {
            *there.entry(*content).or_default() += 1;
        }
        let mut at_source: HashMap<u32, u32> = HashMap::new();
        for (content, _) in self.source.mail.values() {
            *at_source.entry(*content).or_default() += 1;
        }
        for (content, arrived) in &self.arrived {
            let found = there.get(content).copied().unwrap_or(0);
            let deleted = self.deleted.get(content).copied().unwrap_or(0);
            let least = at_source
                .get(content)
                .copied()
                .unwrap_or(0)
                .saturating_sub(deleted);
            prop_assert!(found >= least, "lost: {content}: {found} of {least}");
            prop_assert!(
                found <= *arrived,
                "doubled: {content}: {found} of {arrived}"
            );
        }
        for content in &self.gone {
            prop_assert!(!there.contains_key(content), "came back: {content}");
        }
        for number in 1..=self.users {
            let kept = there.contains_key(&(USERS + number));
            prop_assert!(
                kept || self.deleted.contains_key(&(USERS + number)),
                "the user's own"
            );
        }
        for (content, flags) in target.mail.values().filter(|(content, _)| *content != SAME) {
            if self.deleted.contains_key(content) {
                continue;
            }
            if self.mine.contains(content) {
                prop_assert!(flags.contains("Mine"), "the user's flag is gone: {content}");
            }
            if self.cleared.contains(content) && !self.flagged.contains(content) {
                prop_assert!(
                    !flags.contains("Src"),
                    "the user's change was undone: {content}"
                );
            }
            let touched = self.cleared.contains(content) || self.flagged.contains(content);
            // What the source no longer has, nothing can mend.
            if at_source.contains_key(content) && !touched && !self.lost_journal {
                prop_assert!(flags.contains("Src"), "a flag was lost: {content}");
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn nothing_is_lost_doubled_or_undone(
        doings in proptest::collection::vec(doing(), 1..40),
        tells_uids in any::<bool>(),
        forgetful in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("runtime");
        runtime.block_on(async {
            let directory = tempfile::tempdir().expect("dir");
            let mut world = World::new(tells_uids, forgetful);
            for doing in doings {
                world.act(doing, directory.path()).await;
            }
            let last = world.pass(directory.path(), u32::MAX, false).await;
            prop_assert_eq!(last, Ok(()));
            world.check()?;
            let before = world.target.lock().expect("lock").clone();
            // What the journal has of a forgetful target lasts.
            world.act(Doing::PowerFailed(0), directory.path()).await;
            let kept = world.target.lock().expect("lock").clone();
            for uid in world.journal_holds(directory.path()) {
                let (before, kept) = (before.mail.get(&uid), kept.mail.get(&uid));
                prop_assert_eq!(before, kept, "not on disk: {}", uid);
            }
            let again = world.pass(directory.path(), u32::MAX, false).await;
            prop_assert_eq!(again, Ok(()));
            let after = world.target.lock().expect("lock").clone();
            prop_assert_eq!(kept.next, after.next, "a second pass writes nothing");
            Ok(())
        })?;
    }
}
