//! A refusal of everything is not each message's fault: the server is waited for, and asked little
//! until it delivers again.

use super::{Job, Reader, Sent};
use crate::imap::{Completion, ImapError, Status, said};
use crate::patience::{Cause, Temporary};
use crate::source::MissingReason;

/// Refusals in a row, nothing delivered between them, after which it is not the messages that are
/// refused: once a server is suspected, of one that has delivered nothing yet, and of others.
const ALL_REFUSED: [u32; 3] = [3, 4, 12];

/// How a server has been refusing.
#[derive(Debug, Default)]
pub(super) struct Calm {
    /// Whether anything was delivered at all.
    pub(super) delivered: bool,
    /// Refusals since the last delivery.
    pub(super) refusals: u32,
    /// What is waited for before more is asked.
    pub(super) hold: Option<(Temporary, String)>,
    /// Set from a wait to the next delivery: one command at a time.
    pub(super) probing: bool,
}

impl Reader<'_> {
    /// Takes a refusal that is not the messages' fault; gives back what else has ended.
    pub(super) fn excuse(&mut self, sent: Sent, done: &Completion) -> Option<Sent> {
        if done.status == Status::Ok {
            return Some(sent);
        }
        let words = said(done);
        match &sent {
            // What was asked of a folder that did not open ends without having asked for much.
            Sent::Fetch { pending, .. } if pending.is_empty() => return Some(sent),
            Sent::Fetch { .. } if self.calm.hold.is_some() => {}
            Sent::Fetch { job, .. } => {
                self.calm.refusals += 1;
                let temporary = Temporary::heard(&words).or_else(|| self.refuses_all(job));
                if let Some(temporary) = temporary {
                    self.calm.hold = Some((temporary, words));
                } else if !self.calm.probing {
                    return Some(sent);
                }
            }
            Sent::Examine { .. } => {
                if self.calm.hold.is_none() {
                    let Some(temporary) = Temporary::heard(&words) else {
                        return Some(sent);
                    };
                    self.calm.hold = Some((temporary, words));
                }
                self.selected = None;
            }
        }
        // Behind all others: when some are delivered, it was not everything.
        if let Sent::Fetch { job, pending, .. } = sent {
            let uids = pending.into_iter().collect();
            self.queue.push_back(Job { uids, ..job });
        }
        None
    }

    /// Whether it is not this job's messages that are refused.
    fn refuses_all(&self, job: &Job) -> Option<Temporary> {
        let many = |job: &Job| job.uids.len() > 1;
        let row = match (self.calm.probing, self.calm.delivered) {
            (true, _) => ALL_REFUSED[0],
            (_, false) => ALL_REFUSED[1],
            // When single messages are all that is left, the others came.
            _ if many(job) || self.queue.iter().any(many) => ALL_REFUSED[2],
            _ => return None,
        };
        (self.calm.refusals >= row).then_some(Temporary {
            cause: Cause::Refusing,
            told: None,
        })
    }

    /// The connection closed on everybody: nothing in flight is suspect.
    pub(super) fn requeue(&mut self) {
        self.selected = None;
        for sent in std::mem::take(&mut self.sent).into_iter().rev() {
            if let Sent::Fetch { job, pending, .. } = sent
                && !pending.is_empty()
            {
                let uids = pending.into_iter().collect();
                self.queue.push_front(Job { uids, ..job });
            }
        }
    }

    /// Waits, then asks for little. When that was enough, a server that asked for patience ends the
    /// account; one that only refuses is believed for the folders that are left.
    pub(super) async fn wait(&mut self) -> Result<(), ImapError> {
        let Some((temporary, words)) = self.calm.hold.take() else {
            return Ok(());
        };
        self.calm.refusals = 0;
        self.calm.probing = true;
        let refusing = temporary.cause == Cause::Refusing;
        let tries = self.source.backoff.tries;
        let enough = refusing && self.source.patience.waits() >= tries;
        if !enough && self.source.patience.bear(temporary).await {
            return Ok(());
        }
        if refusing {
            let folder = self.queue.front().map(|job| job.folder);
            if let Some(folder) = folder {
                let untouched = self.left.get(&folder) == Some(&self.work[folder].uids.len());
                let reason = if untouched {
                    MissingReason::FolderUnavailable
                } else {
                    MissingReason::Undeliverable
                };
                self.give_up(folder, reason, &words).await;
            }
            return Ok(());
        }
        let address = self.source.endpoint.url.clone();
        Err(ImapError::Busy {
            address,
            said: words,
        })
    }
}
