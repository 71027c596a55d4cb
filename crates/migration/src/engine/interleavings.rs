//! Random interleavings of kills, lost journal tails and both users' doings against a model:
//! nothing lost, nothing doubled, and what the target's user did stays.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::BoxFuture;
use proptest::prelude::*;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::account::flag_changes;
use super::folder;
use super::options::Options;
use super::plan::plan;
use super::writer::{Parts, Writer};
use crate::error::EndpointError;
use crate::journal::{Journal, Record, Watermark};
use crate::matcher::Held;
use crate::model::{FlagSet, FolderPath, MessageHash, Uid};
use crate::payload::Payload;
use crate::progress::Silent;
use crate::source::{Delivery, Entries, Entry, Item, SourceFolder};
use crate::target::{Ack, FlagChange, Target, TargetFolder, WantedFolder};

/// One folder of a server: by UID a message's content and flags.
#[derive(Clone, Debug)]
struct Mailbox {
    validity: u32,
    next: Uid,
    mail: BTreeMap<Uid, (u32, BTreeSet<&'static str>)>,
}

impl Mailbox {
    fn new() -> Self {
        Self {
            validity: 1,
            next: 1,
            mail: BTreeMap::new(),
        }
    }

    fn put(&mut self, content: u32, flags: BTreeSet<&'static str>) -> Uid {
        let uid = self.next;
        self.mail.insert(uid, (content, flags));
        self.next += 1;
        uid
    }

    fn renumber(&mut self) {
        let mail = std::mem::take(&mut self.mail);
        self.validity += 1;
        self.next = 1;
        for (content, flags) in mail.into_values() {
            self.put(content, flags);
        }
    }

    fn nth(&self, index: usize) -> Option<Uid> {
        self.mail
            .keys()
            .copied()
            .nth(index % self.mail.len().max(1))
    }
}

fn known(flags: &FlagSet) -> BTreeSet<&'static str> {
    ["Src", "Mine"]
        .into_iter()
        .filter(|flag| flags.contains(flag))
        .collect()
}

fn set(flags: &BTreeSet<&'static str>) -> FlagSet {
    FlagSet::new(flags.iter().copied())
}

fn bytes(content: u32) -> Vec<u8> {
    format!("Subject: {content}\r\n\r\n").into_bytes()
}

/// A target that dies for good after so many steps.
struct Mortal {
    server: Arc<Mutex<Mailbox>>,
    steps: u32,
    stores_when_dying: bool,
    tells_uids: bool,
    waiting: VecDeque<Vec<Uid>>,
}

impl Mortal {
    fn step(&mut self) -> Result<(), EndpointError> {
        self.steps = self.steps.saturating_sub(1);
        if self.steps == 0 {
            let source = std::io::Error::other("killed");
            return Err(EndpointError::Io {
                path: "kill".into(),
                source,
            });
        }
        Ok(())
    }

    fn now(&self) -> TargetFolder {
        let server = self.server.lock().expect("lock");
        TargetFolder {
            name: "A".into(),
            validity: server.validity,
            uid_next: server.next,
            messages: u32::try_from(server.mail.len()).expect("few"),
        }
    }

    fn held(&self, wanted: impl Fn(Uid) -> bool) -> Vec<Held> {
        let server = self.server.lock().expect("lock");
        let mail = server.mail.iter().filter(|(uid, _)| wanted(**uid));
        mail.map(|(uid, (content, flags))| Held {
            uid: *uid,
            hash: MessageHash::of(&bytes(*content)),
            size: bytes(*content).len() as u64,
            flags: set(flags),
            date: None,
        })
        .collect()
    }

    fn store(&mut self, batch: &[Item]) {
        let mut server = self.server.lock().expect("lock");
        let uids = batch.iter().map(|item| {
            let content = item.payload.memory().expect("small").to_vec();
            let text = String::from_utf8(content).expect("text");
            let content = text
                .trim_start_matches("Subject: ")
                .trim_end()
                .parse()
                .expect("number");
            server.put(content, known(&item.flags))
        });
        let uids = uids.collect();
        self.waiting.push_back(uids);
    }
}

