//! What a folder weighs and what its user may do there: SIZE, QUOTA, APPENDLIMIT, ACL.

use super::cursor::Cursor;
use super::mailbox::needed;
use super::{Command, FetchItem, ImapError, MailboxName, Session, Status, UidSet, Untagged};
use crate::model::Uid;
use crate::source::imap::pipeline;

/// A mailbox's limits as its server tells them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Quota {
    /// Bytes in use.
    pub used_bytes: u64,
    /// Bytes allowed; none without such a limit.
    pub limit_bytes: Option<u64>,
    /// Messages there.
    pub used_messages: u64,
    /// Messages allowed; none without such a limit.
    pub limit_messages: Option<u64>,
}

/// Rights that an access list gives, each with whose they are.
pub type Rights = Vec<(String, String)>;

/// `mailbox identifier rights …` of an ACL response.
pub(super) fn parse_acl(cursor: &mut Cursor<'_>) -> Result<(String, Rights), String> {
    let name = needed(cursor)?;
    let mut rights = Vec::new();
    loop {
        cursor.spaces();
        if cursor.peek().is_none() {
            return Ok((name, rights));
        }
        let whose = needed(cursor)?;
        cursor.spaces();
        rights.push((whose, needed(cursor)?));
    }
}

/// `mailbox rights` of a MYRIGHTS response.
pub(super) fn parse_my_rights(cursor: &mut Cursor<'_>) -> Result<(String, String), String> {
    let name = needed(cursor)?;
    cursor.spaces();
    Ok((name, needed(cursor)?))
}

/// The quota that INBOX counts against; none when the server has no such thing.
pub async fn quota(session: &mut Session) -> Result<Option<Quota>, ImapError> {
    if !session.capabilities().has("QUOTA") {
        return Ok(None);
    }
    let mut found: Option<Quota> = None;
    let done = session
        .run(&Command::new("GETQUOTAROOT INBOX"), |untagged| {
            if let Untagged::Quota(resources) = untagged {
                for (name, used, limit) in resources {
                    tighten(found.get_or_insert_default(), &name, used, limit);
                }
            }
        })
        .await?;
    Ok(found.filter(|_| done.status == Status::Ok))
}

/// Several roots may hold: the one with the least room counts.
fn tighten(quota: &mut Quota, name: &str, used: u64, limit: u64) {
    let tighter = |used: u64, limit: u64, known_used: u64, known: Option<u64>| {
        known.is_none_or(|known| limit.saturating_sub(used) < known.saturating_sub(known_used))
    };
    match name {
        // In units of 1024 octets (RFC 9208).
        "STORAGE" => {
            let (used, limit) = (used.saturating_mul(1024), limit.saturating_mul(1024));
            if tighter(used, limit, quota.used_bytes, quota.limit_bytes) {
                (quota.used_bytes, quota.limit_bytes) = (used, Some(limit));
            }
        }
        "MESSAGE" if tighter(used, limit, quota.used_messages, quota.limit_messages) => {
            (quota.used_messages, quota.limit_messages) = (used, Some(limit));
        }
        _ => {}
    }
}

/// The largest message that the server takes (RFC 7889), when it tells.
pub fn append_limit(session: &Session) -> Option<u64> {
    session.capabilities().value("APPENDLIMIT")?.parse().ok()
}

/// The bytes of each folder, when the server tells them without listing messages; in order.
pub async fn folder_sizes(
    session: &mut Session,
    names: &[MailboxName],
) -> Result<Option<Vec<Option<u64>>>, ImapError> {
    if !session.capabilities().has("STATUS=SIZE") {
        return Ok(None);
    }
    let commands: Vec<Command> = names
        .iter()
        .map(|name| Command::new("STATUS").mailbox(name).words("(SIZE)"))
        .collect();
    let mut sizes = vec![None; names.len()];
    let ended = pipeline(session, &commands, |index, untagged| {
        if let Untagged::MailboxStatus(state) = untagged {
            sizes[index] = Some(state.size);
        }
    })
    .await?;
    for (size, end) in sizes.iter_mut().zip(&ended) {
        *size = size.filter(|_| end.status == Status::Ok);
    }
    Ok(Some(sizes))
}

/// Why a folder cannot be read, or its messages' sizes as the server claims them, one call each.
pub async fn message_sizes(
    session: &mut Session,
    name: &MailboxName,
    mut on: impl FnMut(Uid, u64),
) -> Result<Result<(), String>, ImapError> {
    let commands = [
        Command::new("EXAMINE").mailbox(name),
        Command::new("UID FETCH")
            .uids(&UidSet::From(1))
            .words("(RFC822.SIZE)"),
    ];
    let ended = pipeline(session, &commands, |_, untagged| {
        if let Untagged::Fetch(item) = untagged
            && let FetchItem {
                uid: Some(uid),
                claimed_size: Some(size),
                ..
            } = *item
        {
            on(uid, size);
        }
    })
    .await?;
    let refused = ended.iter().find(|end| end.status != Status::Ok);
    Ok(refused.map_or(Ok(()), |end| Err(super::said(end))))
}

/// What the user may do in each folder, in order, and who else may do what; none where the server
/// does not tell.
pub async fn rights(
    session: &mut Session,
    names: &[MailboxName],
) -> Result<Vec<(Option<String>, Option<Rights>)>, ImapError> {
    let mut found = vec![(None, None); names.len()];
    if !session.capabilities().has("ACL") {
        return Ok(found);
    }
    let commands: Vec<Command> = names
        .iter()
        .flat_map(|name| ["MYRIGHTS", "GETACL"].map(|verb| Command::new(verb).mailbox(name)))
        .collect();
    pipeline(session, &commands, |index, untagged| match untagged {
        Untagged::MyRights(_, mine) => found[index / 2].0 = Some(mine),
        Untagged::Acl(_, all) => found[index / 2].1 = Some(all),
        _ => {}
    })
    .await?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::{RawResponse, Response, parse_response};
    use super::*;
    use crate::model::FlagInterner;

    fn parse(text: &[u8]) -> Untagged {
        let raw = RawResponse {
            text: text.to_vec(),
            literals: Vec::new(),
            body: None,
        };
        match parse_response(raw, &mut FlagInterner::default()) {
            Ok(Response::Untagged(untagged)) => untagged,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn access_lists_are_read() {
        let Untagged::Acl(name, rights) = parse(b"* ACL \"a b\" fred rwipslda \"-x y\" lr") else {
            panic!("an ACL")
        };
        let expected = [("fred", "rwipslda"), ("-x y", "lr")];
        assert_eq!(name, "a b");
        assert_eq!(rights, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
        let Untagged::MyRights(name, mine) = parse(b"* MYRIGHTS INBOX lrs") else {
            panic!("rights")
        };
        assert_eq!((name.as_str(), mine.as_str()), ("INBOX", "lrs"));
    }

    #[test]
    fn the_root_with_the_least_room_counts() {
        let mut quota = Quota::default();
        for (name, used, limit) in [
            ("STORAGE", 10, 512),
            ("STORAGE", 500, 900),
            ("STORAGE", 0, 9000),
            ("MESSAGE", 3, 5),
            ("X-OTHER", 1, 1),
        ] {
            tighten(&mut quota, name, used, limit);
        }
        assert_eq!(quota.used_bytes, 500 << 10);
        assert_eq!(quota.limit_bytes, Some(900 << 10));
        assert_eq!((quota.used_messages, quota.limit_messages), (3, Some(5)));
    }
}
