//! A scripted old server: plain answers from a few folders, any of which a test replaces.

use std::path::Path;
use std::sync::{Arc, Mutex};

use melouvert_migration::account::parse_accounts;
use melouvert_migration::{EndpointOptions, Report, Silent};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

/// One message of the old server.
#[derive(Clone)]
pub struct Mail {
    pub uid: u32,
    pub flags: &'static str,
    pub date: &'static str,
    pub bytes: Vec<u8>,
}

/// A message with a Message-ID of its own, so that no two are alike.
pub fn mail(uid: u32) -> Mail {
    Mail {
        uid,
        flags: "\\Seen",
        date: "01-Feb-2020 10:00:00 +0100",
        bytes: format!("Message-ID: <{uid}@old>\r\nSubject: n{uid}\r\n\r\nbody {uid}\r\n")
            .into_bytes(),
    }
}

/// One folder of the old server: its name as LIST gives it.
#[derive(Clone)]
pub struct Folder {
    pub name: Vec<u8>,
    pub attributes: &'static str,
    pub validity: u32,
    pub mails: Vec<Mail>,
}

pub fn folder(
    name: impl AsRef<[u8]>,
    validity: u32,
    uids: impl IntoIterator<Item = u32>,
) -> Folder {
    Folder {
        name: name.as_ref().to_vec(),
        attributes: "",
        validity,
        mails: uids.into_iter().map(mail).collect(),
    }
}

/// Replaces the answer to a command: its words, then the folder that is open.
pub type Answer = dyn Fn(&str, &[u8], Option<&Folder>) -> Option<Vec<u8>> + Send + Sync;

pub struct Old {
    pub capabilities: &'static str,
    pub namespace: &'static str,
    pub separator: &'static str,
    pub folders: Mutex<Vec<Folder>>,
    pub answer: Box<Answer>,
    /// Every command that came, without its tag.
    pub heard: Mutex<Vec<Vec<u8>>>,
    pub port: OnceCell<u16>,
}

impl Default for Old {
    fn default() -> Self {
        Self {
            capabilities: "IMAP4rev1 LITERAL+ AUTH=PLAIN SASL-IR NAMESPACE UNSELECT",
            namespace: "((\"\" \"/\")) NIL NIL",
            separator: "\"/\"",
            folders: Mutex::new(vec![folder("INBOX", 1, 1..=3)]),
            answer: Box::new(|_, _, _| None),
            heard: Mutex::default(),
            port: OnceCell::new(),
        }
    }
}

fn quoted(name: &[u8]) -> Vec<u8> {
    let mut out = vec![b'"'];
    for byte in name {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'"');
    out
}

/// The first quoted string of a command.
pub fn named(command: &[u8]) -> Vec<u8> {
    let mut name = Vec::new();
    let mut inside = false;
    let mut bytes = command.iter();
    while let Some(byte) = bytes.next() {
        match (inside, byte) {
            (true, b'\\') => name.extend(bytes.next()),
            (true, b'"') => break,
            (true, byte) => name.push(*byte),
            (false, byte) => inside = *byte == b'"',
        }
    }
    name
}

fn in_set(set: &str, uid: u32) -> bool {
    set.split(',').any(|part| {
        let (first, last) = part.split_once(':').unwrap_or((part, part));
        let last = last.parse().unwrap_or(u32::MAX);
        (first.parse().unwrap_or(0)..=last).contains(&uid)
    })
}

/// `* n FETCH (…)` with the body as a literal.
pub fn fetched(place: usize, mail: &Mail, before: &str) -> Vec<u8> {
    let size = mail.bytes.len();
    let mut out = format!(
        "* {place} FETCH (UID {}{before} BODY[] {{{size}}}\r\n",
        mail.uid
    )
    .into_bytes();
    out.extend_from_slice(&mail.bytes);
    out.extend_from_slice(b")\r\n");
    out
}

