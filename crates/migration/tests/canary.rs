//! A message's author must not command the target: mail whose lines are IMAP commands, with
//! keywords that no command can carry, is copied to real servers where a folder must survive.

mod common;
#[path = "common/foreign/mod.rs"]
mod foreign;

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::{summary, test_options};
use melouvert_bench::dovecot::{self, Dovecot, PASSWORD};
use melouvert_migration::account::parse_accounts;
use melouvert_migration::proof::Reason;
use melouvert_migration::{EndpointOptions, Report, Silent};
use tokio_util::sync::CancellationToken;

/// What an author may write into `X-Keywords`.
const KEYWORDS: [&str; 14] = [
    "\\Indexed",
    "Réunion",
    "ab\"cd",
    ")",
    "(",
    "a{1}",
    "{3}",
    "{3+}",
    "a\\b",
    "[EXPUNGED]",
    "a%b",
    "50*",
    "\\*",
    "travail",
];
/// Commands in a message's text, one for either separator.
const COMMANDS: &str = "z1 DELETE Archives\nz2 DELETE INBOX.Archives\nz3 CREATE Pirate\n\
    z4 CREATE INBOX.Pirate\nz5 SELECT INBOX\nz6 STORE 1:* +FLAGS (\\Deleted)\nz7 EXPUNGE\n";

/// A mailbox of such mail, in a file.
fn archive(directory: &Path) -> String {
    let mut text = String::new();
    for (number, keyword) in KEYWORDS.iter().enumerate() {
        write!(
            text,
            "From eve@example.org Sat Feb  1 10:00:00 2020\nFrom: eve@example.org\n\
             Subject: {number}\nDate: Sat, 01 Feb 2020 10:00:00 +0100\n\
             X-Keywords: {keyword}\n\nBonjour,\n\n{COMMANDS}\n\n"
        )
        .expect("a string grows");
    }
    let path = directory.join("courrier.mbox");
    std::fs::write(&path, text).expect("file");
    format!("mbox:{}", path.display())
}

/// Says lines to a server and returns all that it answers; literals are sent without waiting.
fn say(port: u16, lines: &[String]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connect");
    let timeout = Some(Duration::from_mins(1));
    stream.set_read_timeout(timeout).expect("timeout");
    let mut reader = BufReader::new(stream.try_clone().expect("clone"));
    let mut said = String::new();
    let login = format!("LOGIN agent01 {PASSWORD}");
    for (number, line) in [login].iter().chain(lines).enumerate() {
        let tag = format!("a{number} ");
        stream
            .write_all(format!("{tag}{line}\r\n").as_bytes())
            .expect("send");
        loop {
            let mut answer = Vec::new();
            let count = reader.read_until(b'\n', &mut answer).expect("an answer");
            assert!(count > 0, "it hung up: {said}");
            let answer = String::from_utf8_lossy(&answer).into_owned();
            said.push_str(&answer);
            if answer.starts_with(&tag) {
                break;
            }
        }
    }
    said
}

fn append(folder: &str, number: u32) -> String {
    let body = format!("Subject: canary {number}\r\n\r\nx\r\n");
    format!("APPEND {folder} {{{}+}}\r\n{body}", body.len())
}

/// Messages that a folder holds; none when it is not there.
fn count(port: u16, folder: &str) -> Option<u32> {
    let said = say(port, &[format!("STATUS {folder} (MESSAGES)")]);
    let (_, rest) = said.split_once("(MESSAGES ")?;
    rest.split_once(')')?.0.parse().ok()
}

async fn copy(from: &str, port: u16, state: &Path) -> Report {
    let csv = format!(
        "source_url,source_user,source_password,target_url,target_user,target_password\n\
         {from},,,imap://127.0.0.1:{port},agent01,{PASSWORD}\n"
    );
    let options = EndpointOptions {
        allow_cleartext: true,
        ca_file: None,
    };
    let accounts = parse_accounts(csv.as_bytes(), &options).expect("csv");
    let (silent, stop) = (Arc::new(Silent), CancellationToken::new());
    melouvert_migration::run(accounts, state, &test_options(), silent, stop).await
}

/// Five messages in a folder and in INBOX are there before the copy, and must be there after it.
async fn canary_survives(port: u16, prefix: &str) {
    let directory = tempfile::tempdir().expect("dir");
    let (archives, pirate) = (format!("{prefix}Archives"), format!("{prefix}Pirate"));
    let mut lines = vec![format!("CREATE {archives}")];
    for number in 0..5 {
        lines.push(append(&archives, number));
        lines.push(append("INBOX", number));
    }
    let said = say(port, &lines);
    assert_eq!(said.matches("OK [APPENDUID").count(), 10, "{said}");
    let report = copy(
        &archive(directory.path()),
        port,
        &directory.path().join("state"),
    )
    .await;
    let shown = summary(&report);
    assert_eq!(count(port, &archives), Some(5), "{shown}");
    assert_eq!(count(port, &pirate), None, "{shown}");
    let account = &report.accounts[0];
    assert!(account.failure.is_none(), "{shown}");
    let all = u64::try_from(KEYWORDS.len()).expect("few");
    assert_eq!(account.written_messages, all, "{shown}");
    // Each message came, in INBOX or in a folder of the file's name; each keyword left out is told.
    let told = |one: &&melouvert_migration::proof::Exception| one.reason == Reason::FlagsDiffer;
    let told = account.exceptions.iter().filter(told).count();
    assert_eq!(told, KEYWORDS.len() - 1, "{shown}");
    assert_eq!(account.exceptions.len(), told, "{shown}");
    assert!(
        count(port, "INBOX").is_some_and(|messages| messages >= 5),
        "{shown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn dovecot_s_folder_survives() {
    let home = tempfile::tempdir().expect("dir");
    let server = Dovecot::start(home.path(), &dovecot::Options::default()).expect("server");
    canary_survives(server.port, "").await;
    // The danger is real: what the engine sent before 0.1.0 deletes the folder.
    let body = "Subject: x\r\n\r\nz1 DELETE Archives\r\n";
    let head = format!("APPEND INBOX (\\Indexed) {{{}+}}\r\n{body}", body.len());
    say(server.port, &[head, "NOOP".to_owned()]);
    assert_eq!(count(server.port, "Archives"), None, "the canary can die");
}

#[tokio::test(flavor = "multi_thread")]
async fn cyrus_s_folder_survives() {
    let home = tempfile::tempdir().expect("dir");
    let server = foreign::cyrus::start(home.path());
    canary_survives(server.port, "INBOX.").await;
}
