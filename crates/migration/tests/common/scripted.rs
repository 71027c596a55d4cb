//! A server on a socket that keeps mail in memory, source or target, with rules of a test's own:
//! what it refuses, with which words, when it hangs up.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// A message.
#[derive(Clone, Debug)]
pub struct Letter {
    pub uid: u32,
    pub flags: String,
    pub body: String,
}

/// What the server has seen and keeps.
#[derive(Default, Debug)]
pub struct State {
    pub folders: BTreeMap<String, Vec<Letter>>,
    /// Every command line, without its tag.
    pub asked: Vec<String>,
    pub connections: u32,
    pub refusals: u32,
}

/// A command that a rule may answer.
pub struct Ask<'a> {
    /// The line without its tag; literals are left out.
    pub line: &'a str,
    /// Flags, of an APPEND or a STORE.
    pub flags: &'a str,
    /// The folder of an APPEND or STORE.
    pub folder: &'a str,
    /// Refusals on this connection before.
    pub refused_here: u32,
}

/// What a rule makes of a command.
pub enum Answer {
    /// `NO …` or `BAD …`.
    Refuse(String),
    /// The same, and the connection is closed.
    HangUp(String),
}

type Rule = dyn Fn(&Ask<'_>, &State) -> Option<Answer> + Send + Sync;

/// A running server.
pub struct Server {
    pub port: u16,
    state: Arc<Mutex<State>>,
}

impl Server {
    /// Starts with folders, each of so many messages with these flags.
    pub async fn start(
        folders: &[(&str, &[&str])],
        rule: impl Fn(&Ask<'_>, &State) -> Option<Answer> + Send + Sync + 'static,
    ) -> Self {
        let mut state = State::default();
        for (name, flags) in folders {
            let letters = flags.iter().zip(1..).map(|(flags, uid)| Letter {
                uid,
                flags: (*flags).to_owned(),
                body: format!("Subject: {name} {uid}\r\n\r\nbonjour\r\n"),
            });
            state.folders.insert((*name).to_owned(), letters.collect());
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let port = listener.local_addr().expect("address").port();
        let state = Arc::new(Mutex::new(state));
        let (shared, rule): (_, Arc<Rule>) = (Arc::clone(&state), Arc::new(rule));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.lock().expect("lock").connections += 1;
                let connection = Connection::new(stream, Arc::clone(&shared), Arc::clone(&rule));
                // Its client may go at any moment.
                tokio::spawn(async move { connection.serve().await.ok() });
            }
        });
        Self { port, state }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("lock")
    }
}

struct Connection {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    state: Arc<Mutex<State>>,
    rule: Arc<Rule>,
    selected: String,
    refused: u32,
}

/// Splits a first word or quoted string off.
fn word(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
        return (first.to_owned(), rest);
    };
    let end = quoted.find('"').expect("a closing quote");
    (quoted[..end].to_owned(), quoted[end + 1..].trim_start())
}

fn holds(set: &str, uid: u32) -> bool {
    set.split(',').any(|part| {
        let (first, last) = part.split_once(':').unwrap_or((part, part));
        let number = |text: &str| text.parse().unwrap_or(u32::MAX);
        (number(first)..=number(last)).contains(&uid)
    })
}

fn list_of(text: &str) -> &str {
    let inner = text
        .split_once('(')
        .and_then(|(_, rest)| rest.split_once(')'));
    inner.map_or("", |(inner, _)| inner)
}

impl Connection {
    fn new(stream: TcpStream, state: Arc<Mutex<State>>, rule: Arc<Rule>) -> Self {
        let (read, writer) = stream.into_split();
        Self {
            reader: BufReader::new(read),
            writer,
            state,
            rule,
            selected: String::new(),
            refused: 0,
        }
    }

    async fn say(&mut self, text: &str) -> std::io::Result<()> {
        self.writer.write_all(text.as_bytes()).await
    }

    /// A command's line and its last literal.
    async fn command(&mut self) -> std::io::Result<Option<(String, String)>> {
        let (mut line, mut literal) = (String::new(), String::new());
        if self.reader.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        loop {
            let text = line.trim_end().to_owned();
            let size = text
                .strip_suffix('}')
                .and_then(|text| text.rsplit_once('{'));
            let Some((before, size)) = size else {
                return Ok(Some((text, literal)));
            };
            if !size.ends_with('+') {
                self.say("+ go\r\n").await?;
            }
            let mut bytes = vec![0; size.trim_end_matches('+').parse().expect("a size")];
            self.reader.read_exact(&mut bytes).await?;
            literal = String::from_utf8(bytes).expect("text");
            let mut rest = String::new();
            self.reader.read_line(&mut rest).await?;
            line = format!("{before}{rest}");
        }
    }

