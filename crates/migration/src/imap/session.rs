//! One logged-in conversation: tags, capabilities, waiting for a command's end.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

use super::{Code, ImapError, Response, Status, Untagged, Wire, parse_response};
use crate::model::FlagInterner;
use crate::payload::BodySink;

/// What a server says it can do, upper case.
#[derive(Clone, Debug, Default)]
pub struct Capabilities(HashSet<String>);

impl Capabilities {
    /// Whether a capability is announced.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    /// True when literals need no answer before their bytes.
    pub fn literal_plus(&self) -> bool {
        self.has("LITERAL+")
    }
}

impl FromIterator<String> for Capabilities {
    fn from_iter<T: IntoIterator<Item = String>>(words: T) -> Self {
        Self(words.into_iter().collect())
    }
}

/// How a command ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Completion {
    /// Its tag.
    pub tag: String,
    /// OK, NO or BAD.
    pub status: Status,
    /// Its code.
    pub code: Option<Code>,
    /// Its words.
    pub text: String,
}

/// A conversation with a server.
pub struct Session {
    wire: Wire,
    tags: u64,
    capabilities: Capabilities,
    flags: FlagInterner,
    goodbye: String,
}

/// Writes a string as an IMAP quoted string; the caller gives it without CR, LF and NUL.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out.push('"');
    out
}

impl Session {
    /// Reads the greeting and logs in.
    pub async fn open(wire: Wire, user: &str, password: &SecretString) -> Result<Self, ImapError> {
        let mut session = Self {
            wire,
            tags: 0,
            capabilities: Capabilities::default(),
            flags: FlagInterner::default(),
            goodbye: String::new(),
        };
        let greeting = session.next(&BodySink::HashOnly).await?;
        let Response::Untagged(Untagged::Status { status, code, text }) = greeting else {
            return Err(session.wire.protocol("it does not greet as an IMAP server"));
        };
        match status {
            Status::Ok | Status::PreAuth => session.learn(code.as_ref()),
            _ => {
                return Err(ImapError::Closed {
                    address: session.address(),
                    said: text,
                });
            }
        }
        if session.capabilities.0.is_empty() {
            session.ask_capabilities().await?;
        }
        if status != Status::PreAuth {
            session.log_in(user, password).await?;
        }
        Ok(session)
    }

    /// `host:port`, for messages.
    pub fn address(&self) -> String {
        self.wire.address().to_owned()
    }

    /// What the server can do once logged in.
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Error for an answer that makes no sense.
    pub fn protocol(&self, reason: impl Into<String>) -> ImapError {
        self.wire.protocol(reason)
    }

    /// Error for a refused command.
    pub fn refused(&self, command: &str, completion: &Completion) -> ImapError {
        ImapError::Refused {
            address: self.address(),
            command: command.to_owned(),
            said: said(completion),
        }
    }

    fn learn(&mut self, code: Option<&Code>) {
        if let Some(code) = code.filter(|code| code.name == "CAPABILITY") {
            let words = code.arguments.to_ascii_uppercase();
            self.capabilities = words.split_ascii_whitespace().map(str::to_owned).collect();
        }
    }

    async fn ask_capabilities(&mut self) -> Result<(), ImapError> {
        let mut found = Vec::new();
        let done = self
            .run("CAPABILITY", |untagged| {
                if let Untagged::Capability(words) = untagged {
                    found = words;
                }
            })
            .await?;
        if done.status != Status::Ok {
            return Err(self.refused("CAPABILITY", &done));
        }
        self.capabilities = found.into_iter().collect();
        Ok(())
    }

    async fn log_in(&mut self, user: &str, password: &SecretString) -> Result<(), ImapError> {
        let has_plain = self.capabilities.has("AUTH=PLAIN");
        let had_sasl_ir = self.capabilities.has("SASL-IR");
        let mut told = None;
        let done = if has_plain {
            let secret = format!("\0{user}\0{}", password.expose_secret());
            let proof = STANDARD.encode(secret);
            if had_sasl_ir {
                let tag = self.send(&format!("AUTHENTICATE PLAIN {proof}")).await?;
                self.finish_login(&tag, None, &mut told).await?
            } else {
                let tag = self.send("AUTHENTICATE PLAIN").await?;
                self.finish_login(&tag, Some(&proof), &mut told).await?
            }
        } else {
            let command = format!("LOGIN {} {}", quote(user), quote(password.expose_secret()));
            let tag = self.send(&command).await?;
            self.finish_login(&tag, None, &mut told).await?
        };
        if done.status != Status::Ok {
            let (address, user) = (self.address(), user.to_owned());
            let temporary = done
                .code
                .as_ref()
                .is_some_and(|code| code.name == "UNAVAILABLE");
            let said = said(&done);
            return Err(if temporary {
                ImapError::Refused {
                    address,
                    command: "LOGIN".to_owned(),
                    said,
                }
            } else {
                ImapError::Login {
                    address,
                    user,
                    said,
                }
            });
        }
        match told {
            Some(words) => self.capabilities = words,
            None if done
                .code
                .as_ref()
                .is_some_and(|code| code.name == "CAPABILITY") =>
            {
                self.learn(done.code.as_ref());
            }
            None => self.ask_capabilities().await?,
        }
        Ok(())
    }

