//! The server: what it was told to be, and its connections.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::task::JoinHandle;

use super::tokens::{Tokens, is_odd, text};

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

/// What the server was told to be, and what it saw.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) capabilities: String,
    /// How it answers APPENDs, one after the other.
    pub(super) answers: VecDeque<u8>,
    /// Keywords that it does not understand begin with this.
    pub(super) odd: u8,
    /// Messages that may come.
    pub(super) bodies: Vec<Bytes>,
    pub(super) stored: u32,
    pub(super) lines: u64,
    pub(super) connections: Vec<JoinHandle<()>>,
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

/// Opens a connection to the server.
pub(super) fn connect(shared: &Arc<Mutex<Shared>>) -> DuplexStream {
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
