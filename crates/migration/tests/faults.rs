//! What real migrations meet: dropped connections, full mailboxes, lost journals, renumbered
//! folders, users already at work.

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use common::{Lab, summary, test_options, witness};
use melouvert_bench::dovecot::{self, Dovecot, PASSWORD};
use melouvert_bench::proxy::{Behaviour, Proxy};
use melouvert_migration::imap::LeastPace;
use melouvert_migration::proof::{AccountStatus, Reason};
use melouvert_migration::{Options, Origin, Outcome, Report};

fn written(report: &Report) -> u64 {
    report
        .accounts
        .iter()
        .map(|account| account.written_messages)
        .sum()
}

/// Runs commands in one session of agent01.
fn imap(server: &Dovecot, commands: &[&str]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("connect");
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("timeout");
    let mut text = format!("a LOGIN agent01 {PASSWORD}\r\n");
    for command in commands {
        text.extend(["b ", command, "\r\n"]);
    }
    text.push_str("c LOGOUT\r\n");
    stream.write_all(text.as_bytes()).expect("send");
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert!(
        !answer.contains("b NO") && !answer.contains("b BAD"),
        "{answer}"
    );
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_drops_connections_is_read_to_the_end() {
    let lab = Lab::new(200, 1);
    let behaviour = Behaviour {
        cut_after: Some(1_500_000),
        cuts: u64::MAX,
        ..Behaviour::default()
    };
    let proxy = Proxy::start(lab.source.port, behaviour).expect("proxy");
    let report = lab
        .copy_with(
            lab.accounts_with(proxy.port, lab.target.port),
            &test_options(),
        )
        .await;
    assert!(
        proxy.connections() > 2,
        "the connection was cut: {}",
        proxy.connections()
    );
    // Messages larger than what passes between two cuts cannot come; all others must.
    for account in &report.accounts {
        for exception in &account.exceptions {
            assert_eq!(
                exception.reason,
                Reason::SourceUndeliverable,
                "{exception:?}"
            );
        }
    }
    assert!(written(&report) >= 190, "{}", summary(&report));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_drops_connections_gets_each_message_once() {
    let lab = Lab::new(200, 1);
    // The target's answers are short: this cuts every few batches.
    let behaviour = Behaviour {
        cut_after: Some(3_000),
        cuts: 6,
        ..Behaviour::default()
    };
    let proxy = Proxy::start(lab.target.port, behaviour).expect("proxy");
    let accounts = lab.accounts_with(lab.source.port, proxy.port);
    let report = lab.copy_with(accounts, &test_options()).await;
    assert_eq!(report.outcome, Outcome::Complete, "{}", summary(&report));
    assert!(proxy.connections() > 3);
    lab.assert_alike();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_breaks_the_source_is_set_aside_alone() {
    let lab = Lab::new(150, 1);
    let poison = b"From: poison@example.org\r\nX-Poison: xyzzy-breaks-here\r\n\r\nbody\r\n";
    let append = format!("APPEND Archives {{{}+}}\r\n", poison.len());
    imap(
        &lab.source,
        &[&format!("{append}{}", String::from_utf8_lossy(poison))],
    );
    let behaviour = Behaviour {
        cut_at: Some(b"xyzzy-breaks-here".to_vec()),
        cuts: u64::MAX,
        ..Behaviour::default()
    };
    let proxy = Proxy::start(lab.source.port, behaviour).expect("proxy");
    let accounts = lab.accounts_with(proxy.port, lab.target.port);
    let report = lab.copy_with(accounts.clone(), &test_options()).await;
    assert_eq!(report.outcome, Outcome::Partial, "{}", summary(&report));
    let exceptions = &report.accounts[0].exceptions;
    assert_eq!(exceptions.len(), 1, "{exceptions:?}");
    assert_eq!(exceptions[0].reason, Reason::SourceUndeliverable);
    assert_eq!(exceptions[0].folder, "Archives");
    assert_eq!(written(&report), 150);
    // Repaired, it follows.
    let report = lab.copy().await;
    assert_eq!(report.outcome, Outcome::Complete, "{}", summary(&report));
    // Another port is another source to the journal, so everything was matched, nothing doubled.
    assert_eq!(report.accounts[0].written_messages, 1);
    lab.assert_alike();
}

/// A copy from behind the proxy, which must end in half a minute.
async fn bounded_copy(lab: &Lab, proxy: &Proxy, options: &Options) -> Report {
    let accounts = lab.accounts_with(proxy.port, lab.target.port);
    let copying = lab.copy_with(accounts, options);
    tokio::time::timeout(Duration::from_secs(30), copying)
        .await
        .expect("bounded")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_server_is_given_up_in_time() {
    let lab = Lab::new(20, 1);
    let behaviour = Behaviour {
        trickle: Some(Duration::from_secs(1)),
        ..Behaviour::default()
    };
    let proxy = Proxy::start(lab.source.port, behaviour).expect("proxy");
    let mut options = test_options();
    options.timeouts.response = Duration::from_secs(2);
    options.backoff.tries = 2;
    let report = bounded_copy(&lab, &proxy, &options).await;
    assert_eq!(report.outcome, Outcome::Failed);
    let failure = report.accounts[0].failure.as_ref().expect("a failure");
    assert_eq!(failure.reason, "source_unreachable");
}

/// Each line comes in time, and there is no end of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_many_slow_lines_is_given_up_in_time() {
    let lab = Lab::new(60, 1);
    let behaviour = Behaviour {
        trickle: Some(Duration::from_millis(2)),
        ..Behaviour::default()
    };
    let proxy = Proxy::start(lab.source.port, behaviour).expect("proxy");
    let mut options = test_options();
    options.timeouts.pace = LeastPace {
        bytes_per_second: 2000,
        window: Duration::from_secs(1),
    };
    options.backoff.tries = 2;
    let report = bounded_copy(&lab, &proxy, &options).await;
    let account = &report.accounts[0];
    let failure = account.failure.as_ref().expect("a failure");
    assert_eq!(failure.reason, "source_too_slow", "{}", failure.message);
    assert!(
        failure.message.contains("less than 2000 a second"),
        "{}",
        failure.message
    );
    // No message is at fault, and nothing is set aside.
    assert!(account.exceptions.is_empty(), "{}", summary(&report));
    let report = lab.copy().await;
    assert_eq!(report.outcome, Outcome::Complete, "{}", summary(&report));
    lab.assert_alike();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_goes_away_for_good_fails_and_is_taken_up_again() {
    let lab = Lab::new(200, 1);
    let behaviour = Behaviour {
        cut_after: Some(1_500_000),
        cuts: 1,
        ..Behaviour::default()
    };
    let proxy = Proxy::start(lab.source.port, behaviour).expect("proxy");
    let accounts = lab.accounts_with(proxy.port, lab.target.port);
    let mut options = test_options();
    options.backoff.tries = 3;
    let copying = lab.copy_with(accounts.clone(), &options);
    let dying = async {
        while proxy.connections() < 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        proxy.refuse();
    };
    let (report, ()) = tokio::join!(copying, dying);
    assert_eq!(report.outcome, Outcome::Failed, "{}", summary(&report));
    let failure = report.accounts[0].failure.as_ref().expect("a failure");
    assert_eq!(failure.reason, "source_unreachable");
    proxy.accept();
    let again = lab.copy_with(accounts, &test_options()).await;
    assert_eq!(again.outcome, Outcome::Complete, "{}", summary(&again));
    assert!(written(&again) < 200, "it went on where it stood");
    lab.assert_alike();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_fails_that_account_alone() {
    let lab = Lab::new(20, 2);
    let mut accounts = lab.accounts();
    let Origin::Imap(source) = &mut accounts[0].source else {
        panic!("a server")
    };
    source.password = String::from("faux").into();
    let report = lab.copy_with(accounts, &test_options()).await;
    assert_eq!(report.outcome, Outcome::Partial);
    let failure = report.accounts[0].failure.as_ref().expect("a failure");
    assert_eq!(failure.reason, "source_login_refused");
    assert!(failure.message.contains("agent01"), "{}", failure.message);
    assert!(
        !summary(&report).contains("faux"),
        "no password in the report"
    );
    assert_eq!(report.accounts[1].status, AccountStatus::Complete);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_target_is_told_item_by_item_and_completed_later() {
    let directory = tempfile::tempdir().expect("dir");
    let small = dovecot::Options {
        quota: Some(2_000_000),
        ..dovecot::Options::default()
    };
    let mut lab = Lab::with(200, 1, &small);
    let report = lab.copy().await;
    assert_eq!(report.outcome, Outcome::Partial, "{}", summary(&report));
    let account = &report.accounts[0];
    assert!(
        account
            .exceptions
            .iter()
            .all(|one| one.reason == Reason::OverQuota)
    );
    let absent = account.exceptions.len() as u64;
    assert_eq!(
        written(&report) + absent,
        200,
        "each message is written or told"
    );
    assert!(written(&report) > 0 && absent > 0);
    // The quota is raised: same mail, same ports, new settings.
    let (port, tls_port) = (lab.target.port, lab.target.tls_port);
    let home = lab.directory.path().join("target");
    let spare = Dovecot::start(directory.path(), &dovecot::Options::default()).expect("spare");
    drop(std::mem::replace(&mut lab.target, spare));
    lab.target = Dovecot::start_on(&home, &dovecot::Options::default(), (port, tls_port))
        .expect("same server again");
    let report = lab.copy().await;
    assert_eq!(report.outcome, Outcome::Complete, "{}", summary(&report));
    assert_eq!(written(&report), absent);
    lab.assert_alike();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_journal_doubles_nothing() {
    let lab = Lab::new(150, 1);
    lab.copy().await;
    std::fs::remove_dir_all(lab.state()).expect("delete");
    let report = lab.copy().await;
    assert_eq!(report.outcome, Outcome::Complete, "{}", summary(&report));
    assert_eq!(written(&report), 0);
    assert_eq!(report.accounts[0].matched_messages, 150);
    lab.assert_alike();
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_follow_and_the_users_own_stay() {
    let lab = Lab::new(150, 1);
    lab.copy().await;
    let before = witness(&lab.target, "agent01").messages();
    // The user works on the target: a new mail, a flag, a deletion.
    imap(
        &lab.target,
        &[
            "APPEND INBOX {6+}\r\nA: b\r\n",
            "SELECT INBOX",
            "STORE 2 +FLAGS (Mien)",
        ],
    );
    imap(
        &lab.target,
        &["SELECT INBOX", "STORE 1 +FLAGS (\\Deleted)", "EXPUNGE"],
    );
    // The old server goes on: new mail, a flag on and one off, a new folder.
    imap(
        &lab.source,
        &[
            "APPEND INBOX (\\Flagged) {6+}\r\nC: d\r\n",
            "CREATE Neuf",
            "APPEND Neuf {6+}\r\nE: f\r\n",
            "SELECT INBOX",
            "STORE 3 +FLAGS (Ajout)",
            "STORE 4 FLAGS ()",
        ],
    );
    let report = lab.copy().await;
    assert_eq!(report.outcome, Outcome::Complete, "{}", summary(&report));
    assert_eq!(written(&report), 2);
    let after = witness(&lab.target, "agent01");
    assert_eq!(
        after.messages(),
        before + 1 - 1 + 2,
        "nothing came back, nothing went"
    );
    let inbox = &after.folders[&vec!["INBOX".to_owned()]];
    let has = |flag: &str| {
        inbox
            .iter()
            .any(|message| message.flags.contains(&flag.to_owned()))
    };
    assert!(has("Mien") && has("Ajout"));
    assert_eq!(after.folders[&vec!["Neuf".to_owned()]].len(), 1);
    let quiet = lab.copy().await;
    assert_eq!(written(&quiet) + quiet.accounts[0].flag_changes, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn renumbered_folders_are_matched_by_hash() {
    let lab = Lab::new(150, 1);
    lab.copy().await;
    for (server, user) in [(&lab.source, "agent01"), (&lab.target, "agent01")] {
        let status = Command::new("doveadm")
            .arg("-c")
            .arg(server.configuration())
            .args([
                "mailbox",
                "update",
                "-u",
                user,
                "--uid-validity",
                "4242",
                "INBOX",
            ])
            .status()
            .expect("doveadm");
        assert!(status.success());
        let report = lab.copy().await;
        assert_eq!(report.outcome, Outcome::Complete, "{}", summary(&report));
        assert_eq!(written(&report), 0, "{}", summary(&report));
        lab.assert_alike();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_worker_on_the_account_refuses() {
    let lab = Lab::new(100, 1);
    let accounts = lab.accounts();
    let held = melouvert_migration::journal::Journal::open(&lab.state().join(accounts[0].key()))
        .expect("journal");
    let report = lab.copy().await;
    let failure = report.accounts[0].failure.as_ref().expect("refused");
    assert_eq!(failure.reason, "account_locked");
    drop(held);
    assert_eq!(lab.copy().await.outcome, Outcome::Complete);
}

/// Dovecot drops a lone CR at the very end of a message that it stores: the only way to know is to
/// read back, and it must not pass for a success.
#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_alters_a_message_is_caught() {
    let lab = Lab::new(20, 1);
    let cur = lab.source.mailbox("agent01").join("cur");
    let path = cur.join("1500000000.M1P1.cr:2,S");
    std::fs::write(&path, b"Subject: cr\n\nbody\n\r").expect("write");
    dovecot::give_to_server(&path).expect("chown");
    for _ in 0..2 {
        let report = lab.copy().await;
        assert_eq!(report.outcome, Outcome::Partial, "{}", summary(&report));
        let exceptions = &report.accounts[0].exceptions;
        assert_eq!(exceptions.len(), 1, "{exceptions:?}");
        assert_eq!(exceptions[0].reason, Reason::BytesDiffer);
        let inbox = report.accounts[0]
            .folders
            .iter()
            .find(|folder| folder.path == "INBOX");
        assert!(inbox.is_some_and(|folder| !folder.complete));
    }
}
