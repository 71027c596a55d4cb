//! How a command ends, and what becomes of the messages that it did not give.

use std::collections::BTreeSet;

use super::{Job, Reader, STRIKES, Sent};
use crate::imap::{ImapError, Status};
use crate::model::Uid;
use crate::source::{Delivery, MissingReason};

impl Reader<'_> {
    /// Reports every message of a folder that is still to come.
    pub(super) async fn give_up(&mut self, folder: usize, reason: MissingReason, text: &str) {
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

    pub(super) async fn ended(
        &mut self,
        sent: Sent,
        status: Status,
        text: &str,
    ) -> Result<(), ImapError> {
        match sent {
            Sent::Examine { folder, .. } => {
                if status != Status::Ok {
                    self.give_up(folder, MissingReason::FolderUnavailable, text)
                        .await;
                }
            }
            Sent::Fetch {
                job,
                mut pending,
                mut gathered,
                ..
            } => {
                for (uid, told) in gathered.take_bodies() {
                    pending.remove(&uid);
                    self.arrived(job.folder, uid, told).await?;
                }
                if pending.is_empty() {
                    return Ok(());
                }
                if job.look {
                    let there = gathered.knows(job.uids[0]) || status != Status::Ok;
                    self.looked(&job, there, text).await;
                } else if status == Status::Ok
                    && job.uids.len() == 1
                    && job.strikes > 0
                    && !gathered.knows(job.uids[0])
                {
                    // That nothing came is no proof that it was deleted: it is looked for.
                    self.queue.push_front(Job { look: true, ..job });
                } else {
                    self.halve(&job, pending, text).await;
                }
            }
        }
        Ok(())
    }

    /// A message that no command gave was looked for.
    pub(super) async fn looked(&mut self, job: &Job, there: bool, text: &str) {
        let (index, uid) = (self.work[job.folder].index, job.uids[0]);
        self.progress = true;
        let delivery = if there {
            let words = format!("the server lists it and gives no body: {text}");
            Delivery::Missing(index, uid, MissingReason::Undeliverable, words)
        } else {
            Delivery::Vanished(index, uid)
        };
        self.deliver(delivery, job.folder).await;
    }

    /// Puts undelivered messages back in two halves; a single one gets a strike.
    pub(super) async fn halve(&mut self, job: &Job, pending: BTreeSet<Uid>, text: &str) {
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
                    look: job.look,
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
                look: false,
            });
        }
    }

    /// The connection broke: the command being answered is suspect, the others are sent again.
    pub(super) async fn lose_connection(&mut self, error: &ImapError) {
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
