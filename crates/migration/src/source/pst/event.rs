//! An appointment or a task of a PST as iCalendar (RFC 5545).

use std::io;

use super::ltp::{Bag, Id};
use super::ndb::ReadAt;
use super::recurrence;
use super::series::Writer;
use super::store::{Names, Set, code_page, text};
use super::text::put;
use super::time;
use crate::collection::Object;
use crate::raw;

const HEAD: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Melouvert//PST//FR\r\n";

/// A value of type TEXT.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.trim_end().replace("\r\n", "\n").chars() {
        match character {
            '\\' | ';' | ',' => {
                out.push('\\');
                out.push(character);
            }
            '\n' | '\r' => out.push_str("\\n"),
            '\t' => out.push(character),
            character if character.is_control() => {}
            character => out.push(character),
        }
    }
    out
}

/// A content line, folded to 75 bytes, with its line end.
pub(super) fn fold(line: &str) -> String {
    let mut out = String::with_capacity(line.len() + line.len() / 30);
    let mut length = 0;
    for character in line.chars() {
        if length + character.len_utf8() > 75 {
            out.push_str("\r\n ");
            length = 1;
        }
        out.push(character);
        length += character.len_utf8();
    }
    out.push_str("\r\n");
    out
}

/// One item and the numbers of its named properties.
struct Reader<'a, 'b, F> {
    bag: &'a Bag<'b, F>,
    names: &'a Names,
    page: u32,
}

impl<F: ReadAt> Reader<'_, '_, F> {
    fn id(&self, set: Set, number: u32) -> Option<Id> {
        self.names.get(&(set, number)).copied()
    }

    fn time(&self, set: Set, number: u32) -> io::Result<Option<u64>> {
        match self.id(set, number) {
            Some(id) => self.bag.filetime(id),
            None => Ok(None),
        }
    }

    fn number(&self, set: Set, number: u32) -> Option<u32> {
        self.bag.number(self.id(set, number)?)
    }

    fn text(&self, set: Set, number: u32) -> io::Result<Option<String>> {
        match self.id(set, number) {
            Some(id) => text(self.bag, id, self.page),
            None => Ok(None),
        }
    }

    fn binary(&self, set: Set, number: u32) -> io::Result<Option<Vec<u8>>> {
        match self.id(set, number) {
            Some(id) => self.bag.binary(id),
            None => Ok(None),
        }
    }

    /// A meeting's own number, which all its copies share; else the item's.
    fn uid(&self) -> io::Result<String> {
        for number in [0x23, 0x03] {
            if let Some(id) = self
                .binary(Set::Meeting, number)?
                .filter(|id| !id.is_empty())
            {
                return Ok(hex::encode_upper(id));
            }
        }
        super::contact::uid(self.bag, self.page)
    }

    /// Lines that events and tasks share.
    fn common(&self, uid: &str) -> io::Result<String> {
        let mut out = fold(&format!("UID:{uid}"));
        let stamp = match self.bag.filetime(0x3008)? {
            Some(time) => Some(time),
            None => self.bag.filetime(0x3007)?,
        };
        out.push_str(&fold(&format!("DTSTAMP:{}", time::utc(stamp.unwrap_or(0)))));
        if let Some(made) = self.bag.filetime(0x3007)? {
            out.push_str(&fold(&format!("CREATED:{}", time::utc(made))));
        }
        let subject = text(self.bag, 0x0037, self.page)?.unwrap_or_default();
        let subject = super::headers::plain_subject(&subject);
        out.push_str(&fold(&format!("SUMMARY:{}", escape(&subject))));
        if let Some(body) = text(self.bag, 0x1000, self.page)? {
            out.push_str(&fold(&format!("DESCRIPTION:{}", escape(&body))));
        }
        match self.bag.number(0x0017) {
            Some(2) => out.push_str("PRIORITY:1\r\n"),
            Some(0) => out.push_str("PRIORITY:9\r\n"),
            _ => {}
        }
        match self.bag.number(0x0036) {
            Some(1 | 2) => out.push_str("CLASS:PRIVATE\r\n"),
            Some(3) => out.push_str("CLASS:CONFIDENTIAL\r\n"),
            _ => {}
        }
        Ok(out)
    }
}

