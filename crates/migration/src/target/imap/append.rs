//! Messages on their way to an IMAP target, and what it answers.

use std::collections::HashSet;

use super::learnt::Rung;
use super::{Ack, Flight, ImapTarget};
use crate::imap::{
    Command, Completion, ImapError, Letter, MailboxName, Status, WireDate, WireFlags,
};
use crate::model::Uid;
use crate::source::Item;
use crate::target::Refusal;

impl ImapTarget {
    /// Sends one APPEND; the answer is read later. `alone`: after a refusal, with less of what is
    /// told about the message at each rung, and asking before its bytes are sent.
    pub(super) async fn send_batch(
        &mut self,
        name: &str,
        batch: &[Item],
        alone: Option<Rung>,
    ) -> Result<(), ImapError> {
        self.session().await?;
        let mailbox = MailboxName::of(name)?;
        let rung = alone.unwrap_or(Rung::Whole);
        let mut asked = HashSet::new();
        let (mut letters, mut news) = (Vec::with_capacity(batch.len()), Vec::new());
        for item in batch {
            let flags = self.learnt.flags(name, &item.flags, rung);
            let date = item.date.and_then(WireDate::of);
            let date = date.filter(|_| rung < Rung::Undated);
            if self.learnt.is_news(name, &flags, date.is_some()) {
                news.push((flags.clone(), date.is_some()));
            }
            let asks = alone.is_some() || self.learnt.asks(&flags, date, &mut asked);
            letters.push(Letter {
                flags,
                date,
                payload: &item.payload,
                asks,
            });
        }
        let session = self.session().await?;
        let sent = session.append(&mailbox, &letters).await?;
        let asked = letters.iter().filter(|letter| letter.asks);
        let agreed: Vec<WireFlags> = asked
            .take(sent.agreed)
            .map(|letter| letter.flags.clone())
            .collect();
        for flags in &agreed {
            self.learnt.parsed(flags);
        }
        // Ends come in the order of their commands.
        let waiting = self.in_flight.iter_mut();
        let waiting = waiting.filter(|flight| flight.early.is_none());
        for (flight, done) in waiting.zip(sent.others) {
            if flight.tag != done.tag {
                let reason = format!("{} ended out of turn", done.tag);
                let address = self.endpoint.url.clone();
                return Err(ImapError::Protocol { address, reason });
            }
            flight.early = Some(done);
        }
        self.in_flight.push_back(Flight {
            tag: sent.tag,
            count: batch.len(),
            early: sent.early,
            folder: name.to_owned(),
            news,
        });
        Ok(())
    }

    /// Asks whether the connection stands; the answer is read in its turn.
    pub(super) async fn send_noop(&mut self) -> Result<(), ImapError> {
        let tag = self.session().await?.send(&Command::new("NOOP")).await?;
        self.in_flight.push_back(Flight {
            tag,
            ..Flight::default()
        });
        Ok(())
    }

    /// What an APPEND's end says and teaches.
    pub(super) fn heed(&mut self, flight: &Flight, done: &Completion) -> Ack {
        if done.status == Status::Ok {
            self.patience.restore();
            for (flags, dated) in &flight.news {
                self.learnt.took(&flight.folder, flags, *dated);
            }
        } else if done.status == Status::Bad {
            self.learnt.beware();
        }
        ack(done, flight.count)
    }
}

/// Reads an APPEND's end.
fn ack(done: &Completion, count: usize) -> Ack {
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
    Ack::Refused(Refusal {
        code,
        said: crate::imap::said(done),
        misunderstood: done.status == Status::Bad,
    })
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