impl Old {
    /// The ordinary answer to a FETCH, message by message as `line` writes them.
    pub fn fetch(
        command: &str,
        open: &Folder,
        line: impl Fn(usize, &Mail, bool) -> Vec<u8>,
    ) -> Vec<u8> {
        let set = command.split(' ').nth(2).unwrap_or_default();
        let body = command.contains("BODY");
        let wanted = open.mails.iter().enumerate();
        let wanted = wanted.filter(|(_, mail)| in_set(set, mail.uid));
        let mut out: Vec<u8> = wanted
            .flat_map(|(place, mail)| line(place + 1, mail, body))
            .collect();
        out.extend_from_slice(b"$ OK done\r\n");
        out
    }

    /// One message as servers usually give it.
    pub fn line(place: usize, mail: &Mail, body: bool) -> Vec<u8> {
        let flags = format!(" FLAGS ({})", mail.flags);
        if body {
            return fetched(
                place,
                mail,
                &format!("{flags} INTERNALDATE \"{}\"", mail.date),
            );
        }
        format!("* {place} FETCH (UID {}{flags})\r\n", mail.uid).into_bytes()
    }

    fn usual(&self, verb: &str, command: &[u8], open: &mut Option<Folder>) -> Vec<u8> {
        let text = String::from_utf8_lossy(command).into_owned();
        let folders = self.folders.lock().expect("folders");
        let of_name = || {
            let name = named(command);
            let mut folders = folders.iter();
            folders
                .find(|folder| folder.name.eq_ignore_ascii_case(&name))
                .cloned()
        };
        let mut out = Vec::new();
        match verb {
            "CAPABILITY" => out = format!("* CAPABILITY {}\r\n", self.capabilities).into_bytes(),
            "NAMESPACE" => out = format!("* NAMESPACE {}\r\n", self.namespace).into_bytes(),
            "LIST" | "LSUB" => {
                for folder in folders.iter() {
                    let head = format!("* {verb} ({}) {} ", folder.attributes, self.separator);
                    out.extend_from_slice(head.as_bytes());
                    out.extend_from_slice(&quoted(&folder.name));
                    out.extend_from_slice(b"\r\n");
                }
            }
            "STATUS" | "EXAMINE" => {
                let Some(folder) = of_name() else {
                    return b"$ NO no such folder\r\n".to_vec();
                };
                let count = folder.mails.len();
                let next = folder.mails.last().map_or(1, |mail| mail.uid + 1);
                let validity = folder.validity;
                if verb == "STATUS" {
                    out.extend_from_slice(b"* STATUS ");
                    out.extend_from_slice(&quoted(&folder.name));
                    let items =
                        format!(" (MESSAGES {count} UIDNEXT {next} UIDVALIDITY {validity})\r\n");
                    out.extend_from_slice(items.as_bytes());
                } else {
                    let told = format!("* {count} EXISTS\r\n* OK [UIDVALIDITY {validity}] ok\r\n");
                    out.extend_from_slice(told.as_bytes());
                    *open = Some(folder);
                }
            }
            "UID" if text.contains("SEARCH") => {
                let uids = open.iter().flat_map(|folder| &folder.mails);
                let uids: Vec<String> = uids.map(|mail| mail.uid.to_string()).collect();
                out = format!("* SEARCH {}\r\n", uids.join(" ")).into_bytes();
            }
            "UID" => {
                if let Some(folder) = open {
                    return Self::fetch(&text, folder, Self::line);
                }
            }
            _ => {}
        }
        out.extend_from_slice(b"$ OK done\r\n");
        out
    }

