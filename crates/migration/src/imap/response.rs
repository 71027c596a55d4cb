//! Responses as values.

use super::cursor::Cursor;
use super::extent::{parse_acl, parse_my_rights};
use super::fetch::{FetchItem, parse_fetch};
use super::mailbox::{parse_list, parse_mailbox_status, parse_quota, parse_search, parse_vanished};
use super::namespace::{Namespaces, parse_namespaces};
use super::wire::RawResponse;
use crate::model::{FlagInterner, Uid};

/// OK, NO or BAD.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// Done.
    Ok,
    /// Refused.
    No,
    /// Not understood.
    Bad,
    /// The server closes.
    Bye,
    /// Already logged in.
    PreAuth,
}

/// A `[CODE arguments]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Code {
    /// Upper case name.
    pub name: String,
    /// What follows the name.
    pub arguments: String,
}

/// One folder of a LIST response.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListItem {
    /// Attributes such as `\Noselect`.
    pub attributes: Vec<String>,
    /// Hierarchy separator.
    pub separator: Option<char>,
    /// Name as on the wire.
    pub name: String,
    /// True for LSUB.
    pub lsub: bool,
}

/// One folder's STATUS.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StatusItem {
    /// Name as on the wire.
    pub name: String,
    /// UIDVALIDITY.
    pub uid_validity: u32,
    /// UIDNEXT.
    pub uid_next: u32,
    /// MESSAGES.
    pub messages: u32,
    /// HIGHESTMODSEQ.
    pub highest_modseq: u64,
    /// SIZE, in bytes.
    pub size: u64,
    /// MAILBOXID (RFC 8474): the folder's own identity, which a new name does not change.
    pub mailbox_id: Option<String>,
}

/// A response that belongs to no command by its tag.
#[derive(Debug)]
pub enum Untagged {
    /// OK, NO, BAD, BYE, PREAUTH.
    Status {
        /// Which.
        status: Status,
        /// Its code.
        code: Option<Code>,
        /// Its words.
        text: String,
    },
    /// CAPABILITY.
    Capability(Vec<String>),
    /// LIST or LSUB.
    List(ListItem),
    /// STATUS.
    MailboxStatus(StatusItem),
    /// FETCH.
    Fetch(Box<FetchItem>),
    /// EXISTS.
    Exists(u32),
    /// NAMESPACE.
    Namespace(Namespaces),
    /// VANISHED: ranges of UIDs that are gone.
    Vanished(Vec<(Uid, Uid)>),
    /// QUOTA: resource name, usage, limit.
    Quota(Vec<(String, u64, u64)>),
    /// ACL: the folder, and who has which rights.
    Acl(String, super::extent::Rights),
    /// MYRIGHTS: the folder and the rights.
    MyRights(String, String),
    /// SEARCH: UIDs or numbers.
    Search(Vec<u32>),
    /// EXPUNGE: a message is gone since the folder was opened.
    Expunge,
    /// A line that cannot be read: its first word in capitals, and the line with what was expected.
    /// Whoever needs it asks again or tells; for others it is nothing.
    Unreadable(String, String),
    /// Anything else.
    Other,
}

/// A response.
#[derive(Debug)]
pub enum Response {
    /// `+`: go on.
    Continue,
    /// The end of a command.
    Tagged {
        /// The command's tag.
        tag: String,
        /// How it ended.
        status: Status,
        /// Its code.
        code: Option<Code>,
        /// Its words.
        text: String,
    },
    /// Everything else.
    Untagged(Untagged),
}

/// Parses one response; the error says what was expected.
pub fn parse_response(mut raw: RawResponse, flags: &mut FlagInterner) -> Result<Response, String> {
    let body = raw.body.take();
    let place = body.as_ref().map(|(at, _)| *at);
    let shadow = RawResponse {
        text: raw.text,
        literals: raw.literals,
        body: None,
    };
    let mut cursor = Cursor::new(&shadow);
    cursor.set_body(place);
    if cursor.take(b'+') {
        return Ok(Response::Continue);
    }
    if shadow.text.iter().all(u8::is_ascii_whitespace) {
        return Ok(Response::Untagged(unreadable(&shadow.text, "nothing")));
    }
    if cursor.take(b'*') {
        cursor.spaces();
        let payload = body.map(|(_, payload)| payload);
        let with_body = payload.is_some();
        let parsed = parse_untagged(&mut cursor, flags, payload);
        return match parsed {
            // Where a body is, its length may be the fault: what follows cannot be trusted.
            Err(reason) if !with_body => Ok(Response::Untagged(unreadable(&shadow.text, &reason))),
            parsed => parsed.map(Response::Untagged),
        };
    }
    let tag = lossy(cursor.atom()?);
    cursor.expect(b' ')?;
    let status = parse_status(cursor.atom()?).ok_or_else(|| cursor.wanted("OK, NO or BAD"))?;
    let (code, text) = parse_text(&mut cursor);
    Ok(Response::Tagged {
        tag,
        status,
        code,
        text,
    })
}

