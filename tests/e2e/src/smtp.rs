//! An SMTP client that sends headers as they are, whoever they name.

use std::{path::Path, process::Command};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

/// Where and how to speak.
#[derive(Debug, Clone, Copy)]
pub struct Door<'a> {
    /// The local port that leads there.
    pub port: u16,
    /// The name that the certificate carries.
    pub name: &'a str,
    /// `tls`, `starttls` or `plain`.
    pub how: &'a str,
    /// The PEM file of the region's root.
    pub authority: &'a Path,
    /// A client certificate with its key, PEM.
    pub client: Option<&'a Path>,
    /// Login and password.
    pub login: Option<(&'a str, &'a str)>,
    /// How many more sessions name a sender and a recipient and then wait.
    pub held: u32,
}

/// One message of a [`Door`].
#[derive(Debug, Clone)]
pub struct Letter {
    /// The envelope's sender.
    pub from: String,
    /// The envelope's recipients.
    pub to: Vec<String>,
    /// Header and body; each character is one byte.
    pub text: String,
    /// Whether to go on although recipients were refused.
    pub whatever: bool,
}

impl Letter {
    /// A message to one recipient whose header is `header`.
    pub fn new(from: &str, to: &str, header: &str) -> Self {
        Self {
            from: from.into(),
            to: vec![to.into()],
            text: format!("{header}\r\nSubject: essai\r\n\r\nBonjour.\r\n"),
            whatever: false,
        }
    }
}

/// The server's last word on one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// After which command.
    pub at: String,
    /// The code.
    pub code: u64,
    /// The text.
    pub said: String,
}

impl Reply {
    /// Whether the message was taken.
    pub fn taken(&self) -> bool {
        self.at == "MESSAGE" && self.code == 250
    }

    /// Fails unless the message was refused for good, in these words.
    pub fn refused(&self, words: &str) -> anyhow::Result<()> {
        ensure!(
            self.code >= 500 && self.said.contains(words),
            "not refused with {words:?}: {self:?}"
        );
        Ok(())
    }
}

/// Sends messages in one session and returns what was said of each.
pub fn send(door: &Door<'_>, letters: &[Letter]) -> anyhow::Result<Vec<Reply>> {
    let letters: Vec<Value> = letters
        .iter()
        .map(|letter| {
            json!({"from": letter.from, "to": letter.to, "text": letter.text,
                "whatever": letter.whatever})
        })
        .collect();
    let asked = json!({"port": door.port, "name": door.name, "how": door.how,
        "authority": door.authority, "client": door.client, "held": door.held,
        "user": door.login.map(|(user, _)| user),
        "password": door.login.map(|(_, password)| password), "messages": letters});
    let mut python = Command::new("python3");
    python.args(["-c", include_str!("smtp.py")]);
    let told = xtask::shell::output_with(&mut python, Some(&asked.to_string()))?;
    let told: Vec<Value> = serde_json::from_str(&told).context("the client told no JSON")?;
    ensure!(told.len() == letters.len(), "{told:?}");
    told.iter()
        .map(|reply| {
            let text = |key: &str| reply[key].as_str().map(str::to_owned);
            Ok(Reply {
                at: text("at").context("no command")?,
                code: reply["code"].as_u64().context("no code")?,
                said: text("said").context("no text")?,
            })
        })
        .collect()
}
