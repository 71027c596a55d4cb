//! What goes wrong is told in full, ends a run when that was asked, and is remedied by the next.

mod common;

use common::{Lab, summary, test_options};
use melouvert_bench::corpus::mailbox_name;
use melouvert_bench::dovecot;
use melouvert_migration::proof::{AccountStatus, Reason, inconsistencies};
use melouvert_migration::{Options, Outcome};

/// Every mailbox has room for little.
fn small() -> dovecot::Options {
    dovecot::Options {
        quota: Some(40_000),
        ..dovecot::Options::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_absent_message_is_told_with_all_that_is_known_of_it() {
    let lab = Lab::with(60, 1, &small());
    let report = lab.copy().await;
    assert_eq!(report.outcome, Outcome::Partial, "{}", summary(&report));
    assert_ne!(report.outcome.exit_code(), 0);
    let absent: Vec<_> = report.accounts[0].exceptions.iter().collect();
    assert!(!absent.is_empty());
    assert_eq!(inconsistencies(&report), [], "{}", summary(&report));
    let told = absent
        .iter()
        .filter(|one| one.size.is_some() && one.date.is_some());
    assert!(told.count() > 0, "{}", summary(&report));
    for one in absent {
        assert_eq!(one.account, mailbox_name(0));
        assert_eq!(one.reason, Reason::OverQuota, "{one:?}");
        assert!(one.uid.is_some() && !one.folder.is_empty(), "{one:?}");
        assert!(!one.remedy.is_empty() && !one.detail.is_empty(), "{one:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_incomplete_account_ends_a_run_that_fails_fast() {
    let lab = Lab::with(120, 3, &small());
    let options = Options {
        jobs: 1,
        fail_fast: true,
        ..test_options()
    };
    let report = lab.copy_with(lab.accounts(), &options).await;
    let status: Vec<_> = report.accounts.iter().map(|one| one.status).collect();
    assert_eq!(
        status,
        [
            AccountStatus::Partial,
            AccountStatus::Stopped,
            AccountStatus::Stopped
        ],
        "{}",
        summary(&report)
    );
    assert_eq!(report.outcome, Outcome::Stopped);
    let patient = Options {
        fail_fast: false,
        ..options
    };
    let report = lab.copy_with(lab.accounts(), &patient).await;
    let stopped =
        |one: &&melouvert_migration::proof::AccountReport| one.status == AccountStatus::Stopped;
    assert_eq!(report.accounts.iter().filter(stopped).count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_exceptions_end_a_run_in_the_middle_of_a_mailbox() {
    let lab = Lab::with(200, 2, &small());
    let options = Options {
        jobs: 1,
        max_errors: Some(3),
        ..test_options()
    };
    let report = lab.copy_with(lab.accounts(), &options).await;
    assert_eq!(report.outcome, Outcome::Stopped, "{}", summary(&report));
    assert_eq!(report.accounts[0].status, AccountStatus::Stopped);
    assert_eq!(report.accounts[1].status, AccountStatus::Stopped);
    assert_eq!(report.accounts[1].written_messages, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_the_target_drops_is_seen_and_carried_over_later() {
    // Subscriptions are kept apart, in a folder that the server may not write.
    let target = dovecot::Options {
        namespace: ('.', "INBOX.".to_owned()),
        extra: "namespace inbox {\n  subscriptions = no\n}\nnamespace subs {\n  separator = .\n  \
                prefix =\n  subscriptions = yes\n  hidden = yes\n  list = no\n  \
                location = mdbox:%h/subs\n}\n"
            .to_owned(),
        ..dovecot::Options::default()
    };
    let lab = Lab::with(40, 1, &target);
    let home = lab
        .directory
        .path()
        .join("target/home")
        .join(mailbox_name(0));
    let blocked = home.join("subs");
    std::fs::create_dir_all(&blocked).expect("a folder");
    dovecot::give_to_server(&home).expect("chown");
    std::os::unix::fs::chown(&blocked, Some(0), Some(0)).expect("chown");
    let report = lab.copy().await;
    assert_eq!(report.outcome, Outcome::Partial, "{}", summary(&report));
    let account = &report.accounts[0];
    let reasons: Vec<_> = account.exceptions.iter().map(|one| one.reason).collect();
    assert!(
        !reasons.is_empty()
            && reasons
                .iter()
                .all(|one| *one == Reason::SubscriptionDiffers),
        "{}",
        summary(&report)
    );
    assert_eq!(account.listed_subscriptions, 0);
    dovecot::give_to_server(&blocked).expect("chown");
    let report = lab.copy().await;
    assert_eq!(report.outcome, Outcome::Complete, "{}", summary(&report));
    let account = &report.accounts[0];
    assert_eq!(account.written_messages, 0);
    assert_eq!(account.listed_subscriptions, reasons.len() as u64);
}