    async fn serve(mut self) -> std::io::Result<()> {
        self.say("* OK ready\r\n").await?;
        while let Some((line, body)) = self.command().await? {
            let (tag, line) = line.split_once(' ').expect("a tag");
            let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
            let folder = match verb {
                "APPEND" => word(rest).0,
                _ => self.selected.clone(),
            };
            let answer = {
                let mut state = self.state.lock().expect("lock");
                state.asked.push(line.to_owned());
                let ask = Ask {
                    line,
                    flags: if verb == "APPEND" || rest.starts_with("STORE") {
                        list_of(rest)
                    } else {
                        ""
                    },
                    folder: &folder,
                    refused_here: self.refused,
                };
                let answer = (self.rule)(&ask, &state);
                state.refusals += u32::from(answer.is_some());
                answer
            };
            let text = match answer {
                Some(Answer::Refuse(words)) => {
                    self.refused += 1;
                    format!("{tag} {words}\r\n")
                }
                Some(Answer::HangUp(words)) => {
                    self.say(&format!("{tag} {words}\r\n* BYE closed\r\n"))
                        .await?;
                    return Ok(());
                }
                None => self.answer(tag, (verb, rest), body),
            };
            self.say(&text).await?;
        }
        Ok(())
    }

    fn answer(&mut self, tag: &str, (verb, rest): (&str, &str), body: String) -> String {
        let mut state = self.state.lock().expect("lock");
        let mut out = String::new();
        let mut done = "OK done".to_owned();
        match verb {
            "CAPABILITY" => {
                out += "* CAPABILITY IMAP4rev1 LITERAL+ SASL-IR AUTH=PLAIN UNSELECT UIDPLUS\r\n";
            }
            "LIST" | "LSUB" => {
                for name in state.folders.keys() {
                    write!(out, "* {verb} () \"/\" \"{name}\"\r\n").expect("a string grows");
                }
            }
            "STATUS" | "EXAMINE" | "SELECT" => {
                let name = word(rest).0;
                if let Some(letters) = state.folders.get(&name) {
                    let (count, next) =
                        (letters.len(), letters.last().map_or(1, |last| last.uid + 1));
                    if verb == "STATUS" {
                        write!(out, "* STATUS \"{name}\" (MESSAGES {count} UIDNEXT {next} UIDVALIDITY 1)\r\n")
                    } else {
                        self.selected = name;
                        write!(out, "* {count} EXISTS\r\n* OK [UIDVALIDITY 1] ok\r\n")
                    }
                    .expect("a string grows");
                } else {
                    "NO no such folder".clone_into(&mut done);
                }
            }
            "CREATE" => {
                state.folders.entry(word(rest).0).or_default();
            }
            "APPEND" => {
                let letters = state.folders.entry(word(rest).0).or_default();
                let uid = letters.last().map_or(1, |last| last.uid + 1);
                let flags = list_of(rest).to_owned();
                letters.push(Letter { uid, flags, body });
                done = format!("OK [APPENDUID 1 {uid}] done");
            }
            "UID" => done = self.uid(&mut state, rest, &mut out),
            _ => {}
        }
        write!(out, "{tag} {done}\r\n").expect("a string grows");
        out
    }

    fn uid(&self, state: &mut State, rest: &str, out: &mut String) -> String {
        let (verb, rest) = rest.split_once(' ').expect("a verb");
        let (set, what) = rest.split_once(' ').expect("a set");
        let Some(letters) = state.folders.get_mut(&self.selected) else {
            return "BAD nothing is open".to_owned();
        };
        for (number, letter) in letters.iter_mut().enumerate() {
            if !holds(set, letter.uid) {
                continue;
            }
            let (number, uid) = (number + 1, letter.uid);
            if verb == "STORE" {
                let more = list_of(what);
                let all = format!("{} {more}", letter.flags);
                all.trim().clone_into(&mut letter.flags);
                continue;
            }
            let flags = &letter.flags;
            write!(out, "* {number} FETCH (UID {uid} FLAGS ({flags})").expect("a string grows");
            if what.contains("BODY") {
                let (body, size) = (&letter.body, letter.body.len());
                let date = "01-Feb-2020 10:00:00 +0100";
                write!(out, " INTERNALDATE \"{date}\" BODY[] {{{size}}}\r\n{body}")
                    .expect("a string grows");
            }
            out.push_str(")\r\n");
        }
        "OK done".to_owned()
    }
}
