//! Random interleavings of kills, lost journal tails and both users' doings against a model:
//! nothing lost, nothing doubled, and what the target's user did stays.

mod mortal;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::mortal::{Loss, Mailbox, Mortal, bytes, set};
use super::carry::flag_changes;
use super::folder;
use super::options::Options;
use super::plan::plan;
use super::unsynced;
use super::writer::{Caution, Parts, Writer};
use crate::journal::{Journal, Record, Watermark};
use crate::model::{FolderPath, Uid};
use crate::payload::Payload;
use crate::progress::Silent;
use crate::source::{Delivery, Entries, Entry, Item, SourceFolder};
use crate::target::Target;

/// What may happen between two steps.
#[derive(Clone, Debug)]
enum Doing {
    /// A pass that dies after so many steps of the target.
    Pass(u32, bool),
    /// A pass during which the target's power fails.
    PowerFails(u32, u32),
    /// The power fails between two passes.
    PowerFailed(u32),
    /// New mail at the source; some of it byte for byte the same as other mail.
    Arrive(bool),
    SourceExpunge(usize),
    SourceFlag(usize),
    UserFlag(usize),
    UserClears(usize),
    UserExpunge(usize),
    UserAppend,
    LoseTail(usize),
    SourceRenumber,
    TargetRenumber,
}

