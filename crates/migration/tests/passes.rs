//! What happens to both sides between two passes: folders renamed, swapped or made anew, messages
//! deleted, a clock that jumps.

mod common;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use common::hands::{append, doveadm, imap, overview, written};
use common::{Lab, summary, test_options, witness};
use melouvert_bench::dovecot::{self, Dovecot, Format};
use melouvert_migration::proof::{NoteKind, Reason};
use melouvert_migration::{Outcome, Report};

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_folder_is_not_copied_twice_and_a_deleted_one_stays() {
    let lab = Lab::new(150, 1);
    let report = lab.copy().await;
    assert_eq!(report.outcome, Outcome::Complete, "{}", summary(&report));
    let before = witness(&lab.target, "agent01");
    let full = before
        .folders
        .iter()
        .filter(|(path, messages)| path.len() == 1 && path[0] != "INBOX" && messages.len() > 1);
    let names: Vec<String> = full.map(|(path, _)| path[0].clone()).collect();
    assert!(names.len() >= 2, "{names:?}");
    let quoted = |name: &str| common::hands::quoted(name);
    let deleted = before.folders[&vec![names[1].clone()]].len();
    imap(
        &lab.source,
        &[
            format!("RENAME {} \"Autre nom\"", quoted(&names[0])).into_bytes(),
            format!("DELETE {}", quoted(&names[1])).into_bytes(),
            // A new folder under the old name has nothing to do with the first.
            format!("CREATE {}", quoted(&names[0])).into_bytes(),
            append(&names[0], b"Subject: tout neuf\r\n\r\nx\r\n"),
        ],
    );
    for pass in 0..2 {
        let report = lab.copy().await;
        assert_eq!(report.outcome, Outcome::Complete, "{}", summary(&report));
        assert_eq!(
            written(&report),
            u64::from(pass == 0),
            "{}",
            summary(&report)
        );
        let notes = &report.accounts[0].notes;
        let of = |kind| notes.iter().filter(|note| note.kind == kind).count();
        assert_eq!(of(NoteKind::FolderDeleted), 1, "{notes:?}");
        assert!(
            of(NoteKind::FolderRenamed) >= usize::from(pass == 0),
            "{notes:?}"
        );
    }
    let after = witness(&lab.target, "agent01");
    assert_eq!(after.messages(), before.messages() + 1);
    assert_eq!(after.folders[&vec![names[1].clone()]].len(), deleted);
    assert_eq!(
        after.folders[&vec![names[0].clone()]],
        before.folders[&vec![names[0].clone()]],
        "nothing was poured into the renamed folder's place"
    );
}

/// Gives folders of a Maildir server that nobody uses just now one UIDVALIDITY.
fn share_validity(server: &Dovecot, folders: [&str; 2]) {
    for name in folders {
        let folder = server.mailbox("agent01").join(format!(".{name}"));
        for entry in std::fs::read_dir(&folder).expect("list") {
            let path = entry.expect("entry").path();
            let name = path.file_name().expect("name").to_string_lossy();
            if name.starts_with("dovecot.index") {
                std::fs::remove_file(&path).expect("remove");
            }
        }
        let list = folder.join("dovecot-uidlist");
        let text = std::fs::read_to_string(&list).expect("list of UIDs");
        let (head, rest) = text.split_once('\n').expect("a header");
        let words = head.split(' ').map(|word| match word.strip_prefix('V') {
            Some(_) => "V7777",
            None => word,
        });
        let head: Vec<&str> = words.collect();
        std::fs::write(&list, format!("{}\n{rest}", head.join(" "))).expect("write");
        let told = imap(
            server,
            &[format!("STATUS {name} (UIDVALIDITY)").into_bytes()],
        );
        assert!(told.contains("UIDVALIDITY 7777"), "{told}");
    }
}

fn numbered(word: &str, count: usize) -> impl Iterator<Item = String> {
    (1..=count).map(move |n| format!("{word}{n}"))
}