/// Characters of an unreadable line that are told.
const SHOWN: usize = 120;

/// What cannot be read, with the word that says what it was meant to be.
fn unreadable(line: &[u8], reason: &str) -> Untagged {
    let text = lossy(line);
    let mut words = text.trim_start_matches('*').split_ascii_whitespace();
    let first = words.next().unwrap_or_default();
    let numbered = !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_digit());
    let word = if numbered { words.next() } else { Some(first) };
    let shown: String = text.chars().take(SHOWN).collect();
    tracing::debug!(line = %shown.escape_debug(), reason, "line_not_read");
    Untagged::Unreadable(
        word.unwrap_or_default().to_ascii_uppercase(),
        format!("\"{}\": {reason}", shown.escape_debug()),
    )
}

pub(super) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn parse_status(word: &[u8]) -> Option<Status> {
    match word.to_ascii_uppercase().as_slice() {
        b"OK" => Some(Status::Ok),
        b"NO" => Some(Status::No),
        b"BAD" => Some(Status::Bad),
        b"BYE" => Some(Status::Bye),
        b"PREAUTH" => Some(Status::PreAuth),
        _ => None,
    }
}

fn parse_text(cursor: &mut Cursor<'_>) -> (Option<Code>, String) {
    cursor.spaces();
    let rest = cursor.rest();
    let inner = rest.strip_prefix(b"[");
    if let Some((inner, end)) = inner.and_then(|inner| {
        inner
            .iter()
            .position(|b| *b == b']')
            .map(|end| (inner, end))
    }) {
        let code = lossy(&inner[..end]);
        let (name, arguments) = code.split_once(' ').unwrap_or((&code, ""));
        let code = Code {
            name: name.to_ascii_uppercase(),
            arguments: arguments.to_owned(),
        };
        return (Some(code), lossy(&inner[end + 1..]).trim_start().to_owned());
    }
    (None, lossy(rest))
}

