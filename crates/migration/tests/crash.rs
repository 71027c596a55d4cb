//! The power of our own store's machine is cut in the middle of a migration: what its door had
//! acknowledged and not yet synced is gone, and nothing is lost, doubled or altered in the end.

mod common;
#[path = "common/disk.rs"]
mod disk;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{assert_same_folders, witness};
use disk::Disk;
use melouvert_bench::corpus;
use melouvert_bench::dovecot::{self, Dovecot, Format, PASSWORD};
use melouvert_bench::{door, seeds};
use melouvert_migration::account::read_accounts;
use melouvert_migration::{EndpointOptions, Outcome, Silent};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio_util::sync::CancellationToken;

const MAILBOXES: usize = 2;

/// An old server, and our own store on a disk of its own.
struct Store {
    source: Dovecot,
    options: dovecot::Options,
    ports: (u16, u16),
    target: Option<Dovecot>,
    // Unmounted before the folder that holds it goes.
    disk: Disk,
    directory: tempfile::TempDir,
}

impl Store {
    fn new(messages: usize) -> Self {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let old = directory.path().join("source");
        let corpus = corpus::Options {
            messages,
            mailboxes: MAILBOXES,
            seed: 11,
            largest: 3_000_000,
        };
        corpus::write(&seeds::load().expect("seeds"), corpus, &old.join("mail")).expect("corpus");
        dovecot::give_to_server(&old.join("mail")).expect("chown");
        let maildir = dovecot::Options {
            format: Format::Maildir,
            ..dovecot::Options::default()
        };
        let source = Dovecot::start(&old, &maildir).expect("source server");
        let disk = Disk::new(directory.path());
        let new = directory.path().join("target");
        std::fs::create_dir_all(&new).expect("folder");
        let mut options = dovecot::Options::default();
        let door = door::open(&mut options, &new, &disk.root).expect("door");
        dovecot::give_to_server(&disk.root).expect("chown");
        let target = Dovecot::start(&new, &options).expect("target server");
        let csv = accounts(source.port, door);
        std::fs::write(directory.path().join("accounts.csv"), csv).expect("csv");
        Self {
            source,
            options,
            ports: (target.port, target.tls_port),
            target: Some(target),
            disk,
            directory,
        }
    }

    /// The engine in a process of its own, as a Job has it.
    fn copy(&self) -> Copying {
        let mut command = Command::new(common::copier());
        command
            .args(["--allow-cleartext", "--jobs", "2", "--accounts"])
            .arg(self.directory.path().join("accounts.csv"))
            .arg("--state")
            .arg(self.directory.path().join("state"))
            .arg("--report")
            .arg(self.report());
        Copying(command.stdin(Stdio::null()).spawn().expect("it starts"))
    }

    fn report(&self) -> PathBuf {
        self.directory.path().join("report.json")
    }

    /// Copies to the end, which must be good.
    fn copy_whole(&self) {
        let status = self.copy().0.wait().expect("it ends");
        assert!(status.success(), "{status}: {}", self.told());
    }

    /// What the engine and the store said.
    fn told(&self) -> String {
        let report = std::fs::read_to_string(self.report()).unwrap_or_default();
        let log = self.target.as_ref().map(Dovecot::log);
        format!("{report}\n{}", log.unwrap_or_default())
    }

    /// How often the store found an index to be wrong and made it anew from the files.
    fn rebuilt(&self) -> usize {
        let log = std::fs::read_to_string(self.directory.path().join("target/log"));
        let log = log.expect("the store's log");
        log.matches("Rebuilding index").count()
    }

    /// Cuts the power, and has the machine come up again. Returns how many messages' files the cut
    /// took, whole or in part.
    fn cut(&mut self) -> usize {
        let before = self.disk.messages();
        self.disk.cut();
        self.target = None;
        self.disk.come_up();
        lost(&before, &self.disk.messages())
    }