/// The subjects that a folder holds.
fn subjects(server: &Dovecot, folder: &str) -> BTreeSet<String> {
    let (_, messages) = overview(server);
    let own = messages.into_iter().filter_map(|line| {
        let (path, subject) = line.split_once('\t')?;
        (path == folder).then(|| subject.to_owned())
    });
    own.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_of_one_uidvalidity_are_told_apart_by_their_messages() {
    let options = |format| dovecot::Options {
        format,
        extra: "mailbox_list_index = no\n".to_owned(),
        ..dovecot::Options::default()
    };
    let (old, new) = (options(Format::Maildir), options(Format::Mdbox));
    let lab = Lab::with_both(0, 1, &old, &new);
    let message = |subject: String| format!("Subject: {subject}\r\n\r\nx\r\n").into_bytes();
    let fill = |folder: &str, word: &str, count: usize| {
        let create = format!("CREATE {folder}").into_bytes();
        let mail = (1..=count).map(|n| append(folder, &message(format!("{word}{n}"))));
        imap(&lab.source, &[vec![create], mail.collect()].concat());
    };
    fill("Un", "un", 3);
    fill("Deux", "deux", 4);
    share_validity(&lab.source, ["Un", "Deux"]);
    let report = lab.copy().await;
    assert_eq!((report.outcome, written(&report)), (Outcome::Complete, 7));

    // The two swap their names, and one message more comes to each.
    let place = |name: &str| lab.source.mailbox("agent01").join(format!(".{name}"));
    for (from, to) in [("Un", "x"), ("Deux", "Un"), ("x", "Deux")] {
        std::fs::rename(place(from), place(to)).expect("rename");
    }
    imap(
        &lab.source,
        &[
            append("Un", &message("deux5".into())),
            append("Deux", &message("un4".into())),
        ],
    );
    let report = lab.copy().await;
    assert_eq!(report.outcome, Outcome::Complete, "{}", summary(&report));
    assert_eq!(written(&report), 2, "{}", summary(&report));
    assert_eq!(subjects(&lab.target, "Un"), numbered("un", 4).collect());
    assert_eq!(subjects(&lab.target, "Deux"), numbered("deux", 5).collect());

    // One is deleted and made anew: its UIDs begin again, and mean other messages.
    imap(&lab.source, &[b"DELETE Un".to_vec()]);
    fill("Un", "nouveau", 5);
    share_validity(&lab.source, ["Un", "Deux"]);
    for expected in [5, 0] {
        let report = lab.copy().await;
        assert_eq!(report.outcome, Outcome::Complete, "{}", summary(&report));
        assert_eq!(written(&report), expected, "{}", summary(&report));
    }
    let kept = numbered("deux", 5).chain(numbered("nouveau", 5));
    assert_eq!(subjects(&lab.target, "Deux"), kept.collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_the_user_deleted_does_not_come_back() {
    let lab = Lab::new(80, 1);
    lab.copy().await;
    let target = witness(&lab.target, "agent01").messages();
    doveadm(
        &lab.target,
        &["expunge", "-u", "agent01", "mailbox", "INBOX", "1"],
    );
    imap(
        &lab.source,
        &[append("INBOX", b"Subject: suite\r\n\r\nx\r\n")],
    );
    let report = lab.copy().await;
    assert_eq!(
        (report.outcome, written(&report)),
        (Outcome::Complete, 1),
        "{}",
        summary(&report)
    );
    // Asked to read everything back, the engine says so, and still does not undo it.
    let mut options = test_options();
    options.verification = melouvert_migration::engine::Verification::All;
    for _ in 0..2 {
        let report = lab.copy_with(lab.accounts(), &options).await;
        assert_eq!(written(&report), 0, "{}", summary(&report));
        let reasons: Vec<_> = report.accounts[0]
            .exceptions
            .iter()
            .map(|one| one.reason)
            .collect();
        assert_eq!(reasons, [Reason::DeletedAtTarget], "{}", summary(&report));
    }
    assert_eq!(witness(&lab.target, "agent01").messages(), target);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_changes_nothing() {
    let library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
    assert!(
        Path::new(library).exists(),
        "apt-get install libfaketime: {library}"
    );
    let lab = Lab::new(120, 1);
    let csv = lab.directory.path().join("accounts.csv");
    let path = lab.directory.path().join("report.json");
    std::fs::write(&csv, lab.csv_with(lab.source.port, lab.target.port)).expect("csv");
    // Years ahead, then years back, then now: the journal and the matching see no clock.
    for (offset, expected) in [("+9y", 120), ("-9y", 0), ("+0y", 0)] {
        let mut command = Command::new(common::copier());
        command.args(["--allow-cleartext", "--accounts"]).arg(&csv);
        command.arg("--state").arg(lab.state());
        command.arg("--report").arg(&path);
        command.env("LD_PRELOAD", library).env("FAKETIME", offset);
        command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        let status = command.status().expect("the copier runs");
        assert!(status.success(), "{offset}");
        let report = std::fs::read(&path).expect("report");
        let report: Report = serde_json::from_slice(&report).expect("json");
        assert_eq!(written(&report), expected, "{offset}");
        let year = jiff::tz::TimeZone::UTC.to_datetime(report.started).year();
        let now = jiff::tz::TimeZone::UTC
            .to_datetime(jiff::Timestamp::now())
            .year();
        let jump: i16 = offset.trim_end_matches('y').parse().expect("years");
        assert!((year - now - jump).abs() <= 1, "the clock jumped to {year}");
    }
    lab.assert_alike();
}
