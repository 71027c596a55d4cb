//! Through servers of other makers and back: Cyrus, which refuses what it finds improper, and
//! GreenMail, which takes anything and gives back what it likes.

mod common;
#[path = "common/foreign/mod.rs"]
mod foreign;

use common::{Lab, summary, test_options, witness};
use melouvert_bench::dovecot::PASSWORD;
use melouvert_migration::account::parse_accounts;
use melouvert_migration::proof::{AccountReport, Reason};
use melouvert_migration::{Account, EndpointOptions, Report};

const MESSAGES: u64 = 90;

fn accounts(from: u16, to: u16, query: &str) -> Vec<Account> {
    let csv = format!(
        "source_url,source_user,source_password,target_url,target_user,target_password\n\
         imap://127.0.0.1:{from}{query},agent01,{PASSWORD},\
         imap://127.0.0.1:{to}{query},agent01,{PASSWORD}\n"
    );
    let options = EndpointOptions {
        allow_cleartext: true,
        ca_file: None,
    };
    parse_accounts(csv.as_bytes(), &options).expect("csv")
}

async fn copy(lab: &Lab, from: u16, to: u16, query: &str) -> Report {
    lab.copy_with(accounts(from, to, query), &test_options())
        .await
}

/// Each message of the source is at the target, or is told.
fn assert_accounted(account: &AccountReport, messages: u64) -> Vec<Reason> {
    assert!(account.failure.is_none(), "{:?}", account.failure);
    let absent: Vec<_> = account
        .exceptions
        .iter()
        .filter(|one| one.uid.is_some())
        .filter(|one| {
            matches!(
                one.reason,
                Reason::TargetRefused | Reason::SourceUndeliverable | Reason::TooLarge
            )
        })
        .collect();
    let there: u64 = account
        .folders
        .iter()
        .map(|folder| folder.copied_messages)
        .sum();
    assert_eq!(
        there + absent.len() as u64,
        messages,
        "{:?}",
        account.exceptions
    );
    account.exceptions.iter().map(|one| one.reason).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn cyrus_takes_and_gives() {
    let home = tempfile::tempdir().expect("dir");
    let cyrus = foreign::cyrus::start(home.path());
    let lab = Lab::new(usize::try_from(MESSAGES).expect("small"), 1);
    let report = copy(&lab, lab.source.port, cyrus.port, "").await;
    let account = &report.accounts[0];
    let reasons = assert_accounted(account, MESSAGES);
    // It refuses improper headers and rewrites their raw 8-bit bytes: both are told.
    assert!(
        reasons
            .iter()
            .all(|reason| matches!(reason, Reason::TargetRefused | Reason::BytesDiffer)),
        "{}",
        summary(&report)
    );
    let stored = account.written_messages;
    assert!(stored > MESSAGES * 8 / 10, "{}", summary(&report));
    let again = copy(&lab, lab.source.port, cyrus.port, "").await;
    assert_eq!(again.accounts[0].written_messages, 0, "{}", summary(&again));
    // And on to the new server, compressed, with Cyrus' own INBOX. names and shared namespace.
    let report = copy(&lab, cyrus.port, lab.target.port, "?compress=always").await;
    let account = &report.accounts[0];
    assert!(account.exceptions.is_empty(), "{}", summary(&report));
    assert_eq!(account.written_messages, stored, "{}", summary(&report));
    // Flags and deletions follow by QRESYNC, a new name by MAILBOXID.
    let inbox = cyrus.ask("agent01", &["SELECT INBOX", "UID SEARCH ALL"]);
    let uids: Vec<&str> = inbox
        .lines()
        .find_map(|line| line.strip_prefix("* SEARCH "))
        .map(|line| line.split_ascii_whitespace().collect())
        .expect("messages");
    let (flag, delete) = (uids[0], uids[1]);
    cyrus.ask(
        "agent01",
        &[
            "SELECT INBOX",
            &format!("UID STORE {flag} +FLAGS (Suivi)"),
            &format!("UID STORE {delete} +FLAGS (\\Deleted)"),
            "EXPUNGE",
            "RENAME INBOX.Archives INBOX.Classement",
        ],
    );
    let before = witness(&lab.target, "agent01");
    let report = copy(&lab, cyrus.port, lab.target.port, "?compress=always").await;
    let account = &report.accounts[0];
    assert!(account.exceptions.is_empty(), "{}", summary(&report));
    assert_eq!(
        (account.written_messages, account.flag_changes),
        (0, 1),
        "{}",
        summary(&report)
    );
    assert_eq!(account.vanished_messages, 1, "{}", summary(&report));
    assert!(!account.notes.is_empty(), "the new name is told");
    let after = witness(&lab.target, "agent01");
    assert_eq!(after.messages(), before.messages());
    let has = after
        .folders
        .values()
        .flatten()
        .any(|one| one.flags.contains(&"Suivi".to_owned()));
    assert!(has, "the flag followed");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes Java and Maven: cargo xtask test --greenmail"]
async fn greenmail_takes_and_gives() {
    let home = tempfile::tempdir().expect("dir");
    let greenmail = foreign::greenmail::start(home.path(), PASSWORD);
    let lab = Lab::new(usize::try_from(MESSAGES).expect("small"), 1);
    let report = copy(&lab, lab.source.port, greenmail.port, "").await;
    let account = &report.accounts[0];
    assert_accounted(account, MESSAGES);
    let stored = account.written_messages;
    assert!(stored > MESSAGES * 8 / 10, "{}", summary(&report));
    let again = copy(&lab, lab.source.port, greenmail.port, "").await;
    assert_eq!(again.accounts[0].written_messages, 0, "{}", summary(&again));
    // It lists a folder with a quote in its name up to there only, and opens it no more: that is
    // told.
    let cut: u64 = account
        .folders
        .iter()
        .filter(|folder| folder.path.contains('"'))
        .map(|folder| folder.copied_messages)
        .sum();
    let report = copy(&lab, greenmail.port, lab.target.port, "").await;
    let account = &report.accounts[0];
    let reasons = assert_accounted(account, stored - cut);
    assert_eq!(
        reasons.contains(&Reason::SourceFolderUnavailable),
        cut > 0,
        "{}",
        summary(&report)
    );
    let again = copy(&lab, greenmail.port, lab.target.port, "").await;
    assert_eq!(again.accounts[0].written_messages, 0, "{}", summary(&again));
}
