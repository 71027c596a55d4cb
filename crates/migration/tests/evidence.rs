//! That something was not told is no proof that it is not there: old servers that tell in parts, in
//! odd ways or not at all.

mod common;

use std::sync::Arc;

use common::script::{Folder, Mail, Old, exported, fetched, folder, mail};
use common::summary;
use melouvert_migration::Report;
use melouvert_migration::proof::{NoteKind, Reason, inconsistencies};

const DATE: &str = "2020-02-01T10:00:00+01:00";

fn reasons(report: &Report) -> Vec<(Option<u32>, Reason)> {
    assert_eq!(inconsistencies(report), [], "{}", summary(report));
    let exceptions = report.accounts[0].exceptions.iter();
    exceptions.map(|one| (one.uid, one.reason)).collect()
}

fn notes(report: &Report) -> Vec<(NoteKind, String)> {
    let notes = report.accounts[0].notes.iter();
    notes.map(|one| (one.kind, one.detail.clone())).collect()
}

/// Runs twice, since what is told once only is forgotten.
async fn twice(old: Old) -> (Report, Report, Vec<(String, Vec<String>)>, Arc<Old>) {
    let root = tempfile::tempdir().expect("a folder");
    let old = Arc::new(old);
    let first = old.copy(root.path()).await;
    let second = old.copy(root.path()).await;
    (first, second, exported(root.path()), old)
}

fn fetching(line: impl Fn(usize, &Mail, bool) -> Vec<u8> + Send + Sync + 'static) -> Old {
    Old {
        answer: Box::new(move |command, _, open| {
            let open = open.filter(|_| command.starts_with("UID FETCH"))?;
            Some(Old::fetch(command, open, &line))
        }),
        ..Old::default()
    }
}

#[tokio::test]
async fn a_message_that_is_listed_and_never_given_is_told_by_every_run() {
    let old = fetching(|place, mail, body| {
        if body && mail.uid == 2 {
            return Vec::new();
        }
        Old::line(place, mail, body)
    });
    let (first, second, found, _) = twice(old).await;
    for report in [&first, &second] {
        assert_eq!(
            reasons(report),
            [(Some(2), Reason::SourceUndeliverable)],
            "{}",
            summary(report)
        );
        assert_eq!(report.accounts[0].vanished_messages, 0);
    }
    assert_eq!(found[0].1.len(), 2);
}

#[tokio::test]
async fn a_message_that_is_gone_when_it_is_looked_for_is_no_fault() {
    // Deleted after the survey: no command gives it any more.
    let old = fetching(|place, mail, body| {
        if body || mail.uid != 2 {
            return if mail.uid == 2 {
                Vec::new()
            } else {
                Old::line(place, mail, body)
            };
        }
        Vec::new()
    });
    let surveyed = std::sync::atomic::AtomicBool::new(false);
    let usual = old.answer;
    let old = Old {
        answer: Box::new(move |command, bytes, open| {
            use std::sync::atomic::Ordering;
            if command.starts_with("UID FETCH 1:*") && !surveyed.swap(true, Ordering::Relaxed) {
                return None;
            }
            usual(command, bytes, open)
        }),
        ..Old::default()
    };
    let root = tempfile::tempdir().expect("a folder");
    let report = Arc::new(old).copy(root.path()).await;
    assert_eq!(reasons(&report), [], "{}", summary(&report));
    assert_eq!(report.accounts[0].vanished_messages, 1);
}

#[tokio::test]
async fn a_message_that_exists_counts_and_no_list_names_is_looked_for_and_told() {
    // EXISTS says three, FETCH and SEARCH know two.
    let hidden = |command: &str, open: Option<&Folder>, also_search: bool| {
        let mut seen = open?.clone();
        seen.mails.retain(|mail| mail.uid != 2);
        if command.starts_with("UID FETCH") {
            return Some(Old::fetch(command, &seen, Old::line));
        }
        (also_search && command.starts_with("UID SEARCH"))
            .then(|| b"* SEARCH 1 3\r\n$ OK done\r\n".to_vec())
    };
    let old = Old {
        answer: Box::new(move |command, _, open| hidden(command, open, true)),
        ..Old::default()
    };
    let (first, second, found, _) = twice(old).await;
    for report in [&first, &second] {
        assert_eq!(
            reasons(report),
            [(None, Reason::SourceUndeliverable)],
            "{}",
            summary(report)
        );
    }
    assert_eq!(found[0].1.len(), 2);
    // Where a search names it, it is told by its number.
    let old = Old {
        answer: Box::new(move |command, _, open| hidden(command, open, false)),
        ..Old::default()
    };
    let (first, ..) = twice(old).await;
    assert_eq!(reasons(&first), [], "{}", summary(&first));
    assert_eq!(first.accounts[0].vanished_messages, 1);
}

