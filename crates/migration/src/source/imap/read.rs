//! Reads messages: several commands in flight, a failing one halved until the message at fault
//! stands alone.

mod calm;

use std::collections::{BTreeSet, HashMap, VecDeque};

use tokio::sync::mpsc;

use self::calm::Calm;
use super::ImapSource;
use crate::imap::{
    Code, Command, Completion, ImapError, MailboxName, Response, Session, Status, UidSet, Untagged,
};
use crate::model::Uid;
use crate::payload::BodySink;
use crate::source::{Delivery, FolderWork, Item, MissingReason};

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
        bodiless: BTreeSet<Uid>,
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

/// What to fetch, `first` first: a folder that is open need not be opened again.
fn jobs(work: &[FolderWork], first: Option<usize>) -> VecDeque<Job> {
    let others = (0..work.len()).filter(|folder| Some(*folder) != first);
    let of = |folder: usize| {
        work[folder].uids.chunks(CHUNK).map(move |uids| Job {
            folder,
            uids: uids.to_vec(),
            strikes: 0,
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
            Response::Untagged(Untagged::Fetch(item)) => self.fetched(*item).await,
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
                    self.ended(sent, status, &done.text).await;
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
            if self.selected != Some(job.folder) {
                let name = MailboxName::parse(&self.work[job.folder].name)?;
                commands.push(Command::new("EXAMINE").mailbox(&name));
                planned.push(Err(job.folder));
                self.selected = Some(job.folder);
            }
            let Some(job) = self.queue.pop_front() else {
                break;
            };
            let fetch = Command::new("UID FETCH").uids(&UidSet::These(&job.uids));
            commands.push(fetch.words("(UID FLAGS INTERNALDATE BODY.PEEK[])"));
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
                        bodiless: BTreeSet::new(),
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
    fn owner(&mut self, uid: Uid) -> Option<(usize, &mut BTreeSet<Uid>, &mut BTreeSet<Uid>)> {
        for (place, sent) in self.sent.iter_mut().enumerate() {
            match sent {
                Sent::Examine { .. } if place > 0 => return None,
                Sent::Examine { .. } => {}
                Sent::Fetch {
                    job,
                    pending,
                    bodiless,
                    ..
                } => {
                    if pending.contains(&uid) {
                        return Some((job.folder, pending, bodiless));
                    }
                }
            }
        }
        None
    }

    async fn fetched(&mut self, item: crate::imap::FetchItem) {
        let Some(uid) = item.uid else { return };
        let Some((folder, pending, bodiless)) = self.owner(uid) else {
            return;
        };
        let Some(payload) = item.body else {
            bodiless.insert(uid);
            return;
        };
        pending.remove(&uid);
        self.progress = true;
        self.calm.delivered = true;
        self.calm.refusals = 0;
        if std::mem::take(&mut self.calm.probing) {
            self.source.patience.restore();
        }
        let (flags, date) = (item.flags.unwrap_or_default(), item.date);
        let item = Item {
            uid,
            flags,
            date,
            payload,
        };
        self.deliver(Delivery::Item(self.work[folder].index, item), folder)
            .await;
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

    /// Reports every message of a folder that is still to come.
    async fn give_up(&mut self, folder: usize, reason: MissingReason, text: &str) {
        let mut uids = Vec::new();
        for job in self.queue.iter().filter(|job| job.folder == folder) {
            uids.extend_from_slice(&job.uids);
        }
        self.queue.retain(|job| job.folder != folder);
        for sent in &mut self.sent {
            if let Sent::Fetch { job, pending, .. } = sent
                && job.folder == folder
            {
                uids.extend(std::mem::take(pending));
            }
        }
        for uid in uids {
            let index = self.work[folder].index;
            self.deliver(
                Delivery::Missing(index, uid, reason, text.to_owned()),
                folder,
            )
            .await;
        }
    }

    async fn ended(&mut self, sent: Sent, status: Status, text: &str) {
        match sent {
            Sent::Examine { folder, .. } => {
                if status != Status::Ok {
                    self.give_up(folder, MissingReason::FolderUnavailable, text)
                        .await;
                }
            }
            Sent::Fetch {
                job,
                pending,
                bodiless,
                ..
            } if !pending.is_empty() => {
                let vanished = status == Status::Ok
                    && job.uids.len() == 1
                    && job.strikes > 0
                    && bodiless.is_empty();
                if vanished {
                    let index = self.work[job.folder].index;
                    self.deliver(Delivery::Vanished(index, job.uids[0]), job.folder)
                        .await;
                } else {
                    self.halve(&job, pending, text).await;
                }
            }
            Sent::Fetch { .. } => {}
        }
    }

    /// Puts undelivered messages back in two halves; a single one gets a strike.
    async fn halve(&mut self, job: &Job, pending: BTreeSet<Uid>, text: &str) {
        let uids: Vec<Uid> = pending.into_iter().collect();
        let folder = job.folder;
        if let [uid] = uids[..] {
            let strikes = job.strikes + 1;
            if strikes > STRIKES {
                let (index, reason) = (self.work[folder].index, MissingReason::Undeliverable);
                self.progress = true;
                let missing = Delivery::Missing(index, uid, reason, text.to_owned());
                self.deliver(missing, folder).await;
            } else {
                self.queue.push_front(Job {
                    folder,
                    uids,
                    strikes,
                });
            }
            return;
        }
        // Halving is progress: it ends after a bounded number of steps.
        self.progress = true;
        let (first, second) = uids.split_at(uids.len() / 2);
        for half in [second, first] {
            self.queue.push_front(Job {
                folder,
                uids: half.to_vec(),
                strikes: 0,
            });
        }
    }

    /// The connection broke: the command being answered is suspect, the others are sent again.
    async fn lose_connection(&mut self, error: &ImapError) {
        self.selected = None;
        let mut suspect = None;
        let mut innocent = Vec::new();
        let examined = matches!(self.sent.front(), Some(Sent::Examine { .. }));
        for sent in std::mem::take(&mut self.sent) {
            if let Sent::Fetch { job, pending, .. } = sent
                && !pending.is_empty()
            {
                if suspect.is_none() && !examined && !error.is_slow() {
                    suspect = Some((job, pending));
                } else {
                    let uids = pending.into_iter().collect();
                    innocent.push(Job { uids, ..job });
                }
            }
        }
        for job in innocent.into_iter().rev() {
            self.queue.push_front(job);
        }
        if let Some((job, pending)) = suspect {
            self.halve(&job, pending, &error.to_string()).await;
        }
    }
}
