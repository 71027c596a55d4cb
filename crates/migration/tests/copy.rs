//! Copies real mailboxes between real Dovecots.

mod common;

use common::{Lab, summary};
use melouvert_bench::dovecot;
use melouvert_migration::Outcome;

#[tokio::test(flavor = "multi_thread")]
async fn everything_arrives_unaltered_and_a_second_run_writes_nothing() {
    let lab = Lab::new(300, 2);
    let report = lab.copy().await;
    assert_eq!(report.outcome, Outcome::Complete, "{}", summary(&report));
    lab.assert_alike();
    let written: u64 = report
        .accounts
        .iter()
        .map(|account| account.written_messages)
        .sum();
    assert_eq!(written, 300);
    for account in &report.accounts {
        assert_eq!(account.folders.len(), 13);
        for folder in &account.folders {
            assert!(folder.complete, "{folder:?}");
            assert_eq!(folder.source_messages, folder.verified_messages);
            assert_eq!(folder.source_hash, folder.target_hash);
        }
    }
    let again = lab.copy().await;
    assert_eq!(again.outcome, Outcome::Complete, "{}", summary(&again));
    for account in &again.accounts {
        assert_eq!(
            account.written_messages + account.matched_messages + account.flag_changes,
            0
        );
        assert!(account.folders.iter().all(|folder| folder.complete));
    }
    lab.assert_alike();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_door_of_the_target_gives_the_same() {
    let plain = ('/', String::new());
    let prefixed = ('.', "INBOX.".to_owned());
    for (capability, namespace) in [
        (
            "IMAP4rev1 SASL-IR LITERAL+ UIDPLUS NAMESPACE LIST-EXTENDED UNSELECT",
            prefixed,
        ),
        ("IMAP4rev1 SASL-IR MULTIAPPEND UIDPLUS", plain.clone()),
        ("IMAP4rev1", plain),
    ] {
        let target = dovecot::Options {
            capability: Some(capability.to_owned()),
            namespace,
            ..dovecot::Options::default()
        };
        let lab = Lab::with(120, 1, &target);
        let report = lab.copy().await;
        assert_eq!(
            report.outcome,
            Outcome::Complete,
            "{capability}: {}",
            summary(&report)
        );
        let written: u64 = report
            .accounts
            .iter()
            .map(|account| account.written_messages)
            .sum();
        assert_eq!(written, 120, "{capability}");
        let again = lab.copy().await;
        assert_eq!(
            again.outcome,
            Outcome::Complete,
            "{capability}: {}",
            summary(&again)
        );
        assert_eq!(again.accounts[0].written_messages, 0, "{capability}");
    }
}