#[tokio::test]
async fn what_is_told_of_one_message_in_parts_is_put_together() {
    type Parts = fn(usize, &Mail) -> Vec<Vec<u8>>;
    let whole: Parts = |place, mail| {
        let told = format!(
            "* {place} FETCH (UID {} FLAGS ({}) INTERNALDATE \"{}\")\r\n",
            mail.uid, mail.flags, mail.date
        );
        vec![told.into_bytes(), fetched(place, mail, "")]
    };
    let turned: Parts = |place, mail| {
        let flags = format!(
            "* {place} FETCH (FLAGS ({}) UID {})\r\n",
            mail.flags, mail.uid
        );
        let date = format!(
            "* {place} FETCH (UID {} INTERNALDATE \"{}\")\r\n",
            mail.uid, mail.date
        );
        vec![
            fetched(place, mail, ""),
            flags.into_bytes(),
            date.into_bytes(),
        ]
    };
    // Flags come with the survey alone.
    let without_flags: Parts = |place, mail| {
        let date = format!(" INTERNALDATE \"{}\"", mail.date);
        vec![fetched(place, mail, &date)]
    };
    for parts in [whole, turned, without_flags] {
        let old = Old {
            answer: Box::new(move |command, _, open| {
                let open = open.filter(|_| command.contains("BODY"))?;
                // All first parts, then all second ones.
                let mut out = Vec::new();
                for part in 0..3 {
                    for (place, mail) in open.mails.iter().enumerate() {
                        out.extend(
                            parts(place + 1, mail)
                                .into_iter()
                                .nth(part)
                                .unwrap_or_default(),
                        );
                    }
                }
                out.extend_from_slice(b"$ OK done\r\n");
                Some(out)
            }),
            ..Old::default()
        };
        old.folders.lock().expect("folders")[0].mails[1].flags = "\\Flagged $Label1";
        let (first, second, found, _) = twice(old).await;
        assert_eq!(reasons(&first), [], "{}", summary(&first));
        assert_eq!(second.accounts[0].written_messages, 0);
        let expected = [
            format!("n1 [\\Seen] {DATE}"),
            format!("n2 [$Label1 \\Flagged] {DATE}"),
            format!("n3 [\\Seen] {DATE}"),
        ];
        assert_eq!(found, [("INBOX".to_owned(), expected.to_vec())]);
    }
}

#[tokio::test]
async fn an_empty_listing_is_asked_again_and_never_complete() {
    let empty = |command: &str| {
        command
            .starts_with("LIST")
            .then(|| b"$ OK done\r\n".to_vec())
    };
    // INBOX is there when it is asked for.
    let old = Old {
        answer: Box::new(move |command, _, _| empty(command)),
        ..Old::default()
    };
    let (first, second, found, _) = twice(old).await;
    for report in [first, second] {
        assert_eq!(reasons(&report), [(None, Reason::SourceFolderUnavailable)]);
    }
    assert_eq!(found[0].1.len(), 3);
    // It is not.
    let old = Old {
        answer: Box::new(move |command, _, _| {
            let status = command.starts_with("STATUS");
            let refused = || b"$ NO permission denied\r\n".to_vec();
            empty(command).or_else(|| status.then(refused))
        }),
        ..Old::default()
    };
    let root = tempfile::tempdir().expect("a folder");
    let report = Arc::new(old).copy(root.path()).await;
    let failure = report.accounts[0].failure.as_ref().expect("a failure");
    assert_eq!(failure.reason, "source_without_folders");
    assert!(failure.message.contains("permission denied"), "{failure:?}");
    assert_ne!(report.outcome.exit_code(), 0);
}

#[tokio::test]
async fn a_listing_without_inbox_still_has_one() {
    let old = Old {
        answer: Box::new(|command, _, _| {
            let list = command.starts_with("LIST");
            list.then(|| b"* LIST () \"/\" Sent\r\n$ OK done\r\n".to_vec())
        }),
        ..Old::default()
    };
    old.folders
        .lock()
        .expect("folders")
        .push(folder("Sent", 2, 8..10));
    let (first, _, found, _) = twice(old).await;
    assert_eq!(reasons(&first), [], "{}", summary(&first));
    let counts: Vec<usize> = found.iter().map(|(_, mails)| mails.len()).collect();
    assert_eq!(counts, [3, 2]);
}

