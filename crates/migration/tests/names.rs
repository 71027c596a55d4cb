//! Folders of old servers whose names meet, or that are no text at all.

mod common;

use std::sync::Arc;

use common::script::{Old, exported, folder, mail};
use common::summary;
use melouvert_migration::proof::inconsistencies;
use melouvert_migration::{Outcome, Report};

fn counts(found: &[(String, Vec<String>)]) -> Vec<(String, usize)> {
    let count = |one: &(String, Vec<String>)| (one.0.clone(), one.1.len());
    found.iter().map(count).collect()
}

fn complete(report: &Report) {
    assert_eq!(report.outcome, Outcome::Complete, "{}", summary(report));
    assert_eq!(inconsistencies(report), []);
}

#[tokio::test]
async fn inbox_and_a_folder_called_inbox_stay_apart_at_every_pass() {
    for turned in [false, true] {
        let old = Old {
            separator: "\".\"",
            namespace: "((\"INBOX.\" \".\")) NIL NIL",
            ..Old::default()
        };
        let mut folders = vec![
            folder("INBOX", 1, 1..4),
            folder("INBOX.INBOX", 2, 11..15),
            folder("INBOX.INBOX.Sous", 3, [21]),
            folder("INBOX.Sous", 4, [31, 32]),
        ];
        if turned {
            folders.reverse();
        }
        *old.folders.lock().expect("folders") = folders;
        let old = Arc::new(old);
        let root = tempfile::tempdir().expect("a folder");
        complete(&old.copy(root.path()).await);
        let first = exported(root.path());
        let expected = [
            ("INBOX", 3),
            ("INBOX (2)", 4),
            ("INBOX/Sous", 1),
            ("Sous", 2),
        ];
        let expected = expected.map(|(name, count)| (name.to_owned(), count));
        assert_eq!(counts(&first), expected, "turned: {turned}");
        // New mail in both goes where it belongs.
        for folder in old.folders.lock().expect("folders").iter_mut() {
            match folder.name.as_slice() {
                b"INBOX" => folder.mails.push(mail(4)),
                b"INBOX.INBOX" => folder.mails.push(mail(15)),
                _ => {}
            }
        }
        for written in [2, 0] {
            let report = old.copy(root.path()).await;
            complete(&report);
            assert_eq!(report.accounts[0].written_messages, written);
        }
        let found = exported(root.path());
        let expected = [
            ("INBOX", 4),
            ("INBOX (2)", 5),
            ("INBOX/Sous", 1),
            ("Sous", 2),
        ];
        let expected = expected.map(|(name, count)| (name.to_owned(), count));
        assert_eq!(counts(&found), expected);
        assert!(found[0].1.iter().any(|mail| mail.starts_with("n4 ")));
        assert!(found[1].1.iter().any(|mail| mail.starts_with("n15 ")));
    }
}

#[tokio::test]
async fn commands_carry_the_bytes_that_the_listing_gave() {
    let old = Old::default();
    let raw: [&[u8]; 4] = [
        b"\xc9lus",
        "Envoyés".as_bytes(),
        b"Envoy&AOk-s",
        b"caf\xe9/\xff\xfe",
    ];
    for (name, uid) in raw.iter().zip(10..) {
        let mut folders = old.folders.lock().expect("folders");
        folders.push(folder(name, uid, [uid]));
    }
    let old = Arc::new(old);
    let root = tempfile::tempdir().expect("a folder");
    let report = old.copy(root.path()).await;
    complete(&report);
    assert_eq!(report.accounts[0].written_messages, 7);
    let heard = old.heard.lock().expect("heard").clone();
    for name in raw {
        let told = heard.iter().any(|command| {
            command.starts_with(b"EXAMINE") && common::script::named(command) == name
        });
        assert!(told, "{name:?}");
    }
    let found = exported(root.path());
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["Envoyés", "Envoyés (2)", "INBOX", "café/ÿþ", "Élus"]
    );
    let again = old.copy(root.path()).await;
    assert_eq!(again.accounts[0].written_messages, 0, "{}", summary(&again));
}

#[tokio::test]
async fn inbox_in_two_cases_is_one_folder() {
    let old = Old::default();
    old.folders
        .lock()
        .expect("folders")
        .push(folder("Inbox", 1, 1..=3));
    let old = Arc::new(old);
    let root = tempfile::tempdir().expect("a folder");
    let report = old.copy(root.path()).await;
    complete(&report);
    assert_eq!(report.accounts[0].written_messages, 3);
}

#[tokio::test]
async fn a_later_folder_does_not_take_the_place_of_one_that_rests() {
    let old = Old::default();
    old.folders
        .lock()
        .expect("folders")
        .push(folder("a.b", 2, [7]));
    let old = Arc::new(old);
    let root = tempfile::tempdir().expect("a folder");
    let target = format!("maildir:{},,", root.path().join("Maildir").display());
    complete(&old.copy_to(root.path(), &target).await);
    old.folders
        .lock()
        .expect("folders")
        .push(folder("a_b", 3, [8]));
    complete(&old.copy_to(root.path(), &target).await);
    let count = |name: &str| {
        let folder = root.path().join("Maildir").join(name);
        let parts = ["cur", "new"].map(|part| std::fs::read_dir(folder.join(part)));
        parts
            .into_iter()
            .flatten()
            .map(Iterator::count)
            .sum::<usize>()
    };
    assert_eq!((count(".a_b"), count(".a_b (2)")), (1, 1));
}
