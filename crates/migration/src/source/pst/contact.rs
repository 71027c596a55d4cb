//! A contact of a PST as vCard 4.0 (RFC 6350).

use std::io;

use super::event::{escape, fold};
use super::ltp::{Bag, Id};
use super::ndb::ReadAt;
use super::store::{Names, Set, code_page, text};
use super::time;
use crate::collection::Object;
use crate::raw;

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

/// E-mail addresses, in the address set.
const EMAILS: [u32; 3] = [0x8083, 0x8093, 0x80A3];
/// The address at work, in the address set: street, town, region, code, country.
const WORK: [u32; 5] = [0x8045, 0x8046, 0x8047, 0x8048, 0x8049];

/// A card being written from a contact's properties.
struct Card<'a, F> {
    bag: &'a Bag<'a, F>,
    names: &'a Names,
    page: u32,
    text: String,
}

/// Writes a contact, or a list of contacts without its members.
pub(super) fn write<F: ReadAt>(
    bag: &Bag<'_, F>,
    names: &Names,
    is_list: bool,
) -> io::Result<Object> {
    let page = code_page(bag);
    let uid = uid(bag, page)?;
    let mut card = Card {
        bag,
        names,
        page,
        text: String::from("BEGIN:VCARD\r\nVERSION:4.0\r\n"),
    };
    card.line("UID", &uid);
    if is_list {
        card.line("KIND", "group");
    }
    card.who()?;
    card.reach()?;
    card.places()?;
    card.rest()?;
    card.text.push_str("END:VCARD\r\n");
    Ok(Object {
        uid: Some(uid),
        text: raw::text(card.text.as_bytes()),
    })
}

impl<F: ReadAt> Card<'_, F> {
    fn get(&self, id: Id) -> io::Result<Option<String>> {
        text(self.bag, id, self.page)
    }

    /// A property, escaped; empty when absent.
    fn escaped(&self, id: Id) -> io::Result<String> {
        Ok(escape(&self.get(id)?.unwrap_or_default()))
    }

    /// A property of the address set.
    fn of_address(&self, number: u32) -> io::Result<Option<String>> {
        match self.names.get(&(Set::Address, number)) {
            Some(id) => self.get(*id),
            None => Ok(None),
        }
    }

    /// Adds a line unless it would say nothing.
    fn line(&mut self, head: &str, value: &str) {
        if !value.trim_matches([';', ' ']).is_empty() {
            self.text.push_str(&fold(&format!("{head}:{value}")));
        }
    }

    /// Names, and the place in an organisation.
    fn who(&mut self) -> io::Result<()> {
        let shown = match (self.get(0x3001)?, self.get(0x3A16)?, self.get(0x0037)?) {
            (Some(name), ..) | (None, Some(name), _) => name,
            (None, None, Some(subject)) => super::headers::plain_subject(&subject),
            (None, None, None) => "(sans nom)".to_owned(),
        };
        self.line("FN", &escape(&shown));
        let mut parts = Vec::new();
        for id in [0x3A11, 0x3A06, 0x3A44, 0x3A45, 0x3A05] {
            parts.push(self.escaped(id)?);
        }
        self.line("N", &parts.join(";"));
        self.line("NICKNAME", &self.escaped(0x3A4F)?);
        let organisation = [self.escaped(0x3A16)?, self.escaped(0x3A18)?];
        self.line("ORG", &organisation.join(";"));
        self.line("TITLE", &self.escaped(0x3A17)?);
        Ok(())
    }

    /// E-mail addresses and telephones.
    fn reach(&mut self) -> io::Result<()> {
        for number in EMAILS {
            // An address in the directory of an Exchange server tells nothing elsewhere.
            let address = self.of_address(number)?.filter(|a| a.contains('@'));
            self.line("EMAIL", &escape(&address.unwrap_or_default()));
        }
        for (id, kind) in PHONES {
            let number = self.escaped(id)?;
            self.line(&format!("TEL;TYPE=\"{kind}\""), &number);
        }
        Ok(())
    }

    /// Postal addresses.
    fn places(&mut self) -> io::Result<()> {
        let mut work = Vec::new();
        for number in WORK {
            work.push(escape(&self.of_address(number)?.unwrap_or_default()));
        }
        self.line("ADR;TYPE=work", &format!(";;{}", work.join(";")));
        for (ids, kind) in PLACES {
            let mut fields = Vec::new();
            for id in ids {
                fields.push(self.escaped(id)?);
            }
            let place = format!(";;{}", fields.join(";"));
            self.line(&format!("ADR;TYPE={kind}"), &place);
        }
        Ok(())
    }

    fn rest(&mut self) -> io::Result<()> {
        let url = self.get(0x3A51)?.unwrap_or_default();
        self.line("URL", &url.replace(['\r', '\n'], ""));
        let day = |time| self.bag.filetime(time);
        let (birthday, revised) = (day(0x3A42)?.map(time::day), day(0x3008)?.map(time::utc));
        self.line("BDAY", &birthday.unwrap_or_default());
        self.line("NOTE", &self.escaped(0x1000)?);
        self.line("REV", &revised.unwrap_or_default());
        Ok(())
    }
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
