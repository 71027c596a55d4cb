//! What becomes of a message as the server told it: its date, and whether it is the message at all.

use super::gather::Told;
use crate::model::Uid;
use crate::payload::Payload;
use crate::source::file::headers;
use crate::source::{Item, Remark};

/// Longest message that a server writes itself in place of one that it cannot give.
const LONGEST_SUBSTITUTE: u64 = 64 << 10;
/// Where its first fields are.
const HEAD: usize = 4096;

/// The message, and what is to be told of it; none without a body.
pub(super) fn item(uid: Uid, told: Told) -> std::io::Result<Option<(Item, Vec<Remark>)>> {
    let Some(payload) = told.body else {
        return Ok(None);
    };
    let mut remarks = Vec::new();
    if is_substitute(&payload) {
        remarks.push(Remark::Substitute);
    }
    let mut date = told.date.filter(|date| date.is_keepable());
    if date.is_none() {
        date = headers::arrival(&head(&payload)?);
        remarks.push(if date.is_some() {
            Remark::DateFromHeader
        } else {
            Remark::NoDate
        });
    }
    if told.flags.is_none() {
        remarks.push(Remark::NoFlags);
    }
    let item = Item {
        uid,
        flags: told.flags.unwrap_or_default(),
        date,
        payload,
    };
    Ok(Some((item, remarks)))
}

/// A message's first bytes, wherever it is kept.
fn head(payload: &Payload) -> std::io::Result<Vec<u8>> {
    if let Some(bytes) = payload.memory() {
        return Ok(bytes[..bytes.len().min(headers::LONGEST)].to_vec());
    }
    match payload.spilled_chunks()? {
        Some(mut chunks) => chunks.next_chunk(),
        None => Ok(Vec::new()),
    }
}

/// Exchange gives a text of its own in place of a message that it fails to convert. It comes from
/// nowhere: no hop, no identity, no date.
fn is_substitute(payload: &Payload) -> bool {
    let Some(bytes) = payload.memory() else {
        return false;
    };
    if payload.size > LONGEST_SUBSTITUTE {
        return false;
    }
    let start = &bytes[..bytes.len().min(HEAD)];
    if memchr::memmem::find(start, b"Microsoft Exchange Server").is_none() {
        return false;
    }
    let says = |name| headers::field(start, name);
    let from = says("From").unwrap_or_default();
    let by_exchange = from
        .trim_start_matches('"')
        .starts_with("Microsoft Exchange Server");
    let from_nowhere = ["Received", "Message-ID", "Date"]
        .into_iter()
        .all(|name| says(name).is_none());
    by_exchange && from_nowhere
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FlagSet, InternalDate};

    fn judged(date: Option<&str>, text: &str) -> (Item, Vec<Remark>) {
        let told = Told {
            date: date.and_then(InternalDate::parse),
            body: Some(Payload::from_bytes(text.as_bytes().to_vec().into())),
            flags: Some(FlagSet::default()),
            ..Told::default()
        };
        item(7, told).expect("memory").expect("a body")
    }

    #[test]
    fn a_date_that_is_none_is_taken_from_the_header() {
        let text = "Received: from a; Mon, 3 Feb 2020 10:00:00 +0100\r\n\
                    Date: Sat, 1 Feb 2020 10:00:00 +0100\r\n\r\nx";
        let (_, dated) = text.split_once("\r\n").expect("two fields");
        for (date, text, expected, remark) in [
            (
                Some("17-Jul-1996 02:44:25 -0700"),
                text,
                "17-Jul-1996 02:44:25 -0700",
                None,
            ),
            (
                None,
                text,
                "03-Feb-2020 10:00:00 +0100",
                Some(Remark::DateFromHeader),
            ),
            (
                Some("30-Dec-1899 00:00:00 +0530"),
                dated,
                "01-Feb-2020 10:00:00 +0100",
                Some(Remark::DateFromHeader),
            ),
            (
                Some("01-Feb-0020 10:00:00 +0100"),
                "A: b\r\n\r\n",
                "",
                Some(Remark::NoDate),
            ),
        ] {
            let (item, remarks) = judged(date, text);
            let found = item.date.map_or(String::new(), InternalDate::to_imap);
            assert_eq!(
                (found.as_str(), remarks.first().copied()),
                (expected, remark)
            );
        }
    }

    #[test]
    fn a_servers_own_text_is_known_by_coming_from_nowhere() {
        let date = Some("17-Jul-1996 02:44:25 -0700");
        let of = |head: &str| judged(date, &format!("{head}\r\n\r\nx")).1;
        let english = "From: Microsoft Exchange Server 2010\r\nSubject: Retrieval using the IMAP4 \
                       protocol failed for the following message:\r\n 2469";
        let french = "MIME-Version: 1.0\r\nFrom: \"Microsoft Exchange Server\"\r\n\
                      Subject: =?utf-8?Q?=C3=89chec?=";
        for head in [english, french] {
            assert_eq!(of(head), [Remark::Substitute]);
        }
        for real in [
            "From: Microsoft Exchange Server <x@y>\r\nMessage-ID: <1@y>",
            "Date: Sat, 1 Feb 2020 10:00:00 +0100\r\nFrom: Microsoft Exchange Server",
            "From: a@b\r\nSubject: Microsoft Exchange Server",
        ] {
            assert_eq!(of(real), [], "{real}");
        }
    }
}
