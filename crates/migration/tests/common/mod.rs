//! Two real Dovecots, a corpus of real messages, and an outside witness.

#![allow(dead_code, reason = "each test file uses its own part")]

pub mod hands;
pub mod script;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use melouvert_bench::dovecot::{self, Dovecot, Format, PASSWORD};
use melouvert_bench::{corpus, seeds};
use melouvert_migration::account::parse_accounts;
use melouvert_migration::{Account, EndpointOptions, Options, Report, Silent};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

/// One message as the witness saw it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize)]
pub struct Seen {
    pub hash: String,
    pub size: u64,
    pub flags: Vec<String>,
    pub date: String,
}

#[derive(Debug, Deserialize)]
struct RawFolder {
    separator: String,
    messages: Vec<Seen>,
}

#[derive(Debug, Deserialize)]
struct RawMailbox {
    folders: BTreeMap<String, RawFolder>,
    subscribed: Vec<String>,
}

/// A mailbox as the witness saw it: folders by their levels, each a sorted multiset.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mailbox {
    pub folders: BTreeMap<Vec<String>, Vec<Seen>>,
    pub subscribed: Vec<Vec<String>>,
}

impl Mailbox {
    pub fn messages(&self) -> usize {
        self.folders.values().map(Vec::len).sum()
    }
}

/// Reads a mailbox with Python's IMAP client.
pub fn witness(server: &Dovecot, user: &str) -> Mailbox {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/bench/src/reader.py");
    let output = Command::new("python3")
        .arg(script)
        .args(["127.0.0.1", &server.port.to_string(), user, PASSWORD])
        .output()
        .expect("python3 runs: apt-get install -y python3");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "the witness failed: {errors}\n{}",
        server.log()
    );
    let raw: RawMailbox = serde_json::from_slice(&output.stdout).expect("the witness speaks JSON");
    let mut folders = BTreeMap::new();
    let separator = raw
        .folders
        .values()
        .next()
        .map_or("/".to_owned(), |f| f.separator.clone());
    let levels = |name: &str| {
        name.split(separator.as_str())
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    for (name, mut folder) in raw.folders {
        folder.messages.sort();
        folders.insert(levels(&name), folder.messages);
    }
    let subscribed = raw.subscribed.iter().map(|name| levels(name)).collect();
    Mailbox {
        folders,
        subscribed,
    }
}

/// An old server filled with real messages, and a new one that is empty.
pub struct Lab {
    pub directory: tempfile::TempDir,
    pub source: Dovecot,
    pub target: Dovecot,
    pub mailboxes: usize,
}

impl Lab {
    pub fn new(messages: usize, mailboxes: usize) -> Self {
        Self::with(messages, mailboxes, &dovecot::Options::default())
    }

    pub fn with(messages: usize, mailboxes: usize, target: &dovecot::Options) -> Self {
        let source = dovecot::Options {
            format: Format::Maildir,
            ..dovecot::Options::default()
        };
        Self::with_both(messages, mailboxes, &source, target)
    }

    pub fn with_both(
        messages: usize,
        mailboxes: usize,
        source: &dovecot::Options,
        target: &dovecot::Options,
    ) -> Self {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let old = directory.path().join("source");
        let mail = old.join("mail");
        let options = corpus::Options {
            messages,
            mailboxes,
            seed: 7,
            largest: 3_000_000,
        };
        corpus::write(&seeds::load().expect("seeds"), options, &mail).expect("corpus");
        dovecot::give_to_server(&mail).expect("chown");
        let source = Dovecot::start(&old, source).expect("source server");
        let new = directory.path().join("target");
        std::fs::create_dir_all(&new).expect("folder");
        let target = Dovecot::start(&new, target).expect("target server");
        Self {
            directory,
            source,
            target,
            mailboxes,
        }
    }

    pub fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    pub fn csv_with(&self, source_port: u16, target_port: u16) -> String {
        let mut csv = String::from(
            "source_url,source_user,source_password,target_url,target_user,target_password\n",
        );
        for index in 0..self.mailboxes {
            let user = corpus::mailbox_name(index);
            writeln!(
                csv,
                "imap://127.0.0.1:{source_port},{user},{PASSWORD},\
                 imap://127.0.0.1:{target_port},{user},{PASSWORD}"
            )
            .expect("a string grows");
        }
        csv
    }

