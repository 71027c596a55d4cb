//! The mailboxes that support teams dread, between real servers; and servers that no real one
//! would admit to be, scripted.

mod common;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::{Lab, summary, test_options, witness};
use melouvert_bench::dovecot::{self, Dovecot, Format, PASSWORD};
use melouvert_bench::proxy::{Behaviour, Proxy};
use melouvert_migration::imap::utf7;
use melouvert_migration::proof::{NoteKind, Reason};
use melouvert_migration::{Outcome, Report};

/// Runs commands in one session of agent01, literals by LITERAL+.
fn imap(server: &Dovecot, commands: &[Vec<u8>]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("connect");
    let timeout = Some(Duration::from_mins(2));
    stream.set_read_timeout(timeout).expect("timeout");
    let mut reader = stream.try_clone().expect("clone");
    // Before the login a server reads little ahead.
    let login = format!("a LOGIN agent01 {PASSWORD}\r\n");
    stream.write_all(login.as_bytes()).expect("send");
    let mut said = Vec::new();
    while !said.windows(4).any(|part| part == b"a OK") {
        let mut byte = [0];
        reader
            .read_exact(&mut byte)
            .expect("an answer to the login");
        said.push(byte[0]);
    }
    let mut bytes = Vec::new();
    for command in commands {
        bytes.extend_from_slice(b"b ");
        bytes.extend_from_slice(command);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"c LOGOUT\r\n");
    let sender = std::thread::spawn(move || stream.write_all(&bytes).map(|()| stream));
    let mut answer = Vec::new();
    let _ = reader.read_to_end(&mut answer);
    let _ = sender.join();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let bad = |line: &&str| line.starts_with("b NO") || line.starts_with("b BAD");
    assert_eq!(answer.lines().find(bad), None);
    assert!(answer.contains("c OK"), "{answer}");
    answer
}

fn append(folder: &str, message: &[u8]) -> Vec<u8> {
    let name = melouvert_migration::imap::quote(folder);
    let mut bytes = format!("APPEND {name} {{{}+}}\r\n", message.len()).into_bytes();
    bytes.extend_from_slice(message);
    bytes
}

fn written(report: &Report) -> u64 {
    let accounts = report.accounts.iter();
    accounts.map(|account| account.written_messages).sum()
}

/// Puts a message into a Maildir folder as it stands, whatever IMAP would say to it.
fn drop_in(lab: &Lab, folder: &str, number: usize, bytes: &[u8]) {
    let root = lab.source.mailbox("agent01").join(folder);
    for part in ["cur", "new", "tmp"] {
        std::fs::create_dir_all(root.join(part)).expect("folder");
    }
    let path = root.join(format!("cur/15000000{number:02}.M{number}P9.nasty:2,S"));
    std::fs::write(path, bytes).expect("write");
    dovecot::give_to_server(&root).expect("chown");
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_bytes_and_a_huge_message_arrive_as_they_are() {
    let lab = Lab::new(5, 1);
    let mut every = b"Subject: all bytes\n\n".to_vec();
    every.extend((0..=255u8).filter(|byte| *byte != b'\r'));
    every.push(b'\n');
    let long = format!("X-Long: {}\n\nbody\n", "y".repeat(300_000));
    for (number, bytes) in [
        b"no headers at all\n".as_slice(),
        b"\n\nonly a body\n",
        b"Subject: nul \0 in a header\n\nand \0\0 in the body\n",
        "Subject: accents bruts \u{e9} é\n\n\u{ff}\n".as_bytes(),
        b"Subject: \xe9\xff\xfe raw\n\n\x80\x81\n",
        b")\n{5}\n* BYE {3+}\nm1 OK done\n",
        b"no newline at the end",
        long.as_bytes(),
        &every,
    ]
    .into_iter()
    .enumerate()
    {
        drop_in(&lab, ".Bizarre", number, bytes);
    }
    // 64 MB of lines that do not repeat.
    let mut huge = b"Subject: huge\n\n".to_vec();
    let mut state = 1u64;
    while huge.len() < 64 << 20 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        huge.extend_from_slice(format!("{state:064x}\n").as_bytes());
    }
    drop_in(&lab, ".Bizarre", 20, &huge);
    let report = lab.copy().await;
    assert_eq!(report.outcome, Outcome::Complete, "{}", summary(&report));
    assert_eq!(written(&report), 15);
    lab.assert_alike();
}

/// Folder names of each awkward kind, one level each.
const NAMES: [&str; 11] = [
    "R&D",
    "a.b",
    "dit \"le chef\"",
    "anti\\slash",
    "📫 courrier 🇫🇷",
    "Éléments envoyés",
    "&-",
    "台北",
    "tilde ~ *%",
    " espaces ",
    "(parenthèses) {5}",
];

