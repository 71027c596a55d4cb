//! Reads messages: several commands in flight, a failing one halved until the message at fault
//! stands alone.

mod calm;
mod undelivered;

use std::collections::{BTreeSet, HashMap, VecDeque};

use tokio::sync::mpsc;

use self::calm::Calm;
use super::gather::{Gathered, Told};
use super::{ImapSource, judge};
use crate::imap::{
    Code, Command, Completion, ImapError, MailboxName, Response, Session, UidSet, Untagged,
};
use crate::model::Uid;
use crate::payload::{BodySink, SPILL_ABOVE};
use crate::source::{Delivery, FolderWork, MissingReason};

/// FETCH commands in flight.
const WINDOW: usize = 3;
/// Messages per FETCH.
const CHUNK: usize = 128;
/// Failures of one message alone before it is set aside.
const STRIKES: u32 = 2;

/// A FETCH to send.
#[derive(Clone, Debug)]
struct Job {
    folder: usize,
    uids: Vec<Uid>,
    strikes: u32,
    /// Only whether the message is still there is asked.
    look: bool,
}

/// A command in flight.
enum Sent {
    Examine {
        tag: String,
        folder: usize,
    },
    Fetch {
        tag: String,
        job: Job,
        pending: BTreeSet<Uid>,
        gathered: Gathered,
    },
}

impl Sent {
    fn tag(&self) -> &str {
        match self {
            Self::Examine { tag, .. } | Self::Fetch { tag, .. } => tag,
        }
    }
}

struct Reader<'a> {
    source: &'a mut ImapSource,
    work: Vec<FolderWork>,
    out: mpsc::Sender<Delivery>,
    queue: VecDeque<Job>,
    sent: VecDeque<Sent>,
    left: HashMap<usize, usize>,
    /// Folder that is open, or that the last sent EXAMINE opens.
    selected: Option<usize>,
    /// Set once a delivery found nobody listening.
    deaf: bool,
    progress: bool,
    calm: Calm,
}

/// Bytes that may wait for their flags and dates: what is left takes the largest message that is
/// kept in memory, so that nothing waits for room that is held here.
fn hold(memory: u64) -> u64 {
    if memory < 2 * SPILL_ABOVE {
        return 0;
    }
    memory / 4
}

/// What to fetch, `first` first: a folder that is open need not be opened again.
fn jobs(work: &[FolderWork], first: Option<usize>) -> VecDeque<Job> {
    let others = (0..work.len()).filter(|folder| Some(*folder) != first);
    let of = |folder: usize| {
        work[folder].uids.chunks(CHUNK).map(move |uids| Job {
            folder,
            uids: uids.to_vec(),
            strikes: 0,
            look: false,
        })
    };
    first.into_iter().chain(others).flat_map(of).collect()
}

/// Reads everything in `work`.
pub(super) async fn read(
    source: &mut ImapSource,
    work: Vec<FolderWork>,
    out: mpsc::Sender<Delivery>,
) -> Result<(), ImapError> {
    let open = source.session.as_mut().and_then(Session::take_open);
    let is_open = |part: &FolderWork| {
        open.as_ref()
            .is_some_and(|open| open.name == part.name && open.validity == part.validity)
    };
    let selected = work.iter().position(is_open);
    let left = work.iter().enumerate();
    let left = left.map(|(folder, part)| (folder, part.uids.len()));
    let mut reader = Reader {
        source,
        out,
        queue: jobs(&work, selected),
        sent: VecDeque::new(),
        left: left.collect(),
        work,
        selected,
        deaf: false,
        progress: false,
        calm: Calm::default(),
    };
    let (mut failures, mut slow) = (0, 0);
    while !(reader.deaf || reader.queue.is_empty() && reader.sent.is_empty()) {
        if reader.sent.is_empty() && reader.calm.hold.is_some() {
            reader.wait().await?;
            continue;
        }
        let Err(error) = reader.turn().await else {
            continue;
        };
        if !error.is_transient() {
            return Err(error);
        }
        if let Some(temporary) = error.temporary() {
            reader.source.session = None;
            reader.requeue();
            reader.calm.hold = Some((temporary, error.to_string()));
            continue;
        }
        failures = if std::mem::take(&mut reader.progress) {
            0
        } else {
            failures + 1
        };
        // A slow server makes a little progress each time: that may not go on for ever.
        slow += u32::from(error.is_slow());
        if failures.max(slow) >= reader.source.backoff.tries {
            return Err(error);
        }
        tracing::warn!(%error, failures, "source_reconnect");
        reader.source.session = None;
        reader.lose_connection(&error).await;
        tokio::time::sleep(reader.source.backoff.pause(failures)).await;
    }
    Ok(())
}

