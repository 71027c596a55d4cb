//! One logged-in conversation: tags, capabilities, waiting for a command's end.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::connect::Security;
use super::deflate::Deflated;
use super::login::Credentials;
use super::{Code, Command, ImapError, Response, Status, Untagged, Wire, parse_response};
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

    /// What stands behind `NAME=`, where a capability carries a value.
    pub fn value(&self, name: &str) -> Option<&str> {
        let of = |word: &&String| {
            word.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with('='))
        };
        self.0.iter().find(of).map(|word| &word[name.len() + 1..])
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
    pub(super) capabilities: Capabilities,
    flags: FlagInterner,
    goodbye: String,
    pub(super) round_trip: Option<Duration>,
    compressed: bool,
    examined: Option<Examined>,
    /// Lines that could not be read.
    unread: Arc<AtomicU64>,
}

/// A mailbox that the last EXAMINE opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Examined {
    /// Its name on the wire.
    pub(crate) name: String,
    /// The UIDVALIDITY that was told.
    pub(crate) validity: u32,
}

impl Session {
    /// Reads the greeting, opens TLS where it is to be opened now, and logs in.
    pub async fn open(
        wire: Wire,
        security: &Security,
        who: &Credentials<'_>,
    ) -> Result<Self, ImapError> {
        let mut session = Self {
            wire,
            tags: 0,
            capabilities: Capabilities::default(),
            flags: FlagInterner::default(),
            goodbye: String::new(),
            round_trip: None,
            compressed: false,
            examined: None,
            unread: Arc::default(),
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
        if let Security::StartTls(config) = security {
            // In PREAUTH state STARTTLS is not allowed any more: what follows would be in clear.
            if status == Status::PreAuth {
                return Err(session.no_starttls("it greets as already logged in"));
            }
            session.start_tls(config).await?;
        }
        if session.capabilities.0.is_empty() {
            session.ask_capabilities().await?;
        }
        if status != Status::PreAuth {
            session.log_in(who).await?;
        }
        Ok(session)
    }

    fn no_starttls(&self, said: &str) -> ImapError {
        ImapError::NoStartTls {
            address: self.address(),
            said: said.to_owned(),
        }
    }

    /// Opens TLS on a connection in clear. What was said before it counts for nothing, and bytes
    /// that came before TLS but would be read after it are refused: anybody can have put them
    /// there.
    async fn start_tls(&mut self, config: &Arc<rustls::ClientConfig>) -> Result<(), ImapError> {
        if self.capabilities.0.is_empty() {
            self.ask_capabilities().await?;
        }
        if !self.capabilities.has("STARTTLS") {
            return Err(self.no_starttls("it does not offer STARTTLS"));
        }
        let done = self.run(&Command::new("STARTTLS"), |_| {}).await?;
        if done.status != Status::Ok {
            return Err(self.no_starttls(&said(&done)));
        }
        let (stream, early) = self.wire.take_stream();
        if !early.is_empty() {
            return Err(self.no_starttls("bytes came in clear behind its answer to STARTTLS"));
        }
        let address = self.address();
        let secure = super::connect::secure(stream, config, &address, self.wire.timeouts());
        self.wire.put_stream(secure.await?);
        self.capabilities = Capabilities::default();
        Ok(())
    }

    /// Compresses both directions from here on; false when the server does not want to. No command
    /// may be in flight.
    pub async fn compress(&mut self) -> Result<bool, ImapError> {
        if !self.capabilities.has("COMPRESS=DEFLATE") || self.compressed {
            return Ok(self.compressed);
        }
        let done = self.run(&Command::new("COMPRESS DEFLATE"), |_| {}).await?;
        if done.status != Status::Ok {
            return Ok(false);
        }
        let (stream, early) = self.wire.take_stream();
        self.wire
            .put_stream(Box::new(Deflated::new(stream, &early)));
        self.compressed = true;
        Ok(true)
    }

    /// Time of one round trip, when the login told it.
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// Counts lines that cannot be read where others of the same server are counted.
    pub(crate) fn count_unread_in(&mut self, counter: &Arc<AtomicU64>) {
        counter.fetch_add(self.unread.load(Ordering::Relaxed), Ordering::Relaxed);
        self.unread = Arc::clone(counter);
    }

    /// Leaves word that a mailbox stays open.
    pub(crate) fn leave_open(&mut self, examined: Option<Examined>) {
        self.examined = examined;
    }

    /// The mailbox left open, for one who goes on with it: whoever asks opens others after it.
    pub(crate) fn take_open(&mut self) -> Option<Examined> {
        self.examined.take()
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

    pub(super) fn learn(&mut self, code: Option<&Code>) {
        if let Some(code) = code.filter(|code| code.name == "CAPABILITY") {
            let words = code.arguments.to_ascii_uppercase();
            self.capabilities = words.split_ascii_whitespace().map(str::to_owned).collect();
        }
    }

    pub(super) async fn ask_capabilities(&mut self) -> Result<(), ImapError> {
        let mut found = Vec::new();
        let done = self
            .run(&Command::new("CAPABILITY"), |untagged| {
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

    /// A fresh tag.
    pub(super) fn tag(&mut self) -> String {
        self.tags += 1;
        format!("m{}", self.tags)
    }

    /// Sends one command line; returns its tag.
    pub async fn send(&mut self, command: &Command) -> Result<String, ImapError> {
        let mut tags = self.send_all(std::slice::from_ref(command)).await?;
        tags.pop().ok_or_else(|| self.wire.protocol("no command"))
    }

    /// Sends many command lines at once; returns their tags.
    pub async fn send_all(&mut self, commands: &[Command]) -> Result<Vec<String>, ImapError> {
        let mut lines = Vec::new();
        let mut tags = Vec::with_capacity(commands.len());
        for command in commands {
            let tag = self.tag();
            lines.extend_from_slice(tag.as_bytes());
            lines.push(b' ');
            lines.extend_from_slice(command.line());
            lines.extend_from_slice(b"\r\n");
            tags.push(tag);
        }
        self.wire.send(&lines).await?;
        self.wire.flush().await?;
        Ok(tags)
    }

    /// Sends raw bytes of a command under way.
    pub(super) async fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), ImapError> {
        self.wire.send(bytes).await
    }

    /// Pushes what the TLS layer may still hold.
    pub(super) async fn flush(&mut self) -> Result<(), ImapError> {
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
        if let Response::Untagged(Untagged::Unreadable(..)) = &response {
            self.unread.fetch_add(1, Ordering::Relaxed);
        }
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
        command: &Command,
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