impl Target for Mortal {
    fn prepare<'a>(
        &'a mut self,
        _: &'a [WantedFolder],
    ) -> BoxFuture<'a, Result<Vec<Result<TargetFolder, String>>, EndpointError>> {
        async move { self.step().map(|()| vec![Ok(self.now())]) }.boxed()
    }

    fn state<'a>(&'a mut self, _: &'a str) -> BoxFuture<'a, Result<TargetFolder, EndpointError>> {
        async move { self.step().map(|()| self.now()) }.boxed()
    }

    fn read_above<'a>(
        &'a mut self,
        _: &'a str,
        above: Uid,
    ) -> BoxFuture<'a, Result<Vec<Held>, EndpointError>> {
        async move { self.step().map(|()| self.held(|uid| uid > above)) }.boxed()
    }

    fn read_these<'a>(
        &'a mut self,
        _: &'a str,
        uids: &'a [Uid],
    ) -> BoxFuture<'a, Result<Vec<Held>, EndpointError>> {
        async move { self.step().map(|()| self.held(|uid| uids.contains(&uid))) }.boxed()
    }

    fn submit<'a>(
        &'a mut self,
        _: &'a str,
        batch: &'a [Item],
    ) -> BoxFuture<'a, Result<(), EndpointError>> {
        async move {
            let died = self.step();
            if died.is_ok() || self.stores_when_dying {
                self.store(batch);
            }
            died
        }
        .boxed()
    }

    fn acknowledge(&mut self) -> BoxFuture<'_, Result<Ack, EndpointError>> {
        async move {
            self.step()?;
            let uids = self.waiting.pop_front().unwrap_or_default();
            Ok(Ack::Stored(self.tells_uids.then_some(uids)))
        }
        .boxed()
    }

    fn window(&self) -> usize {
        2
    }

    fn batch_limit(&self) -> usize {
        3
    }

    fn change_flags<'a>(
        &'a mut self,
        _: &'a str,
        changes: &'a [FlagChange],
    ) -> BoxFuture<'a, Result<(), EndpointError>> {
        async move {
            for change in changes {
                self.step()?;
                let mut server = self.server.lock().expect("lock");
                if let Some((_, flags)) = server.mail.get_mut(&change.uid) {
                    flags.extend(known(&change.add));
                    flags.retain(|flag| !change.remove.contains(flag));
                }
            }
            Ok(())
        }
        .boxed()
    }

    fn reconnect(&mut self) -> BoxFuture<'_, Result<(), EndpointError>> {
        async move { self.step() }.boxed()
    }
}

/// What may happen between two steps.
#[derive(Clone, Debug)]
enum Doing {
    /// A pass that dies after so many steps of the target.
    Pass(u32, bool),
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
    tells_uids: bool,
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
    fn new(tells_uids: bool) -> Self {
        Self {
            source: Mailbox::new(),
            target: Arc::new(Mutex::new(Mailbox::new())),
            tells_uids,
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
        let mut journal = Journal::open(state).map_err(|error| error.chain())?;
        let folder = self.surveyed();
        let plan = plan(&folder, journal.state());
        let mut target = Mortal {
            server: Arc::clone(&self.target),
            steps,
            stores_when_dying,
            tells_uids: self.tells_uids,
            waiting: VecDeque::new(),
        };
        let at_target = target.now();
        let opened = folder::open(&mut target, &mut journal, folder, plan, at_target).await;
        let mut run = opened.map_err(|_| "killed".to_owned())?;
        journal
            .append(vec![Record::Opened])
            .map_err(|error| error.chain())?;
        let work = std::mem::take(&mut run.plan.flags);
        let changes = flag_changes(&work);
        target
            .change_flags("A", &changes)
            .await
            .map_err(|error| error.to_string())?;
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
        let journal = Journal::open(state).expect("journal");
        let folder = journal
            .state()
            .folder(&FolderPath(vec!["A".into()]))
            .cloned();
        let server = self.target.lock().expect("lock");
        folder.is_some_and(|folder| {
            folder.record.source_validity == self.source.validity
                && folder.record.target_validity == server.validity
                && folder.items.values().any(|item| item.target_uid == uid)
        })
    }

    async fn act(&mut self, doing: Doing, state: &Path) {
        let target = Arc::clone(&self.target);
        let pick = |index| target.lock().expect("lock").nth(index);
        match doing {
            Doing::Pass(steps, stores) => {
                let _ = self.pass(state, steps, stores).await;
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
            Doing::UserFlag(index) | Doing::UserClears(index) => {
                if let Some(uid) = pick(index) {
                    let mut server = target.lock().expect("lock");
                    let (content, flags) = server.mail.get_mut(&uid).expect("picked");
                    if matches!(doing, Doing::UserFlag(_)) {
                        flags.insert("Mine");
                        self.mine.insert(*content);
                    } else {
                        flags.remove("Src");
                        self.cleared.insert(*content);
                    }
                }
            }
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
                // What the journal forgot can only be seen as new.
                self.gone.clear();
            }
            Doing::SourceRenumber | Doing::TargetRenumber => {
                if matches!(doing, Doing::SourceRenumber) {
                    self.source.renumber();
                } else {
                    target.lock().expect("lock").renumber();
                }
                self.gone.clear();
            }
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
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("runtime");
        runtime.block_on(async {
            let directory = tempfile::tempdir().expect("dir");
            let mut world = World::new(tells_uids);
            for doing in doings {
                world.act(doing, directory.path()).await;
            }
            let last = world.pass(directory.path(), u32::MAX, false).await;
            prop_assert_eq!(last, Ok(()));
            world.check()?;
            let before = world.target.lock().expect("lock").clone();
            let again = world.pass(directory.path(), u32::MAX, false).await;
            prop_assert_eq!(again, Ok(()));
            let after = world.target.lock().expect("lock").clone();
            prop_assert_eq!(before.next, after.next, "a second pass writes nothing");
            Ok(())
        })?;
    }
}