    async fn finish_login(
        &mut self,
        tag: &str,
        answer: Option<&str>,
        told: &mut Option<Capabilities>,
    ) -> Result<Completion, ImapError> {
        loop {
            match self.next(&BodySink::HashOnly).await? {
                Response::Continue => {
                    // `*` cancels an exchange that asks for more than was announced.
                    let line = format!("{}\r\n", answer.unwrap_or("*"));
                    self.wire.send(line.as_bytes()).await?;
                    self.wire.flush().await?;
                }
                Response::Untagged(Untagged::Capability(words)) => {
                    *told = Some(words.into_iter().collect());
                }
                Response::Untagged(_) => {}
                response @ Response::Tagged { .. } => {
                    if let Some(done) = completion(response, tag) {
                        return Ok(done);
                    }
                }
            }
        }
    }

    /// A fresh tag.
    pub fn tag(&mut self) -> String {
        self.tags += 1;
        format!("m{}", self.tags)
    }

    /// Sends one command line; returns its tag.
    pub async fn send(&mut self, command: &str) -> Result<String, ImapError> {
        let tag = self.tag();
        self.wire
            .send(format!("{tag} {command}\r\n").as_bytes())
            .await?;
        self.wire.flush().await?;
        Ok(tag)
    }

    /// Sends many command lines at once; returns their tags.
    pub async fn send_all(&mut self, commands: &[String]) -> Result<Vec<String>, ImapError> {
        let mut lines = String::new();
        let mut tags = Vec::with_capacity(commands.len());
        for command in commands {
            let tag = self.tag();
            lines.push_str(&tag);
            lines.push(' ');
            lines.push_str(command);
            lines.push_str("\r\n");
            tags.push(tag);
        }
        self.wire.send(lines.as_bytes()).await?;
        self.wire.flush().await?;
        Ok(tags)
    }

    /// Sends raw bytes of a command under way.
    pub async fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), ImapError> {
        self.wire.send(bytes).await
    }

    /// Pushes what the TLS layer may still hold.
    pub async fn flush(&mut self) -> Result<(), ImapError> {
        self.wire.flush().await
    }

    /// The next response.
    pub async fn next(&mut self, sink: &BodySink) -> Result<Response, ImapError> {
        let raw = self.wire.receive(sink).await.map_err(|error| match error {
            ImapError::Closed { address, said } if said.is_empty() => ImapError::Closed {
                address,
                said: std::mem::take(&mut self.goodbye),
            },
            other => other,
        })?;
        let response =
            parse_response(raw, &mut self.flags).map_err(|reason| self.wire.protocol(reason))?;
        if let Response::Untagged(Untagged::Status {
            status: Status::Bye,
            text,
            ..
        }) = &response
        {
            self.goodbye.clone_from(text);
        }
        Ok(response)
    }

    /// Runs one command to its end.
    pub async fn run(
        &mut self,
        command: &str,
        on: impl FnMut(Untagged),
    ) -> Result<Completion, ImapError> {
        let tag = self.send(command).await?;
        self.wait(&tag, &BodySink::HashOnly, on).await
    }

    /// Waits for the end of a command that was sent.
    pub async fn wait(
        &mut self,
        tag: &str,
        sink: &BodySink,
        mut on: impl FnMut(Untagged),
    ) -> Result<Completion, ImapError> {
        loop {
            match self.next(sink).await? {
                Response::Untagged(untagged) => on(untagged),
                Response::Continue => {}
                response @ Response::Tagged { .. } => {
                    if let Some(done) = completion(response, tag) {
                        return Ok(done);
                    }
                    return Err(self.wire.protocol(format!("expected the end of {tag}")));
                }
            }
        }
    }
}

/// The server's words, with its code when it has one.
pub(crate) fn said(completion: &Completion) -> String {
    match &completion.code {
        Some(code) if code.name != "CAPABILITY" => format!("[{}] {}", code.name, completion.text),
        _ => completion.text.clone(),
    }
}

fn completion(response: Response, wanted: &str) -> Option<Completion> {
    match response {
        Response::Tagged {
            tag,
            status,
            code,
            text,
        } if tag == wanted => Some(Completion {
            tag,
            status,
            code,
            text,
        }),
        _ => None,
    }
}