impl Reader<'_> {
    /// Sends what the window allows, then handles one response.
    async fn turn(&mut self) -> Result<(), ImapError> {
        if self.calm.hold.is_none() {
            self.fill_window().await?;
        }
        let sink = BodySink::Keep(std::sync::Arc::clone(&self.source.room));
        let response = self.source.session().await?.next(&sink).await?;
        match response {
            Response::Untagged(Untagged::Fetch(item)) => self.fetched(*item).await?,
            Response::Untagged(Untagged::Status {
                code: Some(code), ..
            }) => {
                self.check_validity(&code).await;
            }
            Response::Tagged {
                tag,
                status,
                code,
                text,
            } => {
                let Some(sent) = self.sent.pop_front() else {
                    return Err(self.unexpected(&tag));
                };
                if sent.tag() != tag {
                    let error = self.unexpected(&tag);
                    self.sent.push_front(sent);
                    return Err(error);
                }
                let done = Completion {
                    tag,
                    status,
                    code,
                    text,
                };
                if let Some(sent) = self.excuse(sent, &done) {
                    self.ended(sent, status, &done.text).await?;
                }
            }
            Response::Continue | Response::Untagged(_) => {}
        }
        Ok(())
    }

    fn unexpected(&self, tag: &str) -> ImapError {
        ImapError::Protocol {
            address: self.source.endpoint.url.clone(),
            reason: format!("{tag} ended out of turn"),
        }
    }

    async fn fill_window(&mut self) -> Result<(), ImapError> {
        let mut commands = Vec::new();
        let mut planned = Vec::new();
        let window = if self.calm.probing { 1 } else { WINDOW };
        while self.sent.len() + commands.len() < window {
            let Some(job) = self.queue.front() else { break };
            // A message is looked for in the folder as it is now, not as this session saw it.
            if self.selected != Some(job.folder) || job.look {
                let name = MailboxName::of(&self.work[job.folder].name)?;
                commands.push(Command::new("EXAMINE").mailbox(&name));
                planned.push(Err(job.folder));
                self.selected = Some(job.folder);
            }
            let Some(job) = self.queue.pop_front() else {
                break;
            };
            let fetch = Command::new("UID FETCH").uids(&UidSet::These(&job.uids));
            commands.push(fetch.words(if job.look {
                "(UID FLAGS)"
            } else {
                "(UID FLAGS INTERNALDATE BODY.PEEK[])"
            }));
            planned.push(Ok(job));
        }
        if commands.is_empty() {
            return Ok(());
        }
        let sent = match self.source.session().await {
            Ok(session) => session.send_all(&commands).await,
            Err(error) => Err(error),
        };
        let tags = match sent {
            Ok(tags) => tags,
            Err(error) => {
                for job in planned.into_iter().rev().flatten() {
                    self.queue.push_front(job);
                }
                return Err(error);
            }
        };
        for (tag, plan) in tags.into_iter().zip(planned) {
            self.sent.push_back(match plan {
                Err(folder) => Sent::Examine { tag, folder },
                Ok(job) => {
                    let pending = job.uids.iter().copied().collect();
                    Sent::Fetch {
                        tag,
                        job,
                        pending,
                        gathered: Gathered::default(),
                    }
                }
            });
        }
        Ok(())
    }

    async fn deliver(&mut self, delivery: Delivery, folder: usize) {
        let whole = !matches!(delivery, Delivery::FolderEnd(_));
        self.deaf |= self.out.send(delivery).await.is_err();
        if let Some(left) = self.left.get_mut(&folder).filter(|_| whole) {
            *left -= 1;
            if *left == 0 {
                let end = Delivery::FolderEnd(self.work[folder].index);
                self.deaf |= self.out.send(end).await.is_err();
            }
        }
    }

    /// The command in flight that asked for a message. A server may answer several commands before
    /// it says that the first has ended, but never beyond the next EXAMINE.
    fn owner(&mut self, uid: Uid) -> Option<(usize, &mut BTreeSet<Uid>, &mut Gathered)> {
        for (place, sent) in self.sent.iter_mut().enumerate() {
            match sent {
                Sent::Examine { .. } if place > 0 => return None,
                Sent::Examine { .. } => {}
                Sent::Fetch {
                    job,
                    pending,
                    gathered,
                    ..
                } => {
                    if pending.contains(&uid) {
                        return Some((job.folder, pending, gathered));
                    }
                }
            }
        }
        None
    }

    async fn fetched(&mut self, item: crate::imap::FetchItem) -> Result<(), ImapError> {
        let Some(uid) = item.uid else { return Ok(()) };
        let most = hold(self.source.room.memory());
        let Some((folder, pending, gathered)) = self.owner(uid) else {
            return Ok(());
        };
        let Some(told) = gathered.take(uid, item, most) else {
            return Ok(());
        };
        pending.remove(&uid);
        self.arrived(folder, uid, told).await
    }

    /// Passes a message on.
    async fn arrived(&mut self, folder: usize, uid: Uid, told: Told) -> Result<(), ImapError> {
        let Some((item, remarks)) = judge::item(uid, told).map_err(ImapError::Spill)? else {
            return Ok(());
        };
        self.progress = true;
        self.calm.delivered = true;
        self.calm.refusals = 0;
        if std::mem::take(&mut self.calm.probing) {
            self.source.patience.restore();
        }
        let index = self.work[folder].index;
        for remark in remarks {
            let told = self.out.send(Delivery::Remark(index, uid, remark)).await;
            self.deaf |= told.is_err();
        }
        self.deliver(Delivery::Item(index, item), folder).await;
        Ok(())
    }

    async fn check_validity(&mut self, code: &Code) {
        let Some(Sent::Examine { folder, .. }) = self.sent.front() else {
            return;
        };
        let folder = *folder;
        let expected = self.work[folder].validity;
        if code.name == "UIDVALIDITY" && code.arguments.parse() != Ok(expected) {
            let text = format!("UIDVALIDITY went from {expected} to {}", code.arguments);
            self.give_up(folder, MissingReason::ValidityChanged, &text)
                .await;
        }
    }
}
