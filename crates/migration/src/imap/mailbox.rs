//! What servers say of folders: LIST, STATUS, VANISHED, QUOTA.

use super::cursor::{Cursor, Text};
use super::response::{ListItem, StatusItem, lossy};
use crate::model::Uid;
use crate::raw;

/// A string that must be there; bytes that are no text are carried as [`raw`] does.
pub(super) fn needed(cursor: &mut Cursor<'_>) -> Result<String, String> {
    match cursor.string()? {
        Text::Bytes(bytes) => Ok(raw::text(&bytes)),
        Text::Nil | Text::Body => Err(cursor.wanted("a string")),
    }
}

fn parse_separator(cursor: &mut Cursor<'_>) -> Result<Option<char>, String> {
    match cursor.string()? {
        Text::Bytes(bytes) => Ok(lossy(&bytes).chars().next()),
        Text::Nil | Text::Body => Ok(None),
    }
}

/// One folder of a LIST or LSUB response.
pub(super) fn parse_list(cursor: &mut Cursor<'_>, lsub: bool) -> Result<ListItem, String> {
    let attributes = lossy(cursor.parenthesised()?);
    cursor.spaces();
    let separator = parse_separator(cursor)?;
    cursor.spaces();
    let name = needed(cursor)?;
    let attributes = attributes
        .split_ascii_whitespace()
        .map(str::to_owned)
        .collect();
    Ok(ListItem {
        attributes,
        separator,
        name,
        lsub,
    })
}

/// One folder's STATUS.
pub(super) fn parse_mailbox_status(cursor: &mut Cursor<'_>) -> Result<StatusItem, String> {
    let mut item = StatusItem {
        name: needed(cursor)?,
        ..StatusItem::default()
    };
    cursor.spaces();
    if cursor.peek() != Some(b'(') {
        // GreenMail quotes a quoted name once more: what stands before the list is the name.
        let rest = cursor.rest();
        let list = rest.iter().rposition(|byte| *byte == b'(');
        let list = list.ok_or_else(|| cursor.wanted("`(`"))?;
        let name = lossy(&rest[..list]);
        item.name = format!("{}{}", item.name, name.trim().trim_matches('"'));
        cursor.skip(list);
    }
    cursor.expect(b'(')?;
    loop {
        cursor.spaces();
        if cursor.take(b')') {
            return Ok(item);
        }
        let name = cursor.atom()?.to_ascii_uppercase();
        cursor.spaces();
        if name == b"MAILBOXID" && cursor.peek() == Some(b'(') {
            item.mailbox_id = Some(lossy(cursor.parenthesised()?));
            continue;
        }
        if !cursor.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            cursor.skip_value()?;
            continue;
        }
        let value = cursor.number()?;
        let small = u32::try_from(value).unwrap_or(u32::MAX);
        match name.as_slice() {
            b"UIDVALIDITY" => item.uid_validity = small,
            b"UIDNEXT" => item.uid_next = small,
            b"MESSAGES" => item.messages = small,
            b"HIGHESTMODSEQ" => item.highest_modseq = value,
            b"SIZE" => item.size = value,
            _ => {}
        }
    }
}

/// `(EARLIER) 41,43:116`; ranges are kept as such, since a server may name four billion UIDs.
pub(super) fn parse_vanished(cursor: &mut Cursor<'_>) -> Result<Vec<(Uid, Uid)>, String> {
    if cursor.peek() == Some(b'(') {
        cursor.parenthesised()?;
        cursor.spaces();
    }
    let mut ranges = Vec::new();
    for part in lossy(cursor.atom()?).split(',') {
        let (first, last) = part.split_once(':').unwrap_or((part, part));
        let number = |text: &str| text.parse::<Uid>().map_err(|_| cursor.wanted("a UID"));
        let (first, last) = (number(first)?, number(last)?);
        ranges.push((first.min(last), first.max(last)));
    }
    Ok(ranges)
}

/// Numbers that a SEARCH found; what is none among them is left out.
pub(super) fn parse_search(cursor: &mut Cursor<'_>) -> Vec<Uid> {
    let text = lossy(cursor.rest());
    let numbers = text.split_ascii_whitespace();
    numbers.filter_map(|word| word.parse().ok()).collect()
}

/// Resource name, usage and limit of each.
pub(super) fn parse_quota(cursor: &mut Cursor<'_>) -> Result<Vec<(String, u64, u64)>, String> {
    cursor.string()?;
    cursor.spaces();
    cursor.expect(b'(')?;
    let mut resources = Vec::new();
    loop {
        cursor.spaces();
        if cursor.take(b')') {
            return Ok(resources);
        }
        let name = lossy(cursor.atom()?).to_ascii_uppercase();
        cursor.spaces();
        let used = cursor.number()?;
        cursor.spaces();
        resources.push((name, used, cursor.number()?));
    }
}
