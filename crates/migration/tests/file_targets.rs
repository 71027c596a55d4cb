//! Targets made of files: a Maildir++ that a real Dovecot serves, an export that `sha256sum` and
//! Python's mbox reader verify, both under kill -9.

mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Lab, Mailbox, Seen, summary, test_options, witness};
use melouvert_bench::corpus::mailbox_name;
use melouvert_bench::dovecot::{self, Format, PASSWORD};
use melouvert_migration::account::parse_accounts;
use melouvert_migration::{EndpointOptions, Outcome};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// A lab whose target server serves the Maildirs that the engine writes.
fn lab(messages: usize) -> Lab {
    let target = dovecot::Options {
        format: Format::Maildir,
        ..dovecot::Options::default()
    };
    Lab::with(messages, 2, &target)
}

#[derive(Clone, Copy)]
enum Kind {
    Maildir,
    Export,
}

fn place(lab: &Lab, kind: Kind, user: &str) -> PathBuf {
    match kind {
        Kind::Maildir => {
            let path = lab.target.mailbox(user);
            if !path.exists() {
                fs::create_dir_all(&path).expect("folder");
                dovecot::give_to_server(&path).expect("chown");
            }
            path
        }
        Kind::Export => lab.directory.path().join("export").join(user),
    }
}

fn csv(lab: &Lab, kind: Kind) -> String {
    let mut csv = String::from(
        "source_url,source_user,source_password,target_url,target_user,target_password\n",
    );
    for index in 0..lab.mailboxes {
        let user = mailbox_name(index);
        let scheme = match kind {
            Kind::Maildir => "maildir",
            Kind::Export => "export",
        };
        let path = place(lab, kind, &user);
        let port = lab.source.port;
        writeln!(
            csv,
            "imap://127.0.0.1:{port},{user},{PASSWORD},{scheme}:{},,",
            path.display()
        )
        .expect("a string grows");
    }
    csv
}

async fn copy(lab: &Lab, kind: Kind) -> melouvert_migration::Report {
    let options = EndpointOptions {
        allow_cleartext: true,
        ca_file: None,
    };
    let accounts = parse_accounts(csv(lab, kind).as_bytes(), &options).expect("csv");
    lab.copy_with(accounts, &test_options()).await
}

/// The export as the witness sees mailboxes.
fn read_export(root: &Path) -> Mailbox {
    let mut folders = BTreeMap::new();
    let mut subscribed = Vec::new();
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(root.join("manifest.json")).expect("a manifest"))
            .expect("JSON");
    for folder in manifest["folders"].as_array().expect("folders") {
        let path: Vec<String> = serde_json::from_value(folder["path"].clone()).expect("levels");
        // The witness reads names as they travel.
        let path: Vec<String> = path
            .iter()
            .map(|level| melouvert_migration::imap::utf7::encode(level))
            .collect();
        let directory = root.join(folder["directory"].as_str().expect("text"));
        let mut messages = Vec::new();
        let index = fs::read_to_string(directory.join("index.jsonl")).unwrap_or_default();
        for line in index.lines() {
            let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
            let number = line["number"].as_u64().expect("a number");
            let file = directory.join("messages").join(format!("{number:08}.eml"));
            let size = fs::metadata(&file).expect("the message's file").len();
            let date: jiff::Timestamp = line["date"]
                .as_str()
                .expect("a date")
                .parse()
                .expect("RFC 3339");
            let mut flags: Vec<String> =
                serde_json::from_value(line["flags"].clone()).expect("flags");
            flags.sort();
            messages.push(Seen {
                hash: line["sha256"].as_str().expect("text").to_owned(),
                size,
                flags,
                date: date.strftime("%d-%b-%Y %H:%M:%S +0000").to_string(),
            });
        }
        messages.sort();
        if folder["subscribed"] == true {
            subscribed.push(path.clone());
        }
        folders.insert(path, messages);
    }
    subscribed.sort_by_key(|path| path.join("/"));
    Mailbox {
        folders,
        subscribed,
    }
}

