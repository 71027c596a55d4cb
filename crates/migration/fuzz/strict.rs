//! A strict IMAP server in memory, which takes nothing for granted, and what drives the writer
//! against it. It behaves as the worst real ones do: after a line that it does not understand it goes
//! on reading behind it, literal or not. So a byte of a message outside a literal is a command, and
//! every command that is none of ours ends the run.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use melouvert_migration::account::{Endpoint, EndpointOptions};
use melouvert_migration::backoff::Backoff;
use melouvert_migration::imap::{Security, Stream, Timeouts};
use melouvert_migration::model::{FlagSet, FolderPath, InternalDate};
use melouvert_migration::payload::Payload;
use melouvert_migration::source::Item;
use melouvert_migration::target::imap::ImapTarget;
use melouvert_migration::target::{Ack, FlagChange, Rung, Target, WantedFolder};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::task::JoinHandle;

/// Lines that a message's author may hope for.
const LINES: [&[u8]; 6] = [
    b"z1 DELETE Archives\r\n",
    b"m7 DELETE \"Archives\"\r\n",
    b"\r\nm2 UID STORE 1:* +FLAGS.SILENT (\\Deleted)\r\nm3 EXPUNGE\r\n",
    b"m5 APPEND \"INBOX\" () {3+}\r\nabc\r\n",
    b")\r\n",
    b"{5+}\r\n",
];
/// Commands that may reach the server.
const VERBS: [&[u8]; 14] = [
    b"CAPABILITY",
    b"ID",
    b"AUTHENTICATE",
    b"LOGIN",
    b"LIST",
    b"LSUB",
    b"NAMESPACE",
    b"CREATE",
    b"STATUS",
    b"SUBSCRIBE",
    b"SELECT",
    b"UNSELECT",
    b"NOOP",
    b"APPEND",
];

/// Choices out of the fuzzer's bytes; zeros when they are used up.
pub struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    fn some(&mut self, most: usize) -> &'a [u8] {
        let count = (usize::from(self.byte()) % (most + 1)).min(self.0.len());
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    fn is_over(&self) -> bool {
        self.0.is_empty()
    }
}

/// What the server was told to be, and what it saw.
#[derive(Default)]
struct Shared {
    capabilities: String,
    /// How it answers APPENDs, one after the other.
    answers: VecDeque<u8>,
    /// Keywords that it does not understand begin with this.
    odd: u8,
    /// Messages that may come.
    bodies: Vec<Bytes>,
    stored: u32,
    lines: u64,
    connections: Vec<JoinHandle<()>>,
}

/// Reads one command's tokens; the strict grammar of what this client may say.
struct Tokens<'a>(&'a [u8]);

impl<'a> Tokens<'a> {
    fn take(&mut self, token: &[u8]) -> bool {
        let rest = self.0.strip_prefix(token);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn quoted(&mut self) {
        assert!(self.take(b"\""), "no quoted string: {:?}", self.shown());
        loop {
            match self.0 {
                [b'"', rest @ ..] => {
                    self.0 = rest;
                    return;
                }
                [b'\\', byte, rest @ ..] => {
                    assert!(matches!(byte, b'"' | b'\\'), "an escape of nothing");
                    self.0 = rest;
                }
                [0 | b'\r' | b'\n', ..] | [] => panic!("a string without end: {:?}", self.shown()),
                [_, rest @ ..] => self.0 = rest,
            }
        }
    }

    /// Flags in their parentheses.
    fn flags(&mut self) -> Vec<&'a [u8]> {
        assert!(self.take(b"("), "no list: {:?}", self.shown());
        let end = self
            .0
            .iter()
            .position(|byte| *byte == b')')
            .expect("a list that ends");
        let list = &self.0[..end];
        self.0 = &self.0[end + 1..];
        let flags: Vec<&[u8]> = list
            .split(|byte| *byte == b' ')
            .filter(|flag| !flag.is_empty())
            .collect();
        for flag in &flags {
            let system: [&[u8]; 5] = [
                b"\\Answered",
                b"\\Deleted",
                b"\\Draft",
                b"\\Flagged",
                b"\\Seen",
            ];
            let atom = |byte: &u8| (b'!'..=b'~').contains(byte) && !b"(){%*\"\\]".contains(byte);
            assert!(
                system.contains(flag) || flag.iter().all(atom),
                "no flag: {:?}",
                text(flag)
            );
        }
        flags
    }

