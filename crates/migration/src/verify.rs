//! Reads the target back through its protocol and compares: bytes, dates, flags.

use std::collections::HashMap;

use crate::error::EndpointError;
use crate::journal::ItemRecord;
use crate::matcher::Held;
use crate::model::{InternalDate, MessageHash, Uid};
use crate::proof::Reason;
use crate::target::Target;

/// Messages compared at once: bounds what is held of a large folder.
const CHUNK: usize = 2000;

/// What to compare in one folder.
#[derive(Clone, Debug)]
pub struct Job {
    /// The caller's number for the folder.
    pub folder: usize,
    /// Its name at the target.
    pub name: String,
    /// What should be there.
    pub expected: Vec<ItemRecord>,
}

/// A difference.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// UID at the source.
    pub source_uid: Uid,
    /// What is wrong.
    pub reason: Reason,
    /// Expected and found.
    pub detail: String,
}

/// A folder's comparison.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// The job's number.
    pub folder: usize,
    /// Source UID and hash of each message as the target gave it back.
    pub found: Vec<(Uid, MessageHash)>,
    /// Messages read back.
    pub messages: u64,
    /// Highest UID read back.
    pub through: Uid,
    /// Everything that is not as expected.
    pub differences: Vec<Difference>,
}

/// Compares one folder.
pub async fn verify(target: &mut dyn Target, mut job: Job) -> Result<Verdict, EndpointError> {
    let mut verdict = Verdict {
        folder: job.folder,
        found: Vec::with_capacity(job.expected.len()),
        messages: 0,
        through: 0,
        differences: Vec::new(),
    };
    job.expected.sort_unstable_by_key(|item| item.target_uid);
    if job.expected.iter().any(|item| item.target_uid == 0) {
        let held = target.read_above(&job.name, 0).await?;
        compare(&job.expected, held, &mut verdict);
        return Ok(verdict);
    }
    for chunk in job.expected.chunks(CHUNK) {
        let uids: Vec<Uid> = chunk.iter().map(|item| item.target_uid).collect();
        let held = target.read_these(&job.name, &uids).await?;
        compare(chunk, held, &mut verdict);
    }
    Ok(verdict)
}

/// Compares what should be there with what is: by UID where it is known, else by hash.
fn compare(expected: &[ItemRecord], held: Vec<Held>, verdict: &mut Verdict) {
    let mut by_uid: HashMap<Uid, Held> = HashMap::with_capacity(held.len());
    let mut by_hash: HashMap<MessageHash, Vec<Uid>> = HashMap::new();
    let unknown = expected.iter().any(|item| item.target_uid == 0);
    for message in held {
        if unknown {
            by_hash.entry(message.hash).or_default().push(message.uid);
        }
        by_uid.insert(message.uid, message);
    }
    for item in expected {
        let uid = match item.target_uid {
            0 => by_hash.get_mut(&item.hash).and_then(Vec::pop),
            known => Some(known),
        };
        let found = uid.and_then(|uid| by_uid.remove(&uid));
        let mut differ = |reason, detail: String| {
            let source_uid = item.source_uid;
            verdict.differences.push(Difference {
                source_uid,
                reason,
                detail,
            });
        };
        let Some(found) = found else {
            differ(
                Reason::AbsentAtTarget,
                format!("target UID {}", item.target_uid),
            );
            continue;
        };
        if found.hash != item.hash {
            differ(
                Reason::BytesDiffer,
                format!("wrote {}, read {}", item.hash, found.hash),
            );
        }
        let instant = |date: Option<InternalDate>| date.map(|date| date.unix);
        // Earlier releases wrote dates that no server keeps.
        let wrote = item.date.filter(|date| date.is_keepable());
        if wrote.is_some() && instant(found.date) != instant(wrote) {
            let told = |date: Option<InternalDate>| {
                date.map_or("no date that can be read".to_owned(), InternalDate::to_imap)
            };
            let (wrote, read) = (told(wrote), told(found.date));
            differ(Reason::DateDiffers, format!("wrote {wrote}, read {read}"));
        }
        // What was there before belongs to the target's user.
        if item.written && !found.flags.same_as(&item.flags) {
            differ(
                Reason::FlagsDiffer,
                format!("wrote ({}), read ({})", item.flags, found.flags),
            );
        }
        verdict.found.push((item.source_uid, found.hash));
        verdict.messages += 1;
        verdict.through = verdict.through.max(found.uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FlagSet;

    fn item(source_uid: Uid, target_uid: Uid, byte: u8) -> ItemRecord {
        let hash = MessageHash::of(&[byte]);
        let flags = FlagSet::new(["\\Seen"]);
        ItemRecord {
            source_uid,
            target_uid,
            size: 1,
            hash,
            flags,
            date: None,
            written: true,
            floor: true,
        }
    }

    fn held(uid: Uid, byte: u8) -> Held {
        let flags = FlagSet::new(["\\Seen"]);
        Held {
            uid,
            hash: MessageHash::of(&[byte]),
            size: 1,
            flags,
            date: None,
        }
    }

    fn differences(expected: &[ItemRecord], held: Vec<Held>) -> Vec<(Uid, Reason)> {
        let mut verdict = Verdict {
            folder: 0,
            found: Vec::new(),
            messages: 0,
            through: 0,
            differences: Vec::new(),
        };
        compare(expected, held, &mut verdict);
        verdict
            .differences
            .into_iter()
            .map(|d| (d.source_uid, d.reason))
            .collect()
    }

    #[test]
    fn sees_absent_and_altered() {
        let expected = [item(1, 11, 1), item(2, 12, 2), item(3, 13, 3)];
        assert!(differences(&expected, vec![held(11, 1), held(12, 2), held(13, 3)]).is_empty());
        let found = differences(&expected, vec![held(11, 9), held(13, 3)]);
        assert_eq!(
            found,
            [(1, Reason::BytesDiffer), (2, Reason::AbsentAtTarget)]
        );
    }

    #[test]
    fn dates_are_told_as_servers_write_them() {
        let date = |text: &str| InternalDate::parse(text);
        let compared = |wrote: &str, read: Option<&str>| {
            let mut item = item(1, 11, 1);
            item.date = date(wrote);
            let mut held = held(11, 1);
            held.date = read.and_then(date);
            let mut verdict = Verdict {
                folder: 0,
                found: Vec::new(),
                messages: 0,
                through: 0,
                differences: Vec::new(),
            };
            compare(&[item], vec![held], &mut verdict);
            let first = verdict.differences.pop();
            first.map_or(String::new(), |difference| difference.detail)
        };
        let (old, new) = ("17-Jul-1996 02:44:25 -0700", "18-Jul-1996 02:44:25 +0000");
        assert_eq!(compared(old, Some(old)), "");
        assert_eq!(compared(old, Some(new)), format!("wrote {old}, read {new}"));
        assert_eq!(
            compared(old, None),
            format!("wrote {old}, read no date that can be read")
        );
        // An earlier release wrote it: no server keeps it, and nobody can mend it.
        assert_eq!(compared("30-Dec-1899 00:00:00 +0530", Some(new)), "");
    }

    #[test]
    fn matches_duplicates_one_to_one_without_uids() {
        let expected = [item(1, 0, 1), item(2, 0, 1)];
        assert!(differences(&expected, vec![held(5, 1), held(6, 1), held(7, 2)]).is_empty());
        let found = differences(&expected, vec![held(5, 1)]);
        assert_eq!(found, [(2, Reason::AbsentAtTarget)]);
    }
}