    async fn talk(self: Arc<Self>, stream: TcpStream) -> std::io::Result<()> {
        let (read, mut write) = stream.into_split();
        let mut read = BufReader::new(read);
        write.write_all(b"* OK ready\r\n").await?;
        let mut open = None;
        loop {
            let mut line = Vec::new();
            if read.read_until(b'\n', &mut line).await? == 0 {
                return Ok(());
            }
            // A literal of a command is put in its place, quoted.
            while let Some(at) = line.iter().rposition(|byte| *byte == b'{')
                && line.ends_with(b"}\r\n")
            {
                let digits = String::from_utf8_lossy(&line[at + 1..line.len() - 3]).into_owned();
                let waits = !digits.ends_with('+');
                let Ok(size) = digits.trim_end_matches('+').parse::<usize>() else {
                    break;
                };
                if waits {
                    write.write_all(b"+ go\r\n").await?;
                }
                let mut literal = vec![0; size];
                read.read_exact(&mut literal).await?;
                line.truncate(at);
                line.extend_from_slice(&quoted(&literal));
                read.read_until(b'\n', &mut line).await?;
            }
            let line = line.strip_suffix(b"\r\n").unwrap_or(&line).to_vec();
            let space = line.iter().position(|byte| *byte == b' ').unwrap_or(0);
            let (tag, command) = (&line[..space], &line[space + 1..]);
            self.heard.lock().expect("heard").push(command.to_vec());
            let verb = command
                .split(|byte| *byte == b' ')
                .next()
                .unwrap_or_default();
            let verb = String::from_utf8_lossy(verb).to_ascii_uppercase();
            let text = String::from_utf8_lossy(command).into_owned();
            let answer = (self.answer)(&text, command, open.as_ref());
            let answer = answer.unwrap_or_else(|| self.usual(&verb, command, &mut open));
            // `$` at the beginning of a line stands for the command's tag.
            let mut out = Vec::new();
            let end = answer
                .windows(3)
                .rposition(|bytes| bytes == b"\n$ ")
                .map_or(0, |at| at + 1);
            out.extend_from_slice(&answer[..end]);
            out.extend_from_slice(tag);
            out.extend_from_slice(&answer[end + 1..]);
            write.write_all(&out).await?;
            if verb == "LOGOUT" {
                return Ok(());
            }
        }
    }

    /// Serves on loopback until the test ends: the same port each time.
    pub async fn serve(self: &Arc<Self>) -> u16 {
        *self.port.get_or_init(|| self.listen()).await
    }

    async fn listen(self: &Arc<Self>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let old = Arc::clone(self);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&old).talk(stream));
            }
        });
        port
    }

    /// Copies everything into an export below a folder.
    pub async fn copy(self: &Arc<Self>, root: &Path) -> Report {
        let target = format!("export:{},,", root.join("export").display());
        self.copy_to(root, &target).await
    }

    /// Copies everything to a target: URL, user and password.
    pub async fn copy_to(self: &Arc<Self>, root: &Path, target: &str) -> Report {
        let port = self.serve().await;
        let csv = format!(
            "source_url,source_user,source_password,target_url,target_user,target_password\n\
             imap://localhost:{port},alice,x,{target}\n"
        );
        let options = EndpointOptions {
            allow_cleartext: true,
            ca_file: None,
        };
        let accounts = parse_accounts(csv.as_bytes(), &options).expect("accounts");
        let state = root.join("state");
        let stop = CancellationToken::new();
        let options = super::test_options();
        melouvert_migration::run(accounts, &state, &options, Arc::new(Silent), stop).await
    }
}

/// What an export holds: folder, then each message's subject, flags and date, sorted.
pub fn exported(root: &Path) -> Vec<(String, Vec<String>)> {
    let mail = root.join("export/mail");
    let mut found = Vec::new();
    let mut left = vec![mail.clone()];
    while let Some(folder) = left.pop() {
        let mut messages = Vec::new();
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let is_messages = path.file_name().is_some_and(|name| name == "messages");
            if path.is_dir() && !is_messages {
                left.push(path);
            }
        }
        let index = std::fs::read_to_string(folder.join("index.jsonl")).unwrap_or_default();
        for line in index.lines() {
            let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
            let number = line["number"].as_u64().expect("a number");
            let message = eml(&folder, number);
            let subject = message
                .lines()
                .find_map(|line| line.strip_prefix("Subject: "))
                .unwrap_or_default()
                .to_owned();
            let flags: Vec<&str> = line["flags"]
                .as_array()
                .expect("flags")
                .iter()
                .filter_map(serde_json::Value::as_str)
                .collect();
            let date = line["date"].as_str().unwrap_or("none");
            messages.push(format!("{subject} [{}] {date}", flags.join(" ")));
        }
        messages.sort();
        let name = folder
            .strip_prefix(&mail)
            .expect("below")
            .display()
            .to_string();
        if !messages.is_empty() {
            found.push((name, messages));
        }
    }
    found.sort();
    found
}

fn eml(folder: &Path, number: u64) -> String {
    let path = folder.join(format!("messages/{number:08}.eml"));
    String::from_utf8_lossy(&std::fs::read(path).expect("the message")).into_owned()
}