fn doing() -> impl Strategy<Value = Doing> {
    let place = any::<usize>;
    prop_oneof![
        4 => (1u32..14, any::<bool>()).prop_map(|(steps, stores)| Doing::Pass(steps, stores)),
        2 => Just(Doing::Pass(u32::MAX, false)),
        2 => (1u32..14, any::<u32>()).prop_map(|(step, kept)| Doing::PowerFails(step, kept)),
        1 => any::<u32>().prop_map(Doing::PowerFailed),
        6 => any::<bool>().prop_map(Doing::Arrive),
        1 => place().prop_map(Doing::SourceExpunge),
        2 => place().prop_map(Doing::SourceFlag),
        2 => place().prop_map(Doing::UserFlag),
        1 => place().prop_map(Doing::UserClears),
        1 => place().prop_map(Doing::UserExpunge),
        1 => Just(Doing::UserAppend),
        1 => place().prop_map(Doing::LoseTail),
        1 => Just(Doing::SourceRenumber),
        1 => Just(Doing::TargetRenumber),
    ]
}

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

    /// One pass as the engine makes it; an error is the kill.
    async fn pass(&self, state: &Path, steps: u32, stores_when_dying: bool) -> Result<(), String> {
        self.pass_with(state, steps, stores_when_dying, None).await
    }

    async fn pass_with(
        &self,
        state: &Path,
        steps: u32,
        stores_when_dying: bool,
        power: Option<(u32, Loss)>,
    ) -> Result<(), String> {
        let mut journal = Journal::open(state).map_err(|error| error.chain())?;
        let folder = self.surveyed();
        let plan = plan(&folder, journal.state());
        let mut target = Mortal {
            server: Arc::clone(&self.target),
            disk: self.disk.clone(),
            power,
            connection: 1,
            broken: false,
            steps,
            stores_when_dying,
            tells_uids: self.tells_uids,
            waiting: VecDeque::new(),
        };
        let at_target = target.now();
        let opened = folder::open(&mut target, &mut journal, folder, plan, at_target).await;
        let mut run = opened.map_err(|_| "killed".to_owned())?;
        let caution = Caution {
            mend_flags: journal.state().interrupted,
            ..Caution::default()
        };
        journal
            .append(vec![Record::Opened])
            .map_err(|error| error.chain())?;
        let work = std::mem::take(&mut run.plan.flags);
        let changes = flag_changes(&work);
        target
            .change_flags("A", &changes)
            .await
            .map_err(|error| error.to_string())?;
        if !changes.is_empty() {
            let passed = unsynced::barrier(&mut target, 1).await;
            passed.map_err(|error| error.to_string())?;
        }
        let carried = work
            .into_iter()
            .map(|one| Record::Flags(run.id, one.source_uid, one.now));
        journal
            .append(carried.collect())
            .map_err(|error| error.chain())?;
        let (out, deliveries) = mpsc::channel(run.plan.uids.len() + 1);
        for uid in &run.plan.uids {
            let delivery = match self.source.mail.get(uid) {
                Some((content, flags)) => Delivery::Item(
                    0,
                    Item {
                        uid: *uid,
                        flags: set(flags),
                        date: None,
                        payload: Payload::from_bytes(bytes(*content).into()),
                    },
                ),
                None => Delivery::Vanished(0, *uid),
            };
            out.try_send(delivery).map_err(|error| error.to_string())?;
        }
        out.try_send(Delivery::FolderEnd(0))
            .map_err(|error| error.to_string())?;
        drop(out);
        let (finished, _verifier) = mpsc::unbounded_channel();
        let (options, stop) = (Options::default(), CancellationToken::new());
        let mut runs = vec![run];
        let mut exceptions = Vec::new();
        let parts = Parts {
            account: 0,
            user: "u",
            options: &options,
            target: &mut target,
            journal: &mut journal,
            folders: &mut runs,
            progress: &Silent,
            exceptions: &mut exceptions,
            finished: &finished,
            stop: &stop,
            caution,
            connection: 1,
        };
        let mut writer = Writer::new(parts);
        writer
            .write(deliveries)
            .await
            .map_err(|error| error.chain())?;
        assert!(exceptions.is_empty(), "{exceptions:?}");
        journal
            .append(vec![Record::Closed])
            .map_err(|error| error.chain())
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
            .map(|folder| folder.items.values().map(|item| item.target_uid).collect())
            .unwrap_or_default()
    }

    async fn act(&mut self, doing: Doing, state: &Path) {
        let target = Arc::clone(&self.target);
        let users = matches!(
            doing,
            Doing::UserFlag(_)
                | Doing::UserClears(_)
                | Doing::UserExpunge(_)
                | Doing::UserAppend
                | Doing::TargetRenumber
        );
        let pick = |index| target.lock().expect("lock").nth(index);
        match doing {
            Doing::Pass(steps, stores) => {
                let _ = self.pass(state, steps, stores).await;
            }
            Doing::PowerFails(step, kept) => {
                let power = Some((step, Loss(kept)));
                let _ = self.pass_with(state, u32::MAX, false, power).await;
            }
            Doing::PowerFailed(kept) => {
                if let Some(disk) = &self.disk {
                    let mut disk = disk.lock().expect("lock");
                    Loss(kept).strike(&mut target.lock().expect("lock"), &mut disk);
                }
            }
            Doing::Arrive(same) => {
                let content = if same {
                    SAME
                } else {
                    self.source.next + 100 * self.source.validity
                };
                *self.arrived.entry(content).or_default() += 1;
                self.source.put(content, BTreeSet::from(["Src"]));
            }
            Doing::SourceExpunge(index) => {
                if let Some(uid) = self.source.nth(index) {
                    self.source.mail.remove(&uid);
                }
            }
            Doing::SourceFlag(index) => {
                if let Some(uid) = self.source.nth(index) {
                    let (content, flags) = self.source.mail.get_mut(&uid).expect("picked");
                    if !flags.remove("Src") {
                        flags.insert("Src");
                    }
                    self.flagged.insert(*content);
                }
            }
            Doing::UserFlag(index) => self.user_marks(index, state, true),
            Doing::UserClears(index) => self.user_marks(index, state, false),
            Doing::UserExpunge(index) => {
                if let Some(uid) = pick(index) {
                    let knew = self.journalled(state, uid);
                    let (content, _) = target
                        .lock()
                        .expect("lock")
                        .mail
                        .remove(&uid)
                        .expect("picked");
                    *self.deleted.entry(content).or_default() += 1;
                    if knew && content != SAME {
                        self.gone.insert(content);
                    }
                }
            }
            Doing::UserAppend => {
                self.users += 1;
                target
                    .lock()
                    .expect("lock")
                    .put(USERS + self.users, BTreeSet::new());
            }
            Doing::LoseTail(index) => {
                let path = state.join("journal");
                if let Ok(file) = std::fs::OpenOptions::new().write(true).open(path) {
                    let length =
                        usize::try_from(file.metadata().expect("file").len()).expect("small");
                    file.set_len((index % (length + 1)) as u64).expect("cut");
                }
                self.lost_journal = true;
                self.forget();
            }
            Doing::SourceRenumber | Doing::TargetRenumber => {
                if matches!(doing, Doing::SourceRenumber) {
                    self.source.renumber();
                } else {
                    target.lock().expect("lock").renumber();
                }
                self.forget();
            }
        }
        self.sync_after(users);
    }

    /// The journal knows these messages no more: what was deleted can only be seen as new, and
    /// what the user cleared as what a crash took (see `user_marks`).
    fn forget(&mut self) {
        self.gone.clear();
        if self.disk.is_some() {
            self.flagged.append(&mut self.cleared);
        }
    }

    /// The target's user sets a flag of their own, or clears the source's.
    fn user_marks(&mut self, index: usize, state: &Path, sets: bool) {
        let Some(uid) = self.target.lock().expect("lock").nth(index) else {
            return;
        };
        let knew = self.journalled(state, uid);
        let target = Arc::clone(&self.target);
        let mut server = target.lock().expect("lock");
        let (content, flags) = server.mail.get_mut(&uid).expect("picked");
        // What a crash and a user do to a message that no journal knows looks the same.
        let unclear = !knew && self.disk.is_some();
        if unclear {
            self.flagged.insert(*content);
        }
        if sets {
            flags.insert("Mine");
            self.mine.insert(*content);
        } else {
            flags.remove("Src");
            if !unclear {
                self.cleared.insert(*content);
            }
        }
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
