//! Servers that lie, stall or answer in an order of their own: scripted on a socket.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use melouvert_migration::account::parse_accounts;
use melouvert_migration::backoff::Backoff;
use melouvert_migration::source::{
    self, Delivery, Entries, FolderWork, Known, Source, SourceFolder,
};
use melouvert_migration::{Context, EndpointOptions, imap::Timeouts, payload::Room};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

struct Nothing;

impl Known for Nothing {
    fn complete(
        &self,
        _path: &melouvert_migration::model::FolderPath,
    ) -> Option<(u32, melouvert_migration::journal::Watermark)> {
        None
    }
}

/// What a server does with the FETCH of bodies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Sends every answer first and the ends of all commands together, as Dovecot may.
    EndsLater,
    /// Says BYE in the middle of the second message's literal, in each connection.
    ByeInLiteral,
    /// Announces a huge literal and sends nothing more.
    HugeLiteral,
    /// Tells sizes that are none: `RFC822.SIZE` has nothing to do with the bytes that come.
    FalseSizes,
    /// Announces the second message's literal shorter than it is, as a server does whose cached
    /// size is wrong.
    ShortLiteral,
    /// Announces it longer than it is.
    LongLiteral,
}

impl Manner {
    /// The bytes that it announces for a message of `length`.
    fn announced(self, uid: u32, length: usize) -> usize {
        match self {
            Self::ShortLiteral if uid == 2 => length - 7,
            Self::LongLiteral if uid == 2 => length + 7,
            _ => length,
        }
    }

    /// What it tells besides the body.
    fn told(self, uid: u32) -> String {
        match self {
            Self::FalseSizes => format!("RFC822.SIZE {} ", u64::from(uid % 3) * 4_294_967_296),
            _ => String::new(),
        }
    }
}

const MESSAGES: u32 = 300;

fn body(uid: u32) -> String {
    format!("Subject: {uid}\r\n\r\nbody {uid}\r\n")
}

async fn serve(stream: TcpStream, manner: Manner, opened: Arc<AtomicUsize>) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write
        .write_all(b"* OK [CAPABILITY IMAP4rev1 LITERAL+] hello {3}\r\n")
        .await?;
    let mut held = String::new();
    while let Some(line) = lines.next_line().await? {
        let mut words = line.splitn(3, ' ');
        let (tag, verb) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let rest = words.next().unwrap_or("");
        let mut out = String::new();
        match verb {
            "LIST" => out += "* LIST () \"/\" INBOX\r\n* LIST () NIL {4}\r\na\"b\\\r\n",
            // It lies about the number of messages.
            "STATUS" if rest.starts_with("\"INBOX\"") => {
                out += "* STATUS INBOX (MESSAGES 7 UIDNEXT 9999 UIDVALIDITY 5)\r\n";
            }
            "STATUS" => out += "* STATUS {4}\r\na\"b\\ (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 6)\r\n",
            "EXAMINE" => {
                opened.fetch_add(1, Ordering::Relaxed);
                out += "* 3 EXISTS\r\n* OK [UIDVALIDITY 5] valid {9}\r\n";
            }
            "UID" if rest.contains("BODY.PEEK") => {
                let set = rest.split(' ').nth(1).unwrap_or("");
                for uid in uids(set) {
                    let text = body(uid);
                    write!(
                        out,
                        "* {uid} FETCH (UID {uid} {}FLAGS () BODY[] {{{}}}\r\n",
                        manner.told(uid),
                        manner.announced(uid, text.len())
                    )
                    .expect("a string grows");
                    if manner == Manner::ByeInLiteral && uid == 2 {
                        out += "Subj* BYE going down\r\n";
                        write.write_all(out.as_bytes()).await?;
                        return Ok(());
                    }
                    if manner == Manner::HugeLiteral && uid == 2 {
                        out.truncate(out.rfind('{').unwrap_or(0));
                        out += "{999999999999}\r\nSubject";
                        write.write_all(out.as_bytes()).await?;
                        tokio::time::sleep(Duration::from_mins(1)).await;
                        return Ok(());
                    }
                    out += &text;
                    out += ")\r\n";
                }
                if manner == Manner::EndsLater {
                    write!(held, "{tag} OK done\r\n").expect("a string grows");
                    write.write_all(out.as_bytes()).await?;
                    if held.matches("OK").count() >= 3 {
                        write
                            .write_all(std::mem::take(&mut held).as_bytes())
                            .await?;
                    }
                    continue;
                }
            }
            "UID" => {
                for uid in 1..=MESSAGES {
                    write!(out, "* {uid} FETCH (UID {uid} FLAGS (\\Seen x))\r\n")
                        .expect("a string grows");
                }
            }
            _ => {}
        }
        write!(out, "{tag} OK done\r\n").expect("a string grows");
        write.write_all(out.as_bytes()).await?;
    }
    Ok(())
}

fn uids(set: &str) -> Vec<u32> {
    set.split(',')
        .flat_map(|part| {
            let (first, last) = part.split_once(':').unwrap_or((part, part));
            let number = |text: &str| text.parse::<u32>().expect("a number");
            number(first)..=number(last)
        })
        .collect()
}

