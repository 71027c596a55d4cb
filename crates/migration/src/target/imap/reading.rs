//! Reads messages and answers back from an IMAP target.

use super::{Ack, ImapTarget};
use crate::imap::{
    Command, Completion, ImapError, MailboxName, Response, Status, UidSet, Untagged,
};
use crate::matcher::Held;
use crate::model::Uid;
use crate::payload::BodySink;

impl ImapTarget {
    pub(super) async fn read_back(
        &mut self,
        name: &str,
        set: &UidSet<'_>,
        wanted: impl Fn(Uid) -> bool,
    ) -> Result<Vec<Held>, ImapError> {
        let unselect = {
            self.session().await?;
            self.has("UNSELECT")
        };
        let session = self.session().await?;
        // After EXAMINE, CLOSE expunges nothing.
        let commands = [
            Command::new("EXAMINE").mailbox(&MailboxName::of(name)?),
            Command::new("UID FETCH")
                .uids(set)
                .words("(UID FLAGS INTERNALDATE BODY.PEEK[])"),
            Command::new(if unselect { "UNSELECT" } else { "CLOSE" }),
        ];
        let tags = session.send_all(&commands).await?;
        let mut held = Vec::new();
        let mut ends = Vec::new();
        for tag in &tags {
            let ended = session
                .wait(tag, &BodySink::HashOnly, |untagged| {
                    if let Untagged::Fetch(item) = untagged
                        && let (Some(uid), Some(body)) = (item.uid, item.body)
                        && wanted(uid)
                    {
                        held.push(Held {
                            uid,
                            hash: body.hash,
                            size: body.size,
                            flags: item.flags.unwrap_or_default(),
                            date: item.date,
                        });
                    }
                })
                .await?;
            ends.push(ended);
        }
        for (end, command) in ends.iter().zip(["EXAMINE", "FETCH"]) {
            if end.status != Status::Ok {
                return Err(session.refused(command, end));
            }
        }
        Ok(held)
    }

    /// The answer to the oldest batch.
    pub(super) async fn next_ack(&mut self) -> Result<Ack, ImapError> {
        let address = self.endpoint.url.clone();
        let Some(flight) = self.in_flight.pop_front() else {
            let reason = "no batch is waiting for an answer".to_owned();
            return Err(ImapError::Protocol { address, reason });
        };
        let session = self.session().await?;
        let done = match &flight.early {
            Some(done) => done.clone(),
            None => loop {
                match session.next(&BodySink::HashOnly).await? {
                    Response::Tagged {
                        tag,
                        status,
                        code,
                        text,
                    } if tag == flight.tag => {
                        break Completion {
                            tag,
                            status,
                            code,
                            text,
                        };
                    }
                    Response::Tagged { tag, .. } => {
                        return Err(session.protocol(format!("{tag} ended out of turn")));
                    }
                    Response::Continue | Response::Untagged(_) => {}
                }
            },
        };
        Ok(self.heed(&flight, &done))
    }
}