#[tokio::test(flavor = "multi_thread")]
async fn awkward_names_arrive_under_another_separator() {
    let source = dovecot::Options {
        // LAYOUT=fs would forbid a slash; mdbox with `.` as separator allows all the others.
        format: dovecot::Format::Mdbox,
        namespace: ('/', String::new()),
        ..dovecot::Options::default()
    };
    let target = dovecot::Options {
        namespace: ('^', "Perso^".to_owned()),
        ..dovecot::Options::default()
    };
    let lab = Lab::with_both(0, 1, &source, &target);
    let mut commands = Vec::new();
    let mut expected = Vec::new();
    for name in NAMES {
        let wire = utf7::encode(name);
        for path in [
            wire.clone(),
            format!("INBOX/{wire}"),
            format!("Parent vide/{wire}"),
        ] {
            let create = format!("CREATE {}", melouvert_migration::imap::quote(&path));
            commands.push(create.into_bytes());
            commands.push(append(
                &path,
                format!("Subject: x\r\n\r\n{path}\r\n").as_bytes(),
            ));
            expected.push(path);
        }
    }
    imap(&lab.source, &commands);
    let report = lab.copy().await;
    assert_eq!(report.outcome, Outcome::Complete, "{}", summary(&report));
    assert_eq!(written(&report), expected.len() as u64);
    let (old, new) = (
        witness(&lab.source, "agent01"),
        witness(&lab.target, "agent01"),
    );
    for (levels, messages) in &old.folders {
        let mut there = levels.clone();
        if levels.len() > 1 || levels[0] != "INBOX" {
            there.insert(0, "Perso".to_owned());
        }
        let found = new.folders.get(&there);
        assert_eq!(
            found,
            Some(messages),
            "{levels:?} among {:?}",
            new.folders.keys()
        );
    }
    let again = lab.copy().await;
    assert_eq!(written(&again), 0, "{}", summary(&again));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_the_target_reads_as_levels_are_kept_apart() {
    let source = dovecot::Options {
        format: dovecot::Format::Maildir,
        namespace: ('.', "INBOX.".to_owned()),
        ..dovecot::Options::default()
    };
    let lab = Lab::with_both(0, 1, &source, &dovecot::Options::default());
    for (number, folder) in [".a_b", ".a-b", ".Compte 2020"].into_iter().enumerate() {
        drop_in(
            &lab,
            folder,
            number,
            format!("Subject: {number}\n\nx\n").as_bytes(),
        );
    }
    let report = lab.copy().await;
    assert_eq!(report.outcome, Outcome::Complete, "{}", summary(&report));
    // Added later, when the others are settled: it must not be poured into one of them.
    drop_in(&lab, ".A_B", 9, b"Subject: 9\n\nx\n");
    let report = lab.copy().await;
    assert_eq!(
        (report.outcome, written(&report)),
        (Outcome::Complete, 1),
        "{}",
        summary(&report)
    );
    let new = witness(&lab.target, "agent01");
    assert!(
        new.folders.contains_key(&vec!["A_B (2)".to_owned()]),
        "{:?}",
        new.folders.keys()
    );
    assert_eq!(new.folders[&vec!["a_b".to_owned()]].len(), 1);
}

/// Folders with a message in every tenth, written without any server.
fn many_folders(root: &Path, count: usize) {
    for number in 0..count {
        let folder = root.join(format!(".Dossier {:02}.Affaire {number}", number % 50));
        std::fs::create_dir_all(folder.join("cur")).expect("folder");
        for part in ["new", "tmp"] {
            std::fs::create_dir(folder.join(part)).expect("folder");
        }
        if number % 10 == 0 {
            let mail = folder.join(format!("cur/1500000000.M{number}P1.many:2,S"));
            std::fs::write(mail, format!("Subject: {number}\n\nx\n")).expect("write");
        }
    }
    dovecot::give_to_server(root).expect("chown");
}

/// Each folder with its count, and each message's folder and subject, as the server's own
/// administration shows them: IMAP, folder by folder, would take minutes.
fn overview(server: &Dovecot) -> (BTreeSet<String>, BTreeSet<String>) {
    let read = |arguments: &[&str]| {
        let mut command = Command::new("doveadm");
        command
            .args(["-f", "tab", "-c"])
            .arg(server.configuration());
        let output = command.args(arguments).output().expect("doveadm");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        let told = String::from_utf8_lossy(&output.stdout);
        let lines = told
            .lines()
            .skip(1)
            .filter(|line| !line.starts_with("INBOX"));
        lines.map(str::to_owned).collect()
    };
    (
        read(&["mailbox", "status", "-u", "agent01", "messages", "*"]),
        read(&["fetch", "-u", "agent01", "mailbox hdr.subject", "all"]),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_folders_in_few_round_trips() {
    // What is in question is round trips, not how fast a disk settles thousands of new indexes, nor
    // that Dovecot walks through all folders at each CREATE to keep an index of them.
    let never = |format| dovecot::Options {
        format,
        fsync: "never",
        extra: "mailbox_list_index = no\n".to_owned(),
        ..dovecot::Options::default()
    };
    let (old, new) = (never(Format::Maildir), never(Format::Mdbox));
    let lab = Lab::with_both(0, 1, &old, &new);
    many_folders(&lab.source.mailbox("agent01"), 5000);
    // 20 ms a round trip: 5,000 of them would take 100 s for each command.
    let far = Behaviour {
        delay: Duration::from_millis(10),
        ..Behaviour::default()
    };
    let (old, new) = (
        Proxy::start(lab.source.port, far.clone()).expect("proxy"),
        Proxy::start(lab.target.port, far).expect("proxy"),
    );
    let accounts = lab.accounts_with(old.port, new.port);
    let report = lab.copy_with(accounts.clone(), &test_options()).await;
    let account = &report.accounts[0];
    assert_eq!(report.outcome, Outcome::Complete, "{:?}", account.failure);
    assert_eq!(written(&report), 500);
    assert!(account.folders.len() >= 5000, "{}", account.folders.len());
    let (folders, messages) = overview(&lab.target);
    assert!(folders.len() >= 5000, "{}", folders.len());
    assert_eq!(messages.len(), 500);
    assert_eq!((folders, messages), overview(&lab.source));
    let again = lab.copy_with(accounts, &test_options()).await;
    assert_eq!(again.outcome, Outcome::Complete);
    assert_eq!(written(&again), 0);
}

fn doveadm(server: &Dovecot, arguments: &[&str]) {
    let mut command = Command::new("doveadm");
    command
        .arg("-c")
        .arg(server.configuration())
        .args(arguments);
    assert!(
        command.status().expect("doveadm").success(),
        "{arguments:?}"
    );
}

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
    let quoted = |name: &str| melouvert_migration::imap::quote(name);
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