/// A server of this manner, and a source that reads it.
struct Lab {
    source: Box<dyn Source>,
    /// EXAMINE commands that the server had.
    opened: Arc<AtomicUsize>,
    _directory: tempfile::TempDir,
}

impl Lab {
    async fn new(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let port = listener.local_addr().expect("address").port();
        let opened = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&opened);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, manner, Arc::clone(&counter)));
            }
        });
        let csv = format!(
            "source_url,source_user,source_password,target_url,target_user,target_password\n\
             imap://127.0.0.1:{port},u,p,imap://127.0.0.1:{port},v,p\n"
        );
        let options = EndpointOptions {
            allow_cleartext: true,
            ca_file: None,
        };
        let account = parse_accounts(csv.as_bytes(), &options)
            .expect("csv")
            .remove(0);
        let directory = tempfile::tempdir().expect("dir");
        let source = source::open(&account.source, &context(directory.path())).expect("source");
        Self {
            source,
            opened,
            _directory: directory,
        }
    }

    /// Surveys: the two folders, INBOX first.
    async fn survey(&mut self) -> Vec<SourceFolder> {
        let folders = self.source.survey(&Nothing).await.expect("survey");
        assert_eq!(folders.len(), 2);
        assert_eq!(folders[1].name, "a\"b\\");
        folders
    }

    /// Reads a folder: UIDs that came, that are missing, that have vanished.
    async fn read(mut self, folder: &SourceFolder) -> (Vec<u32>, Vec<u32>, Vec<u32>) {
        let Entries::All(entries) = &folder.entries else {
            panic!("all entries")
        };
        let work = FolderWork {
            index: 0,
            name: folder.name.clone(),
            validity: folder.validity,
            uids: entries.iter().map(|entry| entry.uid).collect(),
        };
        let (out, mut deliveries) = mpsc::channel(16);
        let reader = tokio::spawn(async move { self.source.read(vec![work], out).await });
        let (mut items, mut missing, mut vanished) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(delivery) = deliveries.recv().await {
            match delivery {
                Delivery::Item(_, item) => {
                    let bytes = item.payload.memory().expect("small");
                    assert_eq!(&bytes[..], body(item.uid).as_bytes());
                    items.push(item.uid);
                }
                Delivery::Missing(_, uid, ..) => missing.push(uid),
                Delivery::Vanished(_, uid) => vanished.push(uid),
                Delivery::Remark(..) | Delivery::FolderEnd(_) => {}
            }
        }
        reader.await.expect("task").expect("read");
        items.sort_unstable();
        (items, missing, vanished)
    }
}

fn context(directory: &Path) -> Context {
    let timeouts = Timeouts {
        connect: Duration::from_secs(5),
        response: Duration::from_millis(500),
        min_rate: u64::MAX,
        ..Timeouts::default()
    };
    let backoff = Backoff {
        first: Duration::from_millis(1),
        longest: Duration::from_millis(5),
        tries: 5,
    };
    Context {
        gate: melouvert_migration::limits::Gate::new(melouvert_migration::Limits::default()),
        teller: melouvert_migration::patience::Teller::default(),
        timeouts,
        backoff,
        room: Room::new(1 << 20, 8 << 20, directory),
        directory: directory.to_owned(),
    }
}

async fn read_from(manner: Manner) -> (Vec<u32>, Vec<u32>, Vec<u32>) {
    let mut lab = Lab::new(manner).await;
    let folders = lab.survey().await;
    lab.read(&folders[0]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_folder_that_the_survey_left_open_is_not_opened_again() {
    for (folder, again) in [(1, 0), (0, 1)] {
        let mut lab = Lab::new(Manner::FalseSizes).await;
        let folders = lab.survey().await;
        let opened = Arc::clone(&lab.opened);
        assert_eq!(opened.load(Ordering::Relaxed), 2);
        let (items, missing, vanished) = lab.read(&folders[folder]).await;
        assert_eq!(items, (1..=MESSAGES).collect::<Vec<_>>());
        assert!(missing.is_empty() && vanished.is_empty());
        assert_eq!(opened.load(Ordering::Relaxed), 2 + again);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_several_commands_before_their_ends_lose_nothing() {
    let (items, missing, vanished) = read_from(Manner::EndsLater).await;
    assert_eq!(items, (1..=MESSAGES).collect::<Vec<_>>());
    assert!(missing.is_empty() && vanished.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn sizes_that_are_told_are_not_believed() {
    let (items, missing, vanished) = read_from(Manner::FalseSizes).await;
    assert_eq!(items, (1..=MESSAGES).collect::<Vec<_>>());
    assert!(missing.is_empty() && vanished.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_kills_the_connection_stands_alone() {
    for manner in [
        Manner::ByeInLiteral,
        Manner::HugeLiteral,
        Manner::ShortLiteral,
        Manner::LongLiteral,
    ] {
        let (items, missing, vanished) = read_from(manner).await;
        assert_eq!(missing, [2]);
        assert_eq!(items.len() + 1, MESSAGES as usize);
        assert!(vanished.is_empty());
    }
}