    pub fn accounts_with(&self, source_port: u16, target_port: u16) -> Vec<Account> {
        let options = EndpointOptions {
            allow_cleartext: true,
            ca_file: None,
        };
        parse_accounts(self.csv_with(source_port, target_port).as_bytes(), &options).expect("csv")
    }

    pub fn accounts(&self) -> Vec<Account> {
        self.accounts_with(self.source.port, self.target.port)
    }

    /// Runs the engine in this process.
    pub async fn copy(&self) -> Report {
        self.copy_with(self.accounts(), &test_options()).await
    }

    pub async fn copy_with(&self, accounts: Vec<Account>, options: &Options) -> Report {
        let stop = CancellationToken::new();
        let silent = Arc::new(Silent);
        melouvert_migration::run(accounts, &self.state(), options, silent, stop).await
    }

    /// Compares every mailbox of both servers: folders, bytes, flags, dates, subscriptions.
    pub fn assert_alike(&self) {
        for index in 0..self.mailboxes {
            let user = corpus::mailbox_name(index);
            let (old, new) = (witness(&self.source, &user), witness(&self.target, &user));
            assert_same_folders(&old, &new, &user);
            assert_eq!(old.subscribed, new.subscribed, "{user}: subscriptions");
        }
    }
}

pub fn assert_same_folders(old: &Mailbox, new: &Mailbox, user: &str) {
    let names = |mailbox: &Mailbox| mailbox.folders.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(old), names(new), "{user}: folders");
    for (name, messages) in &old.folders {
        let there = &new.folders[name];
        assert_eq!(messages.len(), there.len(), "{user}, {name:?}: count");
        for (old, new) in messages.iter().zip(there) {
            assert_eq!(old, new, "{user}, {name:?}");
        }
    }
}

/// Kills of a test; more with `MELOUVERT_KILLS`.
pub fn kills() -> u32 {
    std::env::var("MELOUVERT_KILLS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(8)
}

/// Every file of an export is as its sums say, as `sha256sum` sees it.
pub fn verify_sums(root: &Path) {
    let sums = Command::new("sha256sum")
        .args(["--check", "--strict", "--quiet", "SHA256SUMS"])
        .current_dir(root)
        .output()
        .expect("sha256sum runs");
    assert!(
        sums.status.success(),
        "{}",
        String::from_utf8_lossy(&sums.stdout)
    );
}

/// The copying program, which cargo builds beside the tests: with a build folder of its own it is
/// uplifted to the target folder (`cargo build --example copy` when only one test is run).
pub fn copier() -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    let beside = test
        .parent()
        .and_then(Path::parent)
        .expect("cargo's folder");
    let beside = beside.join("examples/copy");
    if beside.exists() {
        return beside;
    }
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/debug/examples/copy")
}

/// Options that fail fast enough for a test.
pub fn test_options() -> Options {
    let mut options = Options {
        jobs: 2,
        ..Options::default()
    };
    options.backoff.first = std::time::Duration::from_millis(20);
    options.backoff.longest = std::time::Duration::from_millis(500);
    options
}

/// Ready for TLS, once per process.
pub fn summary(report: &Report) -> String {
    serde_json::to_string_pretty(report).expect("a report is JSON")
}

/// Cuts each journal at a random place, or deletes it.
pub fn damage_journals(lab: &Lab, random: &mut rand::rngs::StdRng) {
    use rand::Rng;
    for entry in std::fs::read_dir(lab.state()).expect("state") {
        let journal = entry.expect("entry").path().join("journal");
        if random.random_range(0..4) == 0 {
            let _ = std::fs::remove_file(&journal);
        } else if let Ok(file) = std::fs::OpenOptions::new().write(true).open(&journal) {
            let length = file.metadata().expect("metadata").len();
            file.set_len(random.random_range(0..=length)).expect("cut");
        }
    }
}
