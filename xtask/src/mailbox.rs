//! A mail client that is not ours: curl, over TLS, against a forwarded port.

use std::process::Command;

use anyhow::Context;

use crate::shell;

/// One account of one space, as a mail client sees it.
pub struct Mailbox<'a> {
    /// `name@domain`.
    pub address: &'a str,
    /// The domain whose servers are asked: another space's, to be refused there.
    pub server: &'a str,
    /// Its password; it goes to curl by stdin, never in an argument list.
    pub password: &'a str,
    /// The PEM file of the region's root.
    pub authority: &'a std::path::Path,
    /// The local port that leads to IMAPS.
    pub imaps: u16,
    /// The local port that leads to submissions.
    pub submissions: u16,
}

impl Mailbox<'_> {
    fn curl(&self, config: &str) -> anyhow::Result<String> {
        let secret = format!("user = \"{}:{}\"\n{config}", self.address, self.password);
        let mut command = Command::new("curl");
        command
            .args([
                "--silent",
                "--show-error",
                "--max-time",
                "30",
                "--config",
                "-",
            ])
            .arg("--cacert")
            .arg(self.authority);
        shell::output_with(&mut command, Some(&secret))
    }

    /// Sends one IMAP command and returns what the server lists.
    pub fn imap(&self, mailbox: &str, request: &str) -> anyhow::Result<String> {
        let host = format!("imap.{}", self.server);
        self.curl(&format!(
            "url = \"imaps://{host}:{port}/{mailbox}\"\nresolve = \"{host}:{port}:127.0.0.1\"\nrequest = \"{request}\"\n",
            port = self.imaps,
        ))
    }

    /// Whether the account can log in.
    pub fn login(&self) -> anyhow::Result<()> {
        self.imap("", "NOOP").map(drop)
    }

    /// The text of message number `number` of a mailbox.
    pub fn read(&self, mailbox: &str, number: u32) -> anyhow::Result<String> {
        let host = format!("imap.{}", self.server);
        self.curl(&format!(
            "url = \"imaps://{host}:{port}/{mailbox};MAILINDEX={number}\"\nresolve = \"{host}:{port}:127.0.0.1\"\n",
            port = self.imaps,
        ))
    }

    /// How many messages a mailbox holds.
    pub fn count(&self, mailbox: &str) -> anyhow::Result<u32> {
        let answer = self.imap(
            "",
            &format!("STATUS {mailbox} (MESSAGES)").replace('"', "\\\""),
        )?;
        answer
            .split_once("MESSAGES ")
            .and_then(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()).next())
            .and_then(|number| number.parse().ok())
            .with_context(|| format!("no count in {answer:?}"))
    }

    /// Sends a message as the account.
    pub fn send(&self, to: &str, message: &str) -> anyhow::Result<()> {
        self.send_as(self.address, to, message)
    }

    /// Sends a message with another envelope sender.
    pub fn send_as(&self, from: &str, to: &str, message: &str) -> anyhow::Result<()> {
        let host = format!("smtp.{}", self.server);
        let file = tempfile::NamedTempFile::new().context("failed to make a file")?;
        std::fs::write(file.path(), message).context("failed to write the message")?;
        self.curl(&format!(
            "url = \"smtps://{host}:{port}\"\nresolve = \"{host}:{port}:127.0.0.1\"\nmail-from = \"{from}\"\nmail-rcpt = \"{to}\"\nupload-file = \"{file}\"\n",
            port = self.submissions,
            file = file.path().display(),
        ))
        .map(drop)
    }
}

/// A small message, lines ending in CRLF.
pub fn message(from: &str, to: &str, subject: &str, text: &str) -> String {
    format!(
        "From: <{from}>\r\nTo: <{to}>\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{text}\r\n"
    )
}
