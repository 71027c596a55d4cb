//! Imports real messages from files of each kind into a real Dovecot, and compares with what IMAP
//! gives of the same messages.

mod archives;
mod common;

use std::path::Path;

use archives::{Original, originals};
use common::{Lab, Mailbox, assert_same_folders, summary, test_options, witness};
use melouvert_bench::dovecot::PASSWORD;
use melouvert_migration::account::parse_accounts;
use melouvert_migration::proof::Reason;
use melouvert_migration::{Account, EndpointOptions, Outcome, Report};

const USER: &str = "agent01";

fn account(lab: &Lab, url: &str) -> Account {
    let csv = format!(
        "source_url,source_user,source_password,target_url,target_user,target_password\n\
         \"{url}\",,,imap://127.0.0.1:{},{USER},{PASSWORD}\n",
        lab.target.port
    );
    let options = EndpointOptions {
        allow_cleartext: true,
        ca_file: None,
    };
    parse_accounts(csv.as_bytes(), &options)
        .expect("csv")
        .remove(0)
}

async fn import(lab: &Lab, url: &str) -> Report {
    lab.copy_with(vec![account(lab, url)], &test_options())
        .await
}

async fn complete(lab: &Lab, url: &str) -> (u64, u64) {
    let report = import(lab, url).await;
    assert_eq!(
        report.outcome,
        Outcome::Complete,
        "{url}: {}",
        summary(&report)
    );
    let one = &report.accounts[0];
    for folder in &one.folders {
        assert_eq!(folder.source_hash, folder.target_hash, "{folder:?}");
    }
    (
        one.written_messages + one.flag_changes,
        one.matched_messages,
    )
}

/// Second passes, as they are met in real life: nothing may be written.
async fn nothing_changes(lab: &Lab, url: &str, path: &Path, messages: u64) {
    let before = witness(&lab.target, USER);
    assert_eq!(complete(lab, url).await, (0, 0), "{url}: second pass");
    let directory = lab.state().join(account(lab, url).key());
    // What tells that nothing changed is lost: everything is looked at again.
    std::fs::remove_file(directory.join("survey")).expect("remove");
    let (written, _) = complete(lab, url).await;
    assert_eq!(written, 0, "{url}: without the survey");
    std::fs::remove_file(directory.join("numbers")).expect("remove");
    let (written, _) = complete(lab, url).await;
    assert_eq!(written, 0, "{url}: without the numbers");
    std::fs::remove_dir_all(lab.state()).expect("remove");
    assert_eq!(
        complete(lab, url).await,
        (0, messages),
        "{url}: without any state"
    );
    let moved = path.with_file_name(format!(
        "moved {}",
        path.file_name().expect("name").display()
    ));
    std::fs::rename(path, &moved).expect("move");
    let elsewhere = url.replace(&path.display().to_string(), &moved.display().to_string());
    assert_eq!(
        complete(lab, &elsewhere).await,
        (0, messages),
        "{url}: moved"
    );
    std::fs::rename(&moved, path).expect("move back");
    assert_same_folders(&before, &witness(&lab.target, USER), USER);
}

fn without_dates_and_flags(mut mailbox: Mailbox) -> Mailbox {
    for messages in mailbox.folders.values_mut() {
        for message in messages.iter_mut() {
            message.date.clear();
            message.flags.clear();
        }
        messages.sort();
    }
    mailbox
}

