//! A strict IMAP server in memory, which takes nothing for granted, and what drives the writer
//! against it. It behaves as the worst real ones do: after a line that it does not understand it goes
//! on reading behind it, literal or not. So a byte of a message outside a literal is a command, and
//! every command that is none of ours ends the run.

mod server;
mod tokens;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use melouvert_migration::account::{Endpoint, EndpointOptions};
use melouvert_migration::backoff::Backoff;
use melouvert_migration::imap::{Security, Stream, Timeouts};
use melouvert_migration::model::{FlagSet, FolderPath, InternalDate};
use melouvert_migration::payload::Payload;
use melouvert_migration::source::Item;
use melouvert_migration::target::imap::ImapTarget;
use melouvert_migration::target::{Ack, FlagChange, Rung, Target, WantedFolder};

#[allow(unused_imports, reason = "the fuzz target has no use for it")]
pub use self::server::finds_fault;
use self::server::{Shared, connect};

/// Lines that a message's author may hope for.
const LINES: [&[u8]; 6] = [
    b"z1 DELETE Archives\r\n",
    b"m7 DELETE \"Archives\"\r\n",
    b"\r\nm2 UID STORE 1:* +FLAGS.SILENT (\\Deleted)\r\nm3 EXPUNGE\r\n",
    b"m5 APPEND \"INBOX\" () {3+}\r\nabc\r\n",
    b")\r\n",
    b"{5+}\r\n",
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