#[tokio::test]
async fn lines_that_cannot_be_read_are_passed_over_and_counted() {
    let old = Old {
        answer: Box::new(|command, _, _| match command.split(' ').next()? {
            "EXAMINE" => Some(
                b"*  3 EXISTS\r\n\r\n* FLAGS (\\Seen\r\n* OK [UIDVALIDITY 1] ok\r\n\
                  * QUOTA x\r\n$ OK done\r\n"
                    .to_vec(),
            ),
            _ => None,
        }),
        ..Old::default()
    };
    let old = Arc::new(old);
    let root = tempfile::tempdir().expect("a folder");
    // EXAMINE above opens nothing in the script: the fetches are answered here.
    let inner = Arc::clone(&old);
    let old = Arc::new(Old {
        answer: Box::new(move |command, bytes, open| {
            if let Some(out) = (inner.answer)(command, bytes, open) {
                return Some(out);
            }
            let folder = inner.folders.lock().expect("folders")[0].clone();
            let fetch = command.starts_with("UID FETCH");
            fetch.then(|| Old::fetch(command, &folder, Old::line))
        }),
        ..Old::default()
    });
    let report = old.copy(root.path()).await;
    assert_eq!(reasons(&report), [], "{}", summary(&report));
    assert_eq!(exported(root.path())[0].1.len(), 3);
    let passed = notes(&report);
    assert!(
        passed
            .iter()
            .any(|(kind, detail)| *kind == NoteKind::LinesPassedOver && detail == "2 lines"),
        "{passed:?}"
    );
}

#[tokio::test]
async fn a_folder_whose_line_cannot_be_read_is_told() {
    let old = Old {
        answer: Box::new(|command, _, _| {
            let list = command.starts_with("LIST");
            list.then(|| {
                b"* LIST () \"/\" INBOX\r\n* LIST (\\Sent \"/\" Sent\r\n$ OK done\r\n".to_vec()
            })
        }),
        ..Old::default()
    };
    let (first, second, ..) = twice(old).await;
    for report in [first, second] {
        assert_eq!(reasons(&report), [(None, Reason::SourceFolderUnavailable)]);
        assert!(report.accounts[0].exceptions[0].detail.contains("Sent"));
    }
}

#[tokio::test]
async fn a_date_that_no_server_keeps_is_that_of_the_message_or_told() {
    let dates = [
        ("30-Dec-1899 00:00:00 +0530", true),
        ("01-Feb-20 10:00:00 +0100", true),
        ("01-Feb-2020 10:00:00", true),
        ("Sat, 01 Feb 2020 10:00:00 +0100", true),
        ("", true),
        ("01-Feb-2020 24:00:00 +0000", false),
        ("01-Mar-2021 08:00:61 +0100", false),
    ];
    let old = fetching(|place, mail, body| {
        if body && mail.date.is_empty() {
            return fetched(place, mail, " FLAGS ()");
        }
        Old::line(place, mail, body)
    });
    let mails = dates.iter().zip(1..).map(|((date, dated), uid)| {
        let mut mail = mail(uid);
        mail.date = date;
        if *dated {
            let head = "Received: from a by b; Sat, 1 Feb 2020 10:00:00 +0100\r\n";
            mail.bytes.splice(0..0, head.bytes());
        }
        mail
    });
    old.folders.lock().expect("folders")[0].mails = mails.collect();
    let (first, second, found, _) = twice(old).await;
    assert_eq!(
        reasons(&first),
        [(Some(6), Reason::DateDiffers)],
        "{}",
        summary(&first)
    );
    assert_eq!(
        reasons(&second),
        [],
        "nothing is left to do: {}",
        summary(&second)
    );
    let of = |uid: usize| {
        found[0].1[uid - 1]
            .rsplit(' ')
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    for uid in 1..=5 {
        assert_eq!(of(uid), DATE, "{:?}", dates[uid - 1]);
    }
    assert_eq!(of(7), "2021-03-01T08:00:59+01:00");
    let noted = notes(&first);
    assert!(
        noted.contains(&(NoteKind::DateFromHeader, "5 messages".to_owned())),
        "{noted:?}"
    );
}

#[tokio::test]
async fn a_text_of_the_server_in_place_of_a_message_is_copied_and_told_by_every_run() {
    let old = Old::default();
    old.folders.lock().expect("folders")[0].mails[1].bytes =
        b"From: Microsoft Exchange Server 2010\r\nTo: <a@b>\r\nSubject: Retrieval using the IMAP4 \
          protocol failed for the following message:\r\n 2469\r\n\r\nThe server could not.\r\n"
            .to_vec();
    let (first, second, found, _) = twice(old).await;
    assert_eq!(reasons(&first), [(Some(2), Reason::SourceUndeliverable)]);
    assert_eq!(found[0].1.len(), 3);
    assert_eq!(reasons(&second), []);
    assert_eq!(
        notes(&second)[0].0,
        NoteKind::Substitute,
        "{}",
        summary(&second)
    );
}

#[tokio::test]
async fn subscriptions_come_in_the_way_that_the_server_has() {
    let subscribed = |capabilities: &'static str, lsub: bool| {
        let old = Old {
            capabilities,
            answer: Box::new(move |command, _, _| {
                if command.starts_with("LSUB") && !lsub {
                    return Some(b"$ BAD no such command\r\n".to_vec());
                }
                let told = "* LIST () \"/\" INBOX\r\n* LIST (\\Subscribed) \"/\" \"Été & fêtes\"\r\n\
                            $ OK done\r\n";
                command.contains("RETURN (SUBSCRIBED").then(|| told.into())
            }),
            ..Old::default()
        };
        old.folders
            .lock()
            .expect("folders")
            .push(folder("Été & fêtes", 2, 5..7));
        old
    };
    let root = tempfile::tempdir().expect("a folder");
    let report = Arc::new(subscribed("IMAP4rev2 AUTH=PLAIN", false))
        .copy(root.path())
        .await;
    assert_eq!(reasons(&report), [], "{}", summary(&report));
    let about = root.path().join("export/mail/Été & fêtes/folder.json");
    let about: serde_json::Value =
        serde_json::from_slice(&std::fs::read(about).expect("the folder")).expect("JSON");
    assert_eq!(about["subscribed"], true);
    // A server that has neither way: it is told, and the mail is copied.
    let (report, _, found, _) = twice(subscribed("IMAP4rev1 AUTH=PLAIN", false)).await;
    assert_eq!(reasons(&report), []);
    assert_eq!(notes(&report)[0].0, NoteKind::SubscriptionsUnknown);
    assert_eq!(found.len(), 2);
    // A server that says so and refuses: the old way is gone.
    let (report, ..) = twice(subscribed("IMAP4rev1 AUTH=PLAIN", true)).await;
    assert_eq!(notes(&report), []);
}