fn parse_untagged(
    cursor: &mut Cursor<'_>,
    flags: &mut FlagInterner,
    body: Option<crate::payload::Payload>,
) -> Result<Untagged, String> {
    if cursor.peek().is_some_and(|byte| byte.is_ascii_digit()) {
        let number = cursor.number()?;
        cursor.spaces();
        let word = cursor.atom()?;
        if word.eq_ignore_ascii_case(b"FETCH") {
            cursor.spaces();
            return parse_fetch(cursor, flags, body).map(|item| Untagged::Fetch(Box::new(item)));
        }
        if word.eq_ignore_ascii_case(b"EXISTS") {
            return Ok(Untagged::Exists(u32::try_from(number).unwrap_or(u32::MAX)));
        }
        if word.eq_ignore_ascii_case(b"EXPUNGE") {
            return Ok(Untagged::Expunge);
        }
        return Ok(Untagged::Other);
    }
    let word = cursor.atom()?.to_ascii_uppercase();
    if let Some(status) = parse_status(&word) {
        let (code, text) = parse_text(cursor);
        return Ok(Untagged::Status { status, code, text });
    }
    cursor.spaces();
    match word.as_slice() {
        b"CAPABILITY" => {
            let words = lossy(cursor.rest()).to_ascii_uppercase();
            Ok(Untagged::Capability(
                words.split_ascii_whitespace().map(str::to_owned).collect(),
            ))
        }
        b"LIST" => parse_list(cursor, false).map(Untagged::List),
        b"LSUB" => parse_list(cursor, true).map(Untagged::List),
        b"STATUS" => parse_mailbox_status(cursor).map(Untagged::MailboxStatus),
        b"NAMESPACE" => parse_namespaces(cursor).map(Untagged::Namespace),
        b"SEARCH" => Ok(Untagged::Search(parse_search(cursor))),
        b"VANISHED" => parse_vanished(cursor).map(Untagged::Vanished),
        b"QUOTA" => parse_quota(cursor).map(Untagged::Quota),
        b"ACL" => parse_acl(cursor).map(|(name, rights)| Untagged::Acl(name, rights)),
        b"MYRIGHTS" => {
            parse_my_rights(cursor).map(|(name, rights)| Untagged::MyRights(name, rights))
        }
        _ => Ok(Untagged::Other),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &[u8], literals: &[&[u8]]) -> Result<Response, String> {
        let literals = literals.iter().map(|literal| literal.to_vec()).collect();
        let raw = RawResponse {
            text: text.to_vec(),
            literals,
            body: None,
        };
        parse_response(raw, &mut FlagInterner::default())
    }

    #[test]
    fn fetch_in_any_order_with_unknown_attributes() {
        let text = b"* 3 FETCH (X-GM-LABELS (\"a)b\" {3}) UID 9 BODY[HEADER.FIELDS (A B)] {2} \
            MODSEQ (77) FLAGS (\\Seen $x) INTERNALDATE \" 1-Jan-2020 00:00:00 +0000\")";
        let Ok(Response::Untagged(Untagged::Fetch(item))) = parse(text, &[b"x y", b"h:"]) else {
            panic!("a fetch")
        };
        assert_eq!((item.uid, item.modseq), (Some(9), Some(77)));
        assert_eq!(
            item.flags.map(|flags| flags.to_string()).as_deref(),
            Some("$x \\Seen")
        );
        assert!(item.date.is_some() && item.body.is_none());
    }

    #[test]
    fn lines_that_cannot_be_read_are_nothing_but_told() {
        for (line, word) in [
            ("* 3 FETCH (FLAGS (\\Seen", "FETCH"),
            ("*  LIST (\\X) \"", "LIST"),
            ("* QUOTA \"a\" (STORAGE x y)", "QUOTA"),
            ("*", ""),
            ("", ""),
            ("* VANISHED x", "VANISHED"),
            ("* STATUS INBOX", "STATUS"),
        ] {
            let Ok(Response::Untagged(Untagged::Unreadable(found, told))) =
                parse(line.as_bytes(), &[])
            else {
                panic!("{line}")
            };
            assert_eq!(found, word, "{line}");
            assert!(told.contains(": "), "{told}");
        }
        // What has another number of spaces is read.
        for line in ["*  522 EXISTS", "* 522  EXISTS", "*\t522 EXISTS "] {
            let parsed = parse(line.replace('\t', " ").as_bytes(), &[]);
            let Ok(Response::Untagged(Untagged::Exists(522))) = parsed else {
                panic!("{line}: {parsed:?}")
            };
        }
        // A line that is no answer at all ends the conversation as before.
        parse(b"hello", &[]).expect_err("no status");
        let Ok(Response::Untagged(Untagged::Search(found))) = parse(b"* SEARCH 2  7 x", &[]) else {
            panic!("a search")
        };
        assert_eq!(found, [2, 7]);
    }

    #[test]
    fn codes_and_texts() {
        let Ok(Response::Tagged {
            status, code, text, ..
        }) = parse(b"m1 no [overquota 5] Quota exceeded {4}", &[])
        else {
            panic!("tagged")
        };
        assert_eq!(status, Status::No);
        assert_eq!(
            code,
            Some(Code {
                name: "OVERQUOTA".into(),
                arguments: "5".into()
            })
        );
        assert_eq!(text, "Quota exceeded {4}");
    }

    #[test]
    fn vanished_and_identity() {
        let Ok(Response::Untagged(Untagged::Vanished(ranges))) =
            parse(b"* VANISHED (EARLIER) 41,116:43,1:4294967295", &[])
        else {
            panic!("vanished")
        };
        assert_eq!(ranges, [(41, 41), (43, 116), (1, Uid::MAX)]);
        let status = b"* STATUS \"a\" (MESSAGES 2 MAILBOXID (F2212ea87-6097) UIDNEXT 9)";
        let Ok(Response::Untagged(Untagged::MailboxStatus(state))) = parse(status, &[]) else {
            panic!("status")
        };
        assert_eq!(state.mailbox_id.as_deref(), Some("F2212ea87-6097"));
        assert_eq!((state.messages, state.uid_next), (2, 9));
        let sloppy = b"* STATUS \"\"&AMk-t&AOk-\"\" (MESSAGES 3 UIDNEXT 4)";
        let Ok(Response::Untagged(Untagged::MailboxStatus(state))) = parse(sloppy, &[]) else {
            panic!("status")
        };
        assert_eq!((state.name.as_str(), state.messages), ("&AMk-t&AOk-", 3));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes, &[]);
        }

        #[test]
        fn no_near_miss_panics(
            text in "\\* [0-9]{1,12} FETCH \\(((UID|FLAGS|BODY\\[\\]|MODSEQ|\\(|\\)|\"|\\{[0-9]{1,3}\\}|NIL|[0-9]{1,20}) ?){0,12}\\)?",
        ) {
            let _ = parse(text.as_bytes(), &[b"one", b"two"]);
        }
    }
}
