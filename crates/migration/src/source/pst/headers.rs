//! A message's headers: those that it travelled with, else those that its properties tell.

use std::io;

use super::ltp::{Bag, Id, Table};
use super::ndb::{Ndb, ReadAt};
use super::store::{decode_text, text};
use super::text::encoded_word;
use super::time::rfc5322;

const TRANSPORT: Id = 0x007D;
const SUBJECT: Id = 0x0037;

/// Headers that told of the MIME structure which the PST did not keep.
fn is_lost(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("content-") || name == "mime-version"
}

/// Writes a message's headers, without those of its MIME structure.
pub(super) fn write<F: ReadAt>(
    ndb: &Ndb<F>,
    bag: &Bag<'_, F>,
    page: u32,
    out: &mut Vec<u8>,
) -> io::Result<()> {
    let transport = text(bag, TRANSPORT, page)?.unwrap_or_default();
    let mut there = Vec::new();
    for header in super::text::headers(&transport) {
        let Some((name, _)) = header.split_once(':') else {
            continue;
        };
        if is_lost(name) {
            continue;
        }
        there.push(name.trim_end().to_ascii_lowercase());
        out.extend_from_slice(header.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty())
            && !there.contains(&name.to_ascii_lowercase())
        {
            out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
    };
    add("Date", date(bag)?.map(rfc5322));
    add("From", sender(bag, page)?);
    if transport.is_empty() {
        let [to, cc, bcc] = recipients(ndb, bag, page)?;
        add("To", Some(to));
        add("Cc", Some(cc));
        add("Bcc", Some(bcc));
    }
    add(
        "Subject",
        text(bag, SUBJECT, page)?.map(|subject| encoded_word(&plain_subject(&subject))),
    );
    let one_line = |text: String| text.replace(['\r', '\n'], " ");
    add("Message-ID", text(bag, 0x1035, page)?.map(one_line));
    add("In-Reply-To", text(bag, 0x1042, page)?.map(one_line));
    add("References", text(bag, 0x1039, page)?.map(one_line));
    Ok(())
}

/// A subject begins with a mark and the length of its prefix ([MS-PST] 2.5.3.1.1.1).
pub(super) fn plain_subject(subject: &str) -> String {
    let mut characters = subject.chars();
    if characters.next() == Some('\u{1}') {
        characters.next();
        return characters.collect();
    }
    subject.to_owned()
}

/// When the message was delivered, else sent, else made.
pub(super) fn date<F: ReadAt>(bag: &Bag<'_, F>) -> io::Result<Option<u64>> {
    for id in [0x0E06, 0x0039, 0x3007] {
        if let Some(time) = bag.filetime(id)?.filter(|time| *time > 0) {
            return Ok(Some(time));
        }
    }
    Ok(None)
}

fn sender<F: ReadAt>(bag: &Bag<'_, F>, page: u32) -> io::Result<Option<String>> {
    for [name, smtp, address] in [[0x0042, 0x5D02, 0x0065], [0x0C1A, 0x5D01, 0x0C1F]] {
        let smtp = text(bag, smtp, page)?;
        let address = match smtp {
            Some(smtp) => Some(smtp),
            None => text(bag, address, page)?,
        };
        let name = text(bag, name, page)?;
        if name.is_some() || address.is_some() {
            return Ok(Some(mailbox(name.as_deref(), address.as_deref())));
        }
    }
    Ok(None)
}

/// `Name <address>`; an address that is not of the Internet becomes part of the name.
pub(super) fn mailbox(name: Option<&str>, address: Option<&str>) -> String {
    let one_line = |text: &str| text.replace(['\r', '\n'], " ").trim().to_owned();
    let address = address.map(one_line);
    let smtp = address.as_deref().filter(|a| {
        a.contains('@')
            && a.chars()
                .all(|c| c.is_ascii_graphic() && !"<>,;".contains(c))
    });
    let name = name.map(one_line).filter(|name| !name.is_empty());
    let name = name.or_else(|| address.clone().filter(|_| smtp.is_none()));
    match (name, smtp) {
        (Some(name), Some(smtp)) if name == smtp => smtp.to_owned(),
        (Some(name), Some(smtp)) => format!("{} <{smtp}>", phrase(&name)),
        (None, Some(smtp)) => smtp.to_owned(),
        // RFC 6854: a group without members names somebody without an address.
        (Some(name), None) => format!("{}:;", phrase(&name)),
        (None, None) => "undisclosed-recipients:;".to_owned(),
    }
}

fn phrase(name: &str) -> String {
    if !name.is_ascii() {
        return encoded_word(name);
    }
    let escaped = name.replace('\\', "\\\\").replace('"', "\\\"");
    let visible: String = escaped.chars().filter(|c| !c.is_control()).collect();
    format!("\"{visible}\"")
}

fn recipients<F: ReadAt>(ndb: &Ndb<F>, bag: &Bag<'_, F>, page: u32) -> io::Result<[String; 3]> {
    let mut lists = [Vec::new(), Vec::new(), Vec::new()];
    if let Some(table) = bag.subnodes().of_kind(0x12) {
        let table = Table::open(ndb, table)?;
        let mut rows = table.row_ids()?;
        rows.sort_unstable_by_key(|(_, place)| *place);
        for (_, place) in rows {
            let row = table.row(place)?;
            let cell = |id| -> io::Result<Option<String>> {
                let text = table.text(&row, id)?;
                let text = text.map(|(kind, bytes)| decode_text(kind, &bytes, page));
                Ok(text.filter(|text| !text.is_empty()))
            };
            let smtp = cell(0x39FE)?;
            let address = if smtp.is_some() { smtp } else { cell(0x3003)? };
            let list = match table.number(&row, 0x0C15) {
                Some(2) => 1,
                Some(3) => 2,
                _ => 0,
            };
            lists[list].push(mailbox(cell(0x3001)?.as_deref(), address.as_deref()));
        }
    }
    Ok(lists.map(|list| list.join(",\r\n ")))
}
