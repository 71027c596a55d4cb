//! The mailboxes that support teams dread, between real servers: odd bytes, huge messages, awkward
//! names, thousands of folders.

mod common;

use std::path::Path;
use std::time::Duration;

use common::hands::{append, imap, overview, written};
use common::{Lab, summary, test_options, witness};
use melouvert_bench::dovecot::{self, Format};
use melouvert_bench::proxy::{Behaviour, Proxy};
use melouvert_migration::Outcome;
use melouvert_migration::imap::utf7;

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
            let create = format!("CREATE {}", common::hands::quoted(&path));
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