/// A mailbox of real messages, each ending with a line end as every file format needs it.
fn lab(messages: usize) -> (Lab, Vec<Original>) {
    let lab = Lab::new(messages, 1);
    let originals = originals(&lab.source.mailbox(USER));
    (lab, originals)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_maildir_arrives_as_imap_shows_it() {
    let (lab, _) = lab(300);
    let root = lab.source.mailbox(USER);
    let url = format!("maildir:{}", root.display());
    assert_eq!(complete(&lab, &url).await, (300, 0));
    lab.assert_alike();
    // The old server has moved files from `new` to `cur` meanwhile.
    nothing_changes(&lab, &url, &root, 300).await;
    lab.assert_alike();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_maildir_that_goes_on_living_is_followed() {
    let (lab, _) = lab(60);
    let root = lab.source.mailbox(USER);
    let url = format!("maildir:{}", root.display());
    assert_eq!(complete(&lab, &url).await, (60, 0));
    std::fs::write(
        root.join("new/1900000000.M1.host"),
        "Subject: new\n\nhello\n",
    )
    .expect("write");
    let cur = std::fs::read_dir(root.join("cur")).expect("cur");
    let plain = |name: &str| {
        name.split_once(":2,")
            .is_some_and(|(_, flags)| !flags.contains('T'))
    };
    let (from, name) = cur
        .map(|entry| entry.expect("entry"))
        .map(|entry| {
            (
                entry.path(),
                entry.file_name().to_string_lossy().into_owned(),
            )
        })
        .find(|(_, name)| plain(name))
        .expect("a message");
    let (base, _) = name.split_once(":2,").expect("flags");
    std::fs::rename(from, root.join(format!("cur/{base}:2,FR"))).expect("flag");
    let (written, matched) = complete(&lab, &url).await;
    assert_eq!((written, matched), (2, 0));
    lab.assert_alike();
}

#[tokio::test(flavor = "multi_thread")]
async fn mbox_files_arrive_as_imap_shows_their_messages() {
    let (lab, originals) = lab(250);
    let root = lab.directory.path().join("mbox");
    archives::write_mboxes(&originals, &root);
    let url = format!("mbox:{}?dialect=mboxrd", root.display());
    assert_eq!(complete(&lab, &url).await, (250, 0));
    let (old, new) = (witness(&lab.source, USER), witness(&lab.target, USER));
    assert_same_folders(&old, &new, USER);
    nothing_changes(&lab, &url, &root, 250).await;
    // The same messages in another order are the same messages.
    let mut turned = originals;
    turned.reverse();
    std::fs::remove_dir_all(&root).expect("remove");
    archives::write_mboxes(&turned, &root);
    assert_eq!(complete(&lab, &url).await, (0, 0), "reordered");
    assert_same_folders(&old, &witness(&lab.target, USER), USER);
}

#[tokio::test(flavor = "multi_thread")]
async fn eml_files_and_their_zip_arrive_alike() {
    let (lab, originals) = lab(150);
    let root = lab.directory.path().join("eml");
    archives::write_emls(&originals, &root);
    let url = format!("eml:{}", root.display());
    assert_eq!(complete(&lab, &url).await, (150, 0));
    let old = without_dates_and_flags(witness(&lab.source, USER));
    let new = witness(&lab.target, USER);
    assert_same_folders(&old, &without_dates_and_flags(new.clone()), USER);
    let seen = |flags: &[String]| flags.contains(&"\\Seen".to_owned());
    assert!(
        new.folders
            .values()
            .flatten()
            .all(|message| seen(&message.flags))
    );
    nothing_changes(&lab, &url, &root, 150).await;
    // Another writing of the same messages is known by their bytes.
    let zip = lab.directory.path().join("eml.zip");
    archives::write_zip(&originals, &zip);
    let url = format!("eml:{}", zip.display());
    assert_eq!(complete(&lab, &url).await, (0, 150));
    nothing_changes(&lab, &url, &zip, 150).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn takeout_is_filed_by_its_labels() {
    let (lab, originals) = lab(120);
    let path = lab
        .directory
        .path()
        .join("All mail Including Spam and Trash.mbox");
    let expected = archives::write_takeout(&originals, &path);
    let url = format!("takeout:{}", path.display());
    assert_eq!(complete(&lab, &url).await, (120, 0));
    let new = witness(&lab.target, USER);
    let found: Vec<(String, String, usize)> = expected
        .iter()
        .map(|(folder, flags, _)| {
            let there = new.folders.get(std::slice::from_ref(folder)).expect(folder);
            let flags: Vec<&str> = flags.split(' ').filter(|flag| !flag.is_empty()).collect();
            let count = there
                .iter()
                .filter(|message| message.flags == flags)
                .count();
            (folder.clone(), flags.join(" "), count)
        })
        .collect();
    assert_eq!(found, expected);
    assert_eq!(new.messages(), 120);
    nothing_changes(&lab, &url, &path, 120).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_named_and_the_rest_arrives() {
    let (lab, originals) = lab(40);
    let root = lab.directory.path().join("eml");
    archives::write_emls(&originals, &root);
    std::fs::write(root.join("lost.msg"), "an Outlook message").expect("write");
    std::os::unix::fs::symlink("nowhere", root.join("gone.eml")).expect("link");
    let zip = lab.directory.path().join("eml.zip");
    archives::write_zip(&originals, &zip);
    archives::damage_one(&zip);
    for (url, lost) in [
        (format!("eml:{}", root.display()), 2),
        (format!("eml:{}", zip.display()), 1),
    ] {
        let report = import(&lab, &url).await;
        assert_eq!(
            report.outcome,
            Outcome::Partial,
            "{url}: {}",
            summary(&report)
        );
        assert_eq!(report.outcome.exit_code(), 3);
        let exceptions = &report.accounts[0].exceptions;
        assert_eq!(exceptions.len(), lost, "{url}: {}", summary(&report));
        for exception in exceptions {
            assert_eq!(exception.reason, Reason::SourceUnreadable);
            assert!(exception.detail.contains(": "), "{exception:?}");
        }
        let again = import(&lab, &url).await;
        assert_eq!(again.accounts[0].exceptions.len(), lost, "told again");
        assert_eq!(again.accounts[0].written_messages, 0);
    }
    assert_eq!(witness(&lab.target, USER).messages(), 40);
    let nul = lab.directory.path().join("nul.eml");
    std::fs::write(&nul, "Subject: nul\n\n\0\n").expect("write");
    let report = import(&lab, &format!("eml:{}", nul.display())).await;
    let exceptions = &report.accounts[0].exceptions;
    assert_eq!(
        exceptions[0].reason,
        Reason::BytesDiffer,
        "Dovecot replaces NUL, and it is told"
    );
    for (url, words) in [
        ("mbox:/nowhere".to_owned(), "No such file"),
        (format!("mbox:{}", zip.display()), "no mbox"),
        (format!("maildir:{}", root.display()), "no Maildir"),
    ] {
        let report = import(&lab, &url).await;
        assert_eq!(report.outcome, Outcome::Failed);
        let failure = report.accounts[0].failure.as_ref().expect("a failure");
        assert!(failure.message.contains(words), "{}", failure.message);
    }
}