/// Everything that outside tools can say about an export.
fn verify_export(root: &Path) {
    common::verify_sums(root);
    let listed = fs::read_to_string(root.join("SHA256SUMS"))
        .expect("sums")
        .lines()
        .count();
    let found = Command::new("find")
        .args([
            ".",
            "-path",
            "./.melouvert",
            "-prune",
            "-o",
            "-type",
            "f",
            "-print",
        ])
        .current_dir(root)
        .output()
        .expect("find runs");
    let files = String::from_utf8_lossy(&found.stdout).lines().count();
    assert_eq!(
        files,
        listed + 1,
        "every file but SHA256SUMS itself is listed"
    );
    let script = "import json, mailbox, sys, os\n\
        root = sys.argv[1]\n\
        for f in json.load(open(root + '/manifest.json'))['folders']:\n\
        \x20   d = os.path.join(root, f['directory'])\n\
        \x20   box = mailbox.mbox(d + '/messages.mbox', create=False)\n\
        \x20   assert len(box) == f['messages'], (d, len(box), f['messages'])\n\
        \x20   names = sorted(os.listdir(d + '/messages'))\n\
        \x20   for (key, name) in zip(box.iterkeys(), names):\n\
        \x20       raw = open(d + '/messages/' + name, 'rb').read()\n\
        \x20       got = box.get_bytes(key)\n\
        \x20       want = raw.replace(b'\\r\\n', b'\\n')\n\
        \x20       quoted = b'\\n'.join(b'>' + l if l.lstrip(b'>').startswith(b'From ') else l for l in want.split(b'\\n'))\n\
        \x20       assert got.rstrip(b'\\n') == quoted.rstrip(b'\\n'), (d, name)\n";
    let read = Command::new("python3")
        .args(["-c", script])
        .arg(root)
        .output()
        .expect("python3");
    assert!(
        read.status.success(),
        "{}",
        String::from_utf8_lossy(&read.stderr)
    );
}

fn assert_alike(lab: &Lab, kind: Kind) {
    for index in 0..lab.mailboxes {
        let user = mailbox_name(index);
        let old = witness(&lab.source, &user);
        let new = match kind {
            Kind::Maildir => witness(&lab.target, &user),
            Kind::Export => {
                let root = place(lab, kind, &user);
                verify_export(&root);
                read_export(&root)
            }
        };
        common::assert_same_folders(&old, &new, &user);
        assert_eq!(old.subscribed, new.subscribed, "{user}: subscriptions");
    }
}

async fn copies_once(kind: Kind) {
    let lab = lab(300);
    let report = copy(&lab, kind).await;
    assert_eq!(report.outcome, Outcome::Complete, "{}", summary(&report));
    assert_alike(&lab, kind);
    for account in &report.accounts {
        for folder in &account.folders {
            assert!(folder.complete, "{folder:?}");
            assert_eq!(folder.source_messages, folder.verified_messages);
        }
    }
    let again = copy(&lab, kind).await;
    assert_eq!(again.outcome, Outcome::Complete, "{}", summary(&again));
    for account in &again.accounts {
        let changes = account.written_messages + account.matched_messages + account.flag_changes;
        assert_eq!(changes, 0);
    }
    assert_alike(&lab, kind);
    if matches!(kind, Kind::Export) {
        hashes_are_those_of_the_proof(&lab, &report);
    }
}