    /// `date-time`; whether every server knows such a date.
    fn date(&mut self) -> bool {
        let form = b"99-aaa-9999 99:99:99 +9999";
        let (date, rest) = self.0.split_at(form.len());
        for (byte, wanted) in date.iter().zip(form) {
            let fits = match wanted {
                b'9' => byte.is_ascii_digit(),
                b'a' => byte.is_ascii_alphabetic(),
                b'+' => matches!(byte, b'+' | b'-'),
                other => byte == other,
            };
            assert!(fits, "no date: {:?}", text(date));
        }
        self.0 = rest;
        assert!(self.take(b"\""), "a date without end");
        let year: u32 = text(&date[7..11]).parse().expect("digits");
        let zone: u32 = text(&date[22..26]).parse().expect("digits");
        (1970..2038).contains(&year) && zone <= 1400
    }

    fn shown(&self) -> String {
        text(self.0)
    }
}

/// A keyword that this server does not understand; system flags it does.
fn is_odd(flag: &[u8], odd: u8) -> bool {
    odd != b'\\' && flag.first() == Some(&odd)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// One connection of the server.
struct Connection {
    shared: Arc<Mutex<Shared>>,
    reader: BufReader<tokio::io::ReadHalf<DuplexStream>>,
    writer: tokio::io::WriteHalf<DuplexStream>,
    selected: bool,
}

impl Connection {
    async fn say(&mut self, words: &str) -> std::io::Result<()> {
        self.writer.write_all(words.as_bytes()).await
    }

    async fn line(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        if self.reader.read_until(b'\n', &mut line).await? == 0 || !line.ends_with(b"\r\n") {
            // A connection that is closed in the middle of a line.
            return Ok(None);
        }
        line.truncate(line.len() - 2);
        Ok(Some(line))
    }

    async fn serve(mut self) -> std::io::Result<()> {
        self.say("* OK ready\r\n").await?;
        while let Some(line) = self.line().await? {
            self.shared.lock().expect("lock").lines += 1;
            let mut tokens = Tokens(&line);
            assert!(tokens.take(b"m"), "not our tag: {:?}", text(&line));
            let digits = tokens
                .0
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .count();
            let tag = format!("m{}", text(&tokens.0[..digits]));
            tokens.0 = &tokens.0[digits..];
            assert!(digits > 0 && tokens.take(b" "), "no tag: {:?}", text(&line));
            let uid = tokens.take(b"UID ");
            let end = tokens
                .0
                .iter()
                .position(|byte| *byte == b' ')
                .unwrap_or(tokens.0.len());
            let verb = &tokens.0[..end];
            tokens.0 = &tokens.0[end..];
            if uid {
                assert!(
                    self.selected && verb == b"STORE",
                    "unwanted: {:?}",
                    text(&line)
                );
                self.store(&tag, tokens).await?;
            } else if verb == b"APPEND" {
                self.append(&tag, tokens.0.to_vec()).await?;
            } else {
                assert!(VERBS.contains(&verb), "unwanted: {:?}", text(&line));
                self.other(&tag, verb, tokens).await?;
            }
        }
        Ok(())
    }

    async fn other(
        &mut self,
        tag: &str,
        verb: &[u8],
        mut tokens: Tokens<'_>,
    ) -> std::io::Result<()> {
        match verb {
            b"CAPABILITY" => {
                let words = self.shared.lock().expect("lock").capabilities.clone();
                self.say(&format!("* CAPABILITY IMAP4rev1 {words}\r\n"))
                    .await?;
            }
            b"LIST" | b"LSUB" => {
                let verb = text(verb);
                self.say(&format!("* {verb} () \"/\" \"INBOX\"\r\n"))
                    .await?;
            }
            b"CREATE" | b"STATUS" | b"SUBSCRIBE" | b"SELECT" => {
                assert!(tokens.take(b" "), "no name");
                let before = tokens.0;
                tokens.quoted();
                let name = text(&before[..before.len() - tokens.0.len()]);
                if verb == b"STATUS" {
                    self.say(&format!(
                        "* STATUS {name} (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 1)\r\n"
                    ))
                    .await?;
                }
                self.selected |= verb == b"SELECT";
            }
            b"UNSELECT" => self.selected = false,
            _ => {}
        }
        self.say(&format!("{tag} OK done\r\n")).await
    }

    async fn store(&mut self, tag: &str, mut tokens: Tokens<'_>) -> std::io::Result<()> {
        assert!(tokens.take(b" "));
        let digits = tokens
            .0
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        tokens.0 = &tokens.0[digits..];
        let signed = tokens.take(b" +FLAGS.SILENT ") || tokens.take(b" -FLAGS.SILENT ");
        assert!(digits > 0 && signed, "no STORE: {:?}", tokens.shown());
        let odd = self.shared.lock().expect("lock").odd;
        let refused = tokens.flags().iter().any(|flag| is_odd(flag, odd));
        assert!(
            tokens.0.is_empty(),
            "more than a STORE: {:?}",
            tokens.shown()
        );
        let words = if refused { "BAD no" } else { "OK" };
        self.say(&format!("{tag} {words} done\r\n")).await
    }

    /// An APPEND. What it does not understand it refuses on the spot, and skips nothing.
    async fn append(&mut self, tag: &str, mut line: Vec<u8>) -> std::io::Result<()> {
        let mut tokens = Tokens(&line);
        assert!(tokens.take(b" "), "no name");
        tokens.quoted();
        let mut rest = tokens.0.to_vec();
        let mut count = 0;
        loop {
            let mut tokens = Tokens(&rest);
            assert!(tokens.take(b" "), "no message: {:?}", tokens.shown());
            let odd = self.shared.lock().expect("lock").odd;
            let flags = tokens.flags();
            let mut understood = !flags.iter().any(|flag| is_odd(flag, odd));
            assert!(tokens.take(b" "));
            if tokens.take(b"\"") {
                understood &= tokens.date();
                assert!(tokens.take(b" "));
            }
            assert!(tokens.take(b"{"), "no literal: {:?}", tokens.shown());
            let end = tokens
                .0
                .iter()
                .position(|byte| *byte == b'}')
                .expect("a size");
            assert_eq!(end + 1, tokens.0.len(), "more behind a literal");
            let size = text(&tokens.0[..end]);
            let waits = !size.ends_with('+');
            if !understood {
                return self.say(&format!("{tag} BAD what?\r\n")).await;
            }
            if waits {
                self.say("+ go\r\n").await?;
            }
            let mut body = vec![0; size.trim_end_matches('+').parse().expect("a size")];
            if self.reader.read_exact(&mut body).await.is_err() {
                return Ok(());
            }
            let known = self
                .shared
                .lock()
                .expect("lock")
                .bodies
                .iter()
                .any(|one| **one == body);
            assert!(known, "a literal that is no message: {:?}", text(&body));
            count += 1;
            match self.line().await? {
                None => return Ok(()),
                Some(next) if next.is_empty() => break,
                Some(next) => line = next,
            }
            rest.clone_from(&line);
        }
        let answer = self
            .shared
            .lock()
            .expect("lock")
            .answers
            .pop_front()
            .unwrap_or(0);
        let words = match answer % 8 {
            0..=4 => {
                let mut shared = self.shared.lock().expect("lock");
                let first = shared.stored + 1;
                shared.stored += count;
                format!("OK [APPENDUID 1 {first}:{}]", shared.stored)
            }
            5 => "NO [OVERQUOTA]".to_owned(),
            6 => "NO [CANNOT]".to_owned(),
            _ => {
                return self
                    .say("* BYE tired\r\n")
                    .await
                    .and(Err(std::io::ErrorKind::Other.into()));
            }
        };
        self.say(&format!("{tag} {words} done\r\n")).await
    }
}

fn item(choices: &mut Choices<'_>, uid: u32, earlier: &FlagSet) -> Item {
    let kind = choices.byte();
    let flags = match kind % 4 {
        0 => FlagSet::new(["\\Seen", "\\Flagged"]),
        1 => earlier.clone(),
        _ => {
            let raw = String::from_utf8_lossy(choices.some(24)).into_owned();
            FlagSet::new(raw.split(' '))
        }
    };
    let mut body = format!("Subject: {uid}\r\n\r\n").into_bytes();
    body.extend_from_slice(LINES[usize::from(kind / 4) % LINES.len()]);
    body.extend_from_slice(choices.some(16));
    let date = (kind & 64 != 0).then(|| {
        let mut bytes = [0; 8];
        let some = choices.some(8);
        bytes[..some.len()].copy_from_slice(some);
        let unix = i64::from_le_bytes(bytes);
        InternalDate {
            unix: if kind & 128 == 0 {
                unix.rem_euclid(2_000_000_000)
            } else {
                unix
            },
            offset_minutes: i16::from(choices.byte()).wrapping_mul(if kind & 128 == 0 {
                1
            } else {
                129
            }),
        }
    });
    Item {
        uid,
        flags,
        date,
        payload: Payload::from_bytes(body.into()),
    }
}

/// Sends one refused message as the engine does: with less and less of what is told about it.
async fn insist(target: &mut ImapTarget, name: &str, item: &Item) {
    let mut rung = Rung::Whole;
    loop {
        let answer = match target.submit_alone(name, item, rung).await {
            Ok(()) => target.acknowledge().await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(Ack::Stored(uids)) => {
                if let Some(uid) = uids.and_then(|uids| uids.first().copied()) {
                    let _ = target.complete_flags(name, uid, (item, rung)).await;
                }
                return;
            }
            Ok(Ack::Refused(refusal)) => {
                if refusal.misunderstood && target.reconnect().await.is_err() {
                    return;
                }
                match target.next_rung(name, item, rung) {
                    Some(next) => rung = next,
                    None => return,
                }
            }
            Err(_) => {
                let _ = target.reconnect().await;
                return;
            }
        }
    }
}

/// Drives the writer by the fuzzer's bytes; returns lines that the server read and messages that it
/// stored.
pub async fn drive(data: &[u8]) -> (u64, u32) {
    let mut choices = Choices(data);
    let able = choices.byte();
    let mut capabilities = "UIDPLUS NAMESPACE UNSELECT".to_owned();
    for (bit, word) in [
        (1, " LITERAL+"),
        (2, " MULTIAPPEND"),
        (4, " SASL-IR AUTH=PLAIN"),
        (8, " ID"),
    ] {
        if able & bit != 0 {
            capabilities.push_str(word);
        }
    }
    let shared = Arc::new(Mutex::new(Shared {
        capabilities,
        odd: choices.byte(),
        answers: choices.some(24).to_vec().into(),
        ..Shared::default()
    }));
    let mut target = target(&shared);
    let levels = String::from_utf8_lossy(choices.some(20)).into_owned();
    let wanted = WantedFolder {
        path: FolderPath(levels.split('/').map(str::to_owned).collect()),
        subscribe: able & 16 != 0,
        ..WantedFolder::default()
    };
    let made = target
        .prepare(&[wanted])
        .await
        .ok()
        .and_then(|mut made| made.pop());
    let name = made
        .and_then(Result::ok)
        .map_or_else(|| "INBOX".to_owned(), |folder| folder.name);
    let mut earlier = FlagSet::default();
    let mut uid = 0;
    while !choices.is_over() && uid < 64 {
        let count = 1 + usize::from(choices.byte()) % target.batch_limit().clamp(1, 4);
        let mut batch = Vec::new();
        for _ in 0..count {
            uid += 1;
            batch.push(item(&mut choices, uid, &earlier));
        }
        earlier = batch[0].flags.clone();
        let bodies = batch
            .iter()
            .filter_map(|item| item.payload.memory().cloned());
        shared.lock().expect("lock").bodies.extend(bodies);
        let answer = match target.submit(&name, &batch).await {
            Ok(()) => target.acknowledge().await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(Ack::Stored(_)) => {}
            Ok(Ack::Refused(refusal)) => {
                if refusal.misunderstood {
                    let _ = target.reconnect().await;
                }
                for item in &batch {
                    insist(&mut target, &name, item).await;
                }
            }
            Err(_) => drop(target.reconnect().await),
        }
    }
    let change = FlagChange {
        uid: 1,
        add: earlier.clone(),
        remove: earlier,
    };
    let _ = target.change_flags(&name, &[change]).await;
    drop(target);
    let connections = std::mem::take(&mut shared.lock().expect("lock").connections);
    for connection in connections {
        connection
            .await
            .expect("the server met nothing but our commands");
    }
    let shared = shared.lock().expect("lock");
    (shared.lines, shared.stored)
}

fn target(shared: &Arc<Mutex<Shared>>) -> ImapTarget {
    let options = EndpointOptions {
        allow_cleartext: true,
        ca_file: None,
    };
    let cells = ["imap://localhost", "agent", "secret"];
    let endpoint = Endpoint::parse(cells, &options, &Security::Cleartext).expect("an endpoint");
    let timeouts = Timeouts {
        response: Duration::from_secs(5),
        min_rate: u64::MAX,
        ..Timeouts::default()
    };
    let backoff = Backoff {
        first: Duration::ZERO,
        longest: Duration::ZERO,
        tries: 3,
    };
    let shared = Arc::clone(shared);
    ImapTarget::new(endpoint, timeouts, backoff).over(Box::new(move || {
        Box::new(connect(&shared)) as Box<dyn Stream>
    }))
}

/// Opens a connection to the server.
fn connect(shared: &Arc<Mutex<Shared>>) -> DuplexStream {
    let (near, far) = tokio::io::duplex(1 << 16);
    let (read, writer) = tokio::io::split(far);
    let connection = Connection {
        shared: Arc::clone(shared),
        reader: BufReader::new(read),
        writer,
        selected: false,
    };
    let task = tokio::spawn(async move {
        // Ends with its client's connection, however that ends.
        let _ = connection.serve().await;
    });
    shared.lock().expect("lock").connections.push(task);
    near
}

/// Sends bytes by hand; true when the server found fault with them.
#[allow(dead_code, reason = "the fuzz target has no use for it")]
pub async fn finds_fault(bytes: &[u8], bodies: &[&[u8]]) -> bool {
    let shared = Arc::new(Mutex::new(Shared {
        odd: b'?',
        bodies: bodies
            .iter()
            .map(|body| Bytes::copy_from_slice(body))
            .collect(),
        ..Shared::default()
    }));
    let mut near = connect(&shared);
    // The server may be gone before all is sent.
    let _ = near.write_all(bytes).await;
    let _ = near.shutdown().await;
    let mut said = Vec::new();
    let _ = near.read_to_end(&mut said).await;
    let connections = std::mem::take(&mut shared.lock().expect("lock").connections);
    let mut fault = false;
    for connection in connections {
        fault |= connection.await.is_err();
    }
    fault
}