/// Writes an appointment. The second value says what could not be told, if anything.
pub(super) fn appointment<F: ReadAt>(
    bag: &Bag<'_, F>,
    names: &Names,
) -> io::Result<(Object, Option<String>)> {
    let page = code_page(bag);
    let reader = Reader { bag, names, page };
    let uid = reader.uid()?;
    let start = match reader.time(Set::Appointment, 0x820D)? {
        Some(start) => Some(start),
        None => bag.filetime(0x0060)?,
    };
    let Some(start) = start else {
        return Err(super::ndb::damaged("the appointment has no beginning"));
    };
    let end = reader
        .time(Set::Appointment, 0x820E)?
        .unwrap_or(start)
        .max(start);
    let all_day = reader.number(Set::Appointment, 0x8215) == Some(1);
    let mut common = reader.common(&uid)?;
    if let Some(place) = reader.text(Set::Appointment, 0x8208)? {
        common.push_str(&fold(&format!("LOCATION:{}", escape(&place))));
    }
    let busy = reader.number(Set::Appointment, 0x8205);
    common.push_str(if busy == Some(0) {
        "TRANSP:TRANSPARENT\r\n"
    } else {
        "TRANSP:OPAQUE\r\n"
    });
    let recurs = reader.number(Set::Appointment, 0x8223) == Some(1);
    let pattern = reader.binary(Set::Appointment, 0x8216)?.filter(|_| recurs);
    let zone = reader.binary(Set::Appointment, 0x8233)?;
    let zone = zone.and_then(|zone| recurrence::zone(&zone));
    let mut out = String::from(HEAD);
    let mut untold = None;
    match pattern.as_deref().map(recurrence::read) {
        Some(Some(series)) => {
            Writer::new(zone.as_ref(), all_day, &common).series(&series, &mut out);
        }
        rule => {
            let lost = "only the first occurrence is kept: its rule has no iCalendar form";
            untold = rule.map(|_| lost.to_owned());
            once((start, end), all_day, &common, &mut out);
        }
    }
    out.push_str("END:VCALENDAR\r\n");
    let uid = Some(uid);
    Ok((
        Object {
            uid,
            text: raw::text(out.as_bytes()),
        },
        untold,
    ))
}

/// One event, at one time.
fn once((start, end): (u64, u64), all_day: bool, common: &str, out: &mut String) {
    out.push_str("BEGIN:VEVENT\r\n");
    out.push_str(common);
    let (parameter, written): (_, fn(u64) -> String) = if all_day {
        (";VALUE=DATE", time::day)
    } else {
        ("", time::utc)
    };
    for (name, at) in [("DTSTART", start), ("DTEND", end)] {
        put(out, format_args!("{name}{parameter}:{}\r\n", written(at)));
    }
    out.push_str("END:VEVENT\r\n");
}

/// Writes a task. The second value says what could not be told, if anything.
pub(super) fn task<F: ReadAt>(
    bag: &Bag<'_, F>,
    names: &Names,
) -> io::Result<(Object, Option<String>)> {
    let page = code_page(bag);
    let reader = Reader { bag, names, page };
    let uid = reader.uid()?;
    let mut out = String::from(HEAD);
    out.push_str("BEGIN:VTODO\r\n");
    out.push_str(&reader.common(&uid)?);
    if let Some(start) = reader.time(Set::Task, 0x8104)? {
        put(
            &mut out,
            format_args!("DTSTART;VALUE=DATE:{}\r\n", time::day(start)),
        );
    }
    if let Some(due) = reader.time(Set::Task, 0x8105)? {
        put(
            &mut out,
            format_args!("DUE;VALUE=DATE:{}\r\n", time::day(due)),
        );
    }
    let done = reader.number(Set::Task, 0x811C) == Some(1);
    let status = match reader.number(Set::Task, 0x8101) {
        _ if done => "COMPLETED",
        Some(1) => "IN-PROCESS",
        Some(2) => "COMPLETED",
        Some(4) => "CANCELLED",
        _ => "NEEDS-ACTION",
    };
    put(&mut out, format_args!("STATUS:{status}\r\n"));
    if let Some(when) = reader.time(Set::Task, 0x810F)?.filter(|_| done) {
        put(&mut out, format_args!("COMPLETED:{}\r\n", time::utc(when)));
    }
    if let Some(id) = reader.id(Set::Task, 0x8102)
        && let Some(part) = bag.real(id)?.filter(|part| (0.0..=1.0).contains(part))
    {
        put(
            &mut out,
            format_args!("PERCENT-COMPLETE:{:.0}\r\n", part * 100.0),
        );
    }
    out.push_str("END:VTODO\r\nEND:VCALENDAR\r\n");
    let recurs = reader.number(Set::Task, 0x8126) == Some(1);
    let untold = recurs.then(|| "only the present occurrence of this task is kept".to_owned());
    let uid = Some(uid);
    Ok((
        Object {
            uid,
            text: raw::text(out.as_bytes()),
        },
        untold,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fold_between_characters() {
        let folded = fold(&format!("NOTE:{}", "é".repeat(100)));
        assert!(folded.split("\r\n").all(|line| line.len() <= 75));
        assert_eq!(
            folded.replace("\r\n ", "").trim_end(),
            format!("NOTE:{}", "é".repeat(100))
        );
        assert_eq!(escape("a,b;c\\d\r\ne\u{7}"), "a\\,b\\;c\\\\d\\ne");
    }
}