fn hashes_are_those_of_the_proof(lab: &Lab, report: &melouvert_migration::Report) {
    for account in &report.accounts {
        let root = place(lab, Kind::Export, &account.source_user);
        let bytes = fs::read(root.join("manifest.json")).expect("a manifest");
        let manifest: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        let hashes: BTreeMap<String, String> = manifest["folders"]
            .as_array()
            .expect("folders")
            .iter()
            .map(|folder| {
                let path: Vec<String> =
                    serde_json::from_value(folder["path"].clone()).expect("path");
                (
                    path.join("/"),
                    folder["hash_of_hashes"].as_str().expect("text").to_owned(),
                )
            })
            .collect();
        for folder in &account.folders {
            assert_eq!(hashes[&folder.path], folder.source_hash, "{}", folder.path);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dovecot_serves_the_maildir_as_it_stands() {
    copies_once(Kind::Maildir).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_export_is_whole_and_verifiable() {
    copies_once(Kind::Export).await;
}

/// What the target's user does between two runs stays.
#[tokio::test(flavor = "multi_thread")]
async fn the_user_of_the_maildir_wins() {
    let lab = lab(120);
    let first = copy(&lab, Kind::Maildir).await;
    assert_eq!(first.outcome, Outcome::Complete, "{}", summary(&first));
    let script = "import imaplib, sys\n\
        c = imaplib.IMAP4('127.0.0.1', int(sys.argv[1])); c.login(sys.argv[2], sys.argv[3])\n\
        c.select('INBOX')\n\
        c.uid('STORE', '1:*', '+FLAGS', '(Agent \\\\Flagged)')\n\
        c.append('INBOX', None, None, b'Subject: neuf\\r\\n\\r\\nx\\r\\n')\n\
        c.logout()\n";
    let user = mailbox_name(0);
    let done = Command::new("python3")
        .args(["-c", script, &lab.target.port.to_string(), &user, PASSWORD])
        .status()
        .expect("python3");
    assert!(done.success());
    let before = witness(&lab.target, &user);
    let again = copy(&lab, Kind::Maildir).await;
    assert_eq!(again.outcome, Outcome::Complete, "{}", summary(&again));
    let after = witness(&lab.target, &user);
    assert_eq!(before, after);
    let inbox = &after.folders[&vec!["INBOX".to_owned()]];
    assert!(
        inbox
            .iter()
            .filter(|seen| seen.flags.contains(&"Agent".to_owned()))
            .count()
            > 3
    );
    // The UIDs that Dovecot gave and those that the engine gave are one sequence.
    assert!(!lab.target.log().contains("Error"), "{}", lab.target.log());
}

fn copier(lab: &Lab, kind: Kind) -> Command {
    let list = lab.directory.path().join("accounts.csv");
    fs::write(&list, csv(lab, kind)).expect("csv");
    let mut command = Command::new(common::copier());
    command
        .args(["--allow-cleartext", "--jobs", "2", "--accounts"])
        .arg(list);
    command.arg("--state").arg(lab.state());
    command
        .arg("--report")
        .arg(lab.directory.path().join("report.json"));
    command.stdin(Stdio::null());
    command
}

fn killed_again_and_again(kind: Kind) {
    let lab = lab(400);
    let mut random = StdRng::seed_from_u64(std::process::id().into());
    let deadline = Instant::now() + Duration::from_mins(10);
    let mut killed = 0;
    while killed < common::kills() && Instant::now() < deadline {
        let mut child = copier(&lab, kind).spawn().expect("the copier starts");
        std::thread::sleep(Duration::from_millis(random.random_range(5..400)));
        if child.try_wait().expect("wait").is_some() {
            // Copied before the kill: forget a part, as if the disk had lost it, and go on.
            common::damage_journals(&lab, &mut random);
        } else {
            child.kill().expect("kill -9");
            child.wait().expect("wait");
        }
        killed += 1;
    }
    let status = copier(&lab, kind).status().expect("the copier runs");
    let report = fs::read_to_string(lab.directory.path().join("report.json"));
    assert!(status.success(), "{status}: {report:?}");
    assert_alike(&lab, kind);
}

#[test]
fn kills_leave_the_maildir_whole() {
    killed_again_and_again(Kind::Maildir);
}

#[test]
fn kills_leave_the_export_whole() {
    killed_again_and_again(Kind::Export);
}