    /// An empty store, and no journal.
    fn forget(&mut self) {
        self.target = None;
        std::fs::remove_dir_all(self.directory.path().join("state")).expect("the journals go");
        for index in 0..MAILBOXES {
            let mailbox = self.disk.root.join(corpus::mailbox_name(index));
            std::fs::remove_dir_all(mailbox).expect("the mailbox goes");
        }
        self.start_again();
    }

    fn start_again(&mut self) {
        let home = self.directory.path().join("target");
        let target = Dovecot::start_on(&home, &self.options, self.ports);
        self.target = Some(target.expect("target server"));
    }

    fn assert_alike(&self) {
        let target = self.target.as_ref().expect("it runs");
        for index in 0..MAILBOXES {
            let user = corpus::mailbox_name(index);
            let (old, new) = (witness(&self.source, &user), witness(target, &user));
            assert_same_folders(&old, &new, &user);
            assert_eq!(old.subscribed, new.subscribed, "{user}: subscriptions");
        }
    }
}

/// The engine at work; killed when dropped.
struct Copying(Child);

impl Copying {
    fn has_ended(&mut self) -> bool {
        self.0.try_wait().expect("its state").is_some()
    }

    /// Waits until so many messages more have arrived, or it has ended.
    fn some_more(&mut self, disk: &Disk, more: usize) {
        let enough = disk.messages().len() + more;
        let deadline = Instant::now() + Duration::from_mins(5);
        while disk.messages().len() < enough && !self.has_ended() {
            assert!(Instant::now() < deadline, "nothing arrives");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Copying {
    fn drop(&mut self) {
        if !self.has_ended() {
            self.0.kill().expect("kill -9");
            self.0.wait().expect("it ends");
        }
    }
}

fn accounts(old: u16, new: u16) -> String {
    let mut csv = String::from(
        "source_url,source_user,source_password,target_url,target_user,target_password\n",
    );
    for index in 0..MAILBOXES {
        let user = corpus::mailbox_name(index);
        writeln!(
            csv,
            "imap://127.0.0.1:{old},{user},{PASSWORD},imap://127.0.0.1:{new},{user},{PASSWORD}"
        )
        .expect("a string grows");
    }
    csv
}

fn lost(before: &BTreeMap<PathBuf, u64>, after: &BTreeMap<PathBuf, u64>) -> usize {
    let whole = |(path, length): &(&PathBuf, &u64)| after.get(*path) == Some(*length);
    before.iter().filter(|file| !whole(file)).count()
}

#[expect(clippy::print_stderr, reason = "for whoever reads the test's output")]
fn told(what: &str) {
    eprintln!("{what}");
}

fn machine_can() -> bool {
    if let Some(why) = disk::missing() {
        told(&format!("SKIPPED: no power cut was tried: {why}"));
        return false;
    }
    true
}

#[test]
fn power_cuts_lose_double_and_alter_nothing() {
    if !machine_can() {
        return;
    }
    let mut store = Store::new(1500);
    let mut random = StdRng::seed_from_u64(u64::from(std::process::id()));
    let (mut cuts, mut dropped) = (0, 0);
    for _ in 0..common::kills() {
        let mut copying = store.copy();
        copying.some_more(&store.disk, random.random_range(1..80));
        // What no barrier asked for may be on the disk as well, in whole or in part.
        if random.random_bool(0.5) {
            store.disk.neighbour_syncs();
            copying.some_more(&store.disk, random.random_range(1..20));
        }
        if copying.has_ended() {
            // All was copied before the cut: from the start again.
            drop(copying);
            store.forget();
            continue;
        }
        // Either the engine dies with the store, or it lives and goes on when the store is back.
        if random.random_bool(0.5) {
            drop(copying);
            dropped += store.cut();
            store.start_again();
        } else {
            dropped += store.cut();
            store.start_again();
            copying.some_more(&store.disk, random.random_range(1..50));
        }
        cuts += 1;
    }
    store.copy_whole();
    assert!(dropped > 0, "{cuts} cuts took nothing that was not synced");
    let rebuilt = store.rebuilt();
    told(&format!(
        "{cuts} cuts took {dropped} messages that were not on disk; {rebuilt} indexes were rebuilt"
    ));
    store.assert_alike();
    // What the proof says is there is on the disk itself.
    let taken = store.cut();
    assert_eq!(taken, 0, "messages were proven that no disk had");
    store.start_again();
    store.assert_alike();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_that_fails_is_not_taken_for_done() {
    if !machine_can() {
        return;
    }
    let mut store = Store::new(1000);
    let endpoints = EndpointOptions {
        allow_cleartext: true,
        ca_file: None,
    };
    let csv = store.directory.path().join("accounts.csv");
    let accounts = read_accounts(&csv, &endpoints).expect("accounts");
    let state = store.directory.path().join("state");
    let copying = tokio::spawn(async move {
        let (stop, silent) = (CancellationToken::new(), Arc::new(Silent));
        melouvert_migration::run(accounts, &state, &common::test_options(), silent, stop).await
    });
    let deadline = Instant::now() + Duration::from_mins(5);
    while store.disk.messages().len() < 50 {
        assert!(Instant::now() < deadline, "nothing arrives");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The disk fails, and the server lives on.
    store.disk.cut();
    let report = copying.await.expect("it ends");
    assert_ne!(report.outcome, Outcome::Complete, "{}", store.told());
    store.target = None;
    store.disk.come_up();
    store.start_again();
    store.copy_whole();
    store.assert_alike();
}

/// Puts large messages into agent01's INBOX at the source: several batches of them.
fn large_messages(store: &Store, count: usize) {
    let folder = store.source.mailbox("agent01").join("cur");
    for number in 0..count {
        let line = format!("{number} de nombreuses lignes d'un grand message\n");
        let text = format!("Subject: grand {number}\n\n{}", line.repeat(5000));
        let name = format!("17000000{number:02}.M{number}P1.crash:2,");
        std::fs::write(folder.join(name), text).expect("write");
    }
    dovecot::give_to_server(&folder).expect("chown");
}

fn keep(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(copied.expect("cp runs").success(), "{}", from.display());
}

/// The store refuses the first batch, whose names are taken, and takes the files in: those that it
/// then acknowledges have higher UIDs than what it took in.
#[test]
fn files_that_a_crash_left_without_their_index_are_not_doubled() {
    if !machine_can() {
        return;
    }
    let mut store = Store::new(60);
    store.copy_whole();
    let home = store.directory.path().to_owned();
    let (mailbox, state) = (store.disk.root.join("agent01"), home.join("state"));
    store.target = None;
    keep(&mailbox, &home.join("mailbox"));
    keep(&state, &home.join("kept"));
    store.start_again();
    large_messages(&store, 40);
    let before = store.disk.messages();
    store.copy_whole();
    store.target = None;
    // Index and journal as they were, and the files of a few messages more.
    let after = store.disk.messages();
    let mut left: Vec<PathBuf> = after
        .into_keys()
        .filter(|path| !before.contains_key(path))
        .collect();
    let number = |path: &PathBuf| {
        let name = path
            .extension()
            .map(|number| number.to_string_lossy().into_owned());
        name.and_then(|number| number.parse::<u32>().ok())
    };
    left.sort_by_key(number);
    let rescued = home.join("rescued");
    std::fs::create_dir(&rescued).expect("folder");
    for path in &left[..6] {
        keep(path, &rescued);
    }
    let place = left[0].parent().expect("its folder").to_owned();
    for (old, kept) in [(&mailbox, "mailbox"), (&state, "kept")] {
        std::fs::remove_dir_all(old).expect("remove");
        keep(&home.join(kept), old);
    }
    dovecot::give_to_server(&rescued).expect("chown");
    keep(&rescued.join("."), &place);
    store.start_again();
    store.copy_whole();
    assert!(store.rebuilt() > 0, "{}", store.told());
    store.assert_alike();
}