#[tokio::test]
async fn of_a_view_only_what_no_other_folder_has_is_copied() {
    let old = Old::default();
    let view = |name: &str, attributes, validity, uids: &[u32]| Folder {
        attributes,
        ..folder(name, validity, uids.iter().copied())
    };
    let mut trash = view("[Gmail]/Corbeille", "\\Trash", 7, &[6]);
    // The same bytes under other numbers, as Gmail gives them.
    let mut all = view(
        "[Gmail]/Tous les messages",
        "\\All",
        4,
        &[1, 2, 3, 4, 5, 6, 8],
    );
    for (place, mail) in all.mails.iter_mut().enumerate() {
        mail.uid = 100 + u32::try_from(place).expect("small");
    }
    // A message twice in the view alone is there twice.
    all.mails[6].bytes = all.mails[3].bytes.clone();
    trash.mails[0].uid = 60;
    *old.folders.lock().expect("folders") = vec![
        view("[Gmail]/Suivis", "\\Flagged", 5, &[2, 4]),
        all,
        view("[Gmail]/Important", "\\Important", 6, &[1]),
        folder("INBOX", 1, [1, 2]),
        folder("Mairie", 2, [1, 5]),
        view("Envoyés", "\\Sent", 3, &[3]),
        trash,
    ];
    let old = Arc::new(old);
    let root = tempfile::tempdir().expect("a folder");
    for pass in 0..2 {
        let report = old.copy(root.path()).await;
        assert_eq!(reasons(&report), [], "{}", summary(&report));
        let account = &report.accounts[0];
        assert_eq!(report.outcome.exit_code(), 0);
        assert_eq!(account.written_messages, if pass == 0 { 9 } else { 0 });
        let left = |path: &str| {
            let folder = account.folders.iter().find(|folder| folder.path == path);
            let folder = folder.expect("a proof");
            assert!(folder.complete, "{}", summary(&report));
            (folder.copied_messages, folder.left_out_messages)
        };
        // Two that are alike, and the one that the trash may lose.
        assert_eq!(left("[Gmail]/Tous les messages"), (3, 4));
        assert_eq!(
            (left("[Gmail]/Suivis"), left("[Gmail]/Important")),
            ((0, 2), (0, 1))
        );
        let noted = notes(&report);
        let views = noted.iter().filter(|(kind, _)| *kind == NoteKind::View);
        assert_eq!(views.count(), 3, "{noted:?}");
    }
    // Archived before it was ever copied elsewhere: the view has it alone.
    let fetches = |old: &Old| {
        let heard = old.heard.lock().expect("heard");
        let bodies = heard
            .iter()
            .filter(|command| String::from_utf8_lossy(command).contains("BODY"));
        bodies.count()
    };
    let before = fetches(&old);
    old.folders.lock().expect("folders")[1]
        .mails
        .push(mail(200));
    let report = old.copy(root.path()).await;
    assert_eq!(
        report.accounts[0].written_messages,
        1,
        "{}",
        summary(&report)
    );
    assert_eq!(
        fetches(&old),
        before + 1,
        "what was left out is not read again"
    );
}
