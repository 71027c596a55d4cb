//! What a test does with its own hands: commands in IMAP, and the server's own administration.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use melouvert_bench::dovecot::{Dovecot, PASSWORD};
use melouvert_migration::Report;

/// Runs commands in one session of agent01, literals by LITERAL+.
pub fn imap(server: &Dovecot, commands: &[Vec<u8>]) -> String {
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

/// A string as IMAP quotes it.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// APPEND of a message, its literal by LITERAL+.
pub fn append(folder: &str, message: &[u8]) -> Vec<u8> {
    let name = quoted(folder);
    let mut bytes = format!("APPEND {name} {{{}+}}\r\n", message.len()).into_bytes();
    bytes.extend_from_slice(message);
    bytes
}

/// Messages that a run wrote.
pub fn written(report: &Report) -> u64 {
    let accounts = report.accounts.iter();
    accounts.map(|account| account.written_messages).sum()
}

/// Each folder with its count, and each message's folder and subject, as the server's own
/// administration shows them: IMAP, folder by folder, would take minutes.
pub fn overview(server: &Dovecot) -> (BTreeSet<String>, BTreeSet<String>) {
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

/// Runs a command of the server's administration.
pub fn doveadm(server: &Dovecot, arguments: &[&str]) {
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
