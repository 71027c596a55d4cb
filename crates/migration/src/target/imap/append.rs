//! APPEND: many messages in one command where the server can, without waiting where it can.

use super::{Ack, Flight, ImapTarget};
use crate::imap::{Completion, ImapError, Response, Session, Status, quote};
use crate::model::Uid;
use crate::payload::BodySink;
use crate::source::Item;

/// Small messages are gathered up to this many bytes before they are sent.
const GATHER: usize = 256 * 1024;

impl ImapTarget {
    /// Sends one APPEND; the answer is read later.
    pub(super) async fn send_batch(&mut self, name: &str, batch: &[Item]) -> Result<(), ImapError> {
        let session = self.session().await?;
        let plus = session.capabilities().literal_plus();
        let tag = session.tag();
        let mut pending = format!("{tag} APPEND {}", quote(name)).into_bytes();
        let mut early = None;
        for item in batch {
            pending.extend_from_slice(item_head(item, plus).as_bytes());
            if !plus {
                session.send_bytes(&pending).await?;
                session.flush().await?;
                pending.clear();
                early = wait_for_go(session, &tag).await?;
                if early.is_some() {
                    break;
                }
            }
            send_body(session, item, &mut pending).await?;
        }
        if early.is_none() {
            pending.extend_from_slice(b"\r\n");
            session.send_bytes(&pending).await?;
            session.flush().await?;
        }
        self.in_flight.push_back(Flight {
            tag,
            count: batch.len(),
            early,
        });
        Ok(())
    }

    /// Asks whether the connection stands; the answer is read in its turn.
    pub(super) async fn send_noop(&mut self) -> Result<(), ImapError> {
        let tag = self.session().await?.send("NOOP").await?;
        self.in_flight.push_back(Flight {
            tag,
            count: 0,
            early: None,
        });
        Ok(())
    }
}

fn item_head(item: &Item, plus: bool) -> String {
    let date = item
        .date
        .map_or(String::new(), |date| format!(" \"{}\"", date.to_imap()));
    let plus = if plus { "+" } else { "" };
    format!(
        " ({}){date} {{{}{plus}}}\r\n",
        item.flags, item.payload.size
    )
}

async fn send_body(
    session: &mut Session,
    item: &Item,
    pending: &mut Vec<u8>,
) -> Result<(), ImapError> {
    if let Some(bytes) = item.payload.memory() {
        pending.extend_from_slice(bytes);
    } else if let Some(mut chunks) = item.payload.spilled_chunks().map_err(ImapError::Spill)? {
        loop {
            let chunk = chunks.next_chunk().map_err(ImapError::Spill)?;
            if chunk.is_empty() {
                break;
            }
            session.send_bytes(pending).await?;
            *pending = chunk;
        }
    }
    if pending.len() >= GATHER {
        session.send_bytes(pending).await?;
        pending.clear();
    }
    Ok(())
}

/// Waits for `+`; a tagged answer instead means that the command is over.
async fn wait_for_go(session: &mut Session, wanted: &str) -> Result<Option<Completion>, ImapError> {
    loop {
        match session.next(&BodySink::HashOnly).await? {
            Response::Continue => return Ok(None),
            Response::Tagged {
                tag,
                status,
                code,
                text,
            } if tag == wanted => {
                return Ok(Some(Completion {
                    tag,
                    status,
                    code,
                    text,
                }));
            }
            Response::Tagged { tag, .. } => {
                return Err(session.protocol(format!("{tag} ended out of turn")));
            }
            Response::Untagged(_) => {}
        }
    }
}

/// Reads an APPEND's end.
pub(super) fn ack(done: &Completion, count: usize) -> Ack {
    if done.status == Status::Ok {
        let code = done.code.as_ref().filter(|code| code.name == "APPENDUID");
        let uids = code
            .and_then(|code| code.arguments.split_once(' '))
            .and_then(|(_, set)| expand(set, count));
        return Ack::Stored(uids);
    }
    let code = done
        .code
        .as_ref()
        .map_or(String::new(), |code| code.name.clone());
    Ack::Refused {
        code,
        said: crate::imap::said(done),
    }
}

/// Expands `3:5,9` when it holds exactly `count` UIDs.
fn expand(set: &str, count: usize) -> Option<Vec<Uid>> {
    let mut uids = Vec::with_capacity(count);
    for part in set.trim().split(',') {
        let (first, last) = part.split_once(':').unwrap_or((part, part));
        let (first, last): (Uid, Uid) = (first.parse().ok()?, last.parse().ok()?);
        let (low, high) = (first.min(last), first.max(last));
        if (high - low) as usize >= count {
            return None;
        }
        uids.extend(low..=high);
    }
    (uids.len() == count).then_some(uids)
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn uid_sets_expand_only_when_they_fit() {
        assert_eq!(expand("3:5,9", 4), Some(vec![3, 4, 5, 9]));
        assert_eq!(expand("7", 1), Some(vec![7]));
        for (set, count) in [("1:4294967295", 3), ("3:5", 4), ("x", 1), ("", 0)] {
            assert_eq!(expand(set, count), None, "{set}");
        }
    }
}
