//! A contact of a PST as vCard 4.0 (RFC 6350).

use std::io;

use super::event::{escape, fold};
use super::ltp::{Bag, Id};
use super::ndb::ReadAt;
use super::store::{Names, Set, code_page, text};
use super::time;
use crate::collection::Object;

/// Telephones: property, TYPE.
const PHONES: [(Id, &str); 10] = [
    (0x3A08, "work,voice"),
    (0x3A1B, "work,voice"),
    (0x3A09, "home,voice"),
    (0x3A2F, "home,voice"),
    (0x3A1C, "cell"),
    (0x3A24, "work,fax"),
    (0x3A25, "home,fax"),
    (0x3A23, "fax"),
    (0x3A21, "pager"),
    (0x3A1F, "voice"),
];

/// Addresses in properties of their own: street, town, region, code, country.
const PLACES: [([Id; 5], &str); 2] = [
    ([0x3A5D, 0x3A59, 0x3A5C, 0x3A5B, 0x3A5A], "home"),
    ([0x3A63, 0x3A5F, 0x3A62, 0x3A61, 0x3A60], "other"),
];

/// Writes a contact, or a list of contacts without its members.
pub(super) fn write<F: ReadAt>(
    bag: &Bag<'_, F>,
    names: &Names,
    is_list: bool,
) -> io::Result<Object> {
    let page = code_page(bag);
    let get = |id: Id| text(bag, id, page);
    let of_set = |set, number| match names.get(&(set, number)) {
        Some(id) => text(bag, *id, page),
        None => Ok(None),
    };
    let uid = uid(bag, page)?;
    let mut card = String::from("BEGIN:VCARD\r\nVERSION:4.0\r\n");
    let mut line = |head: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.trim_matches([';', ' ']).is_empty()) {
            card.push_str(&fold(&format!("{head}:{value}")));
        }
    };
    line("UID", Some(uid.clone()));
    if is_list {
        line("KIND", Some("group".to_owned()));
    }
    let name_parts = [0x3A11, 0x3A06, 0x3A44, 0x3A45, 0x3A05].map(get);
    let mut structured = Vec::new();
    for part in name_parts {
        structured.push(escape(&part?.unwrap_or_default()));
    }
    let shown = match (get(0x3001)?, get(0x3A16)?, get(0x0037)?) {
        (Some(name), ..) | (None, Some(name), _) => name,
        (None, None, Some(subject)) => super::headers::plain_subject(&subject),
        (None, None, None) => "(sans nom)".to_owned(),
    };
    line("FN", Some(escape(&shown)));
    line("N", Some(structured.join(";")));
    line("NICKNAME", get(0x3A4F)?.map(|name| escape(&name)));
    let company = get(0x3A16)?.unwrap_or_default();
    let department = get(0x3A18)?.unwrap_or_default();
    line(
        "ORG",
        Some(format!("{};{}", escape(&company), escape(&department))),
    );
    line("TITLE", get(0x3A17)?.map(|title| escape(&title)));
    for number in [0x8083, 0x8093, 0x80A3] {
        let address = of_set(Set::Address, number)?;
        // An address in the directory of an Exchange server tells nothing elsewhere.
        line(
            "EMAIL",
            address.filter(|a| a.contains('@')).map(|a| escape(&a)),
        );
    }
    for (id, kind) in PHONES {
        line(
            &format!("TEL;TYPE=\"{kind}\""),
            get(id)?.map(|number| escape(&number)),
        );
    }
    let mut place = |kind: &str, parts: [io::Result<Option<String>>; 5]| -> io::Result<()> {
        let mut fields = vec![String::new(), String::new()];
        for part in parts {
            fields.push(escape(&part?.unwrap_or_default()));
        }
        line(&format!("ADR;TYPE={kind}"), Some(fields.join(";")));
        Ok(())
    };
    place(
        "work",
        [0x8045, 0x8046, 0x8047, 0x8048, 0x8049].map(|n| of_set(Set::Address, n)),
    )?;
    for (ids, kind) in PLACES {
        place(kind, ids.map(get))?;
    }
    line("URL", get(0x3A51)?.map(|url| url.replace(['\r', '\n'], "")));
    line("BDAY", bag.filetime(0x3A42)?.map(time::day));
    line("NOTE", get(0x1000)?.map(|note| escape(&note)));
    line("REV", bag.filetime(0x3008)?.map(time::utc));
    card.push_str("END:VCARD\r\n");
    Ok(Object {
        uid: Some(uid),
        text: card,
    })
}

/// The key that Outlook gives an item and its copies.
pub(super) fn uid<F: ReadAt>(bag: &Bag<'_, F>, page: u32) -> io::Result<String> {
    if let Some(key) = bag.binary(0x300B)?.filter(|key| !key.is_empty()) {
        return Ok(format!("pst-{}", hex::encode(&key[..key.len().min(32)])));
    }
    let mut hasher = blake3::Hasher::new();
    for id in [0x0037, 0x3001, 0x1000] {
        hasher.update(text(bag, id, page)?.unwrap_or_default().as_bytes());
        hasher.update(&[0]);
    }
    Ok(format!("pst-{}", &hasher.finalize().to_hex()[..32]))
}
