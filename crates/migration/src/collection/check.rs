//! Splits an iCalendar or vCard text into objects and says what is wrong with those that are not
//! well-formed (RFC 5545 3.6, RFC 6350 6). An object's bytes are those of the text.

use std::collections::BTreeMap;
use std::ops::Range;

use super::Kind;
use super::lines::{Component, Malformed, components};

/// One calendar entry (with the changed occurrences of the same UID) or one contact.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Object {
    /// Its UID; for a contact without one, none.
    pub uid: Option<String>,
    /// Its bytes as a file of its own; those that are not UTF-8 as [`crate::raw`] carries them.
    pub text: String,
}

/// Something that is not well-formed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bad {
    /// Its bytes in the text.
    pub bytes: Range<usize>,
    /// Its UID, when it has one.
    pub uid: Option<String>,
    /// What is wrong.
    pub why: Malformed,
}

/// What a text holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Split {
    /// Well-formed objects.
    pub objects: Vec<Object>,
    /// The others.
    pub bad: Vec<Bad>,
}

/// Splits a text; bytes that are not UTF-8 are as [`crate::raw`] carries them.
pub fn split(kind: Kind, text: &str) -> Split {
    let mut split = Split::default();
    let tops = components(text);
    if tops.is_empty() {
        split.fail(0..text.len(), None, Malformed::Empty);
    }
    for top in tops {
        match top {
            Err((bytes, why)) => split.fail(bytes, None, why),
            Ok(component) => match (kind, component.name.as_str()) {
                (Kind::Calendar, "VCALENDAR") => split.calendar(text, &component),
                (Kind::Contacts, "VCARD") => split.card(text, &component),
                (_, other) => {
                    let wanted = if kind == Kind::Calendar {
                        "VCALENDAR"
                    } else {
                        "VCARD"
                    };
                    let why = Malformed::Value("BEGIN", other.to_owned(), wanted);
                    split.fail(component.bytes, None, why);
                }
            },
        }
    }
    split
}

impl Split {
    fn fail(&mut self, bytes: Range<usize>, uid: Option<String>, why: Malformed) {
        self.bad.push(Bad { bytes, uid, why });
    }

    fn card(&mut self, text: &str, card: &Component) {
        let uid = card.values("UID").next().map(str::to_owned);
        match check_card(card) {
            Ok(()) => self.objects.push(Object {
                uid,
                text: text[card.bytes.clone()].to_owned(),
            }),
            Err(why) => self.fail(card.bytes.clone(), uid, why),
        }
    }

    fn calendar(&mut self, text: &str, calendar: &Component) {
        if let Err(why) = check_calendar(calendar) {
            self.fail(calendar.bytes.clone(), None, why);
            return;
        }
        if let Some(why) = &calendar.unreadable {
            // A line of the calendar itself: its entries are none the worse.
            self.fail(calendar.bytes.clone(), None, why.clone());
        }
        let methods = calendar.values("METHOD");
        let scheduling = methods.into_iter().any(|method| !method.trim().is_empty());
        let mut groups: BTreeMap<&str, Vec<&Component>> = BTreeMap::new();
        let mut order = Vec::new();
        for component in &calendar.inside {
            match component.name.as_str() {
                "VTIMEZONE" => {
                    let count = component.values("TZID").count();
                    if count > 1 {
                        let why = Malformed::Count("TZID", component.name.clone(), count);
                        self.fail(component.bytes.clone(), None, why);
                    }
                }
                // To be ignored (RFC 5545 3.6); the file itself is kept.
                other if other.starts_with("X-") => {}
                "VEVENT" | "VTODO" | "VJOURNAL" | "VFREEBUSY" => {
                    match check_entry(component, scheduling) {
                        Ok(uid) => {
                            let group = groups.entry(uid).or_default();
                            if group.is_empty() {
                                order.push(uid);
                            }
                            group.push(component);
                        }
                        Err(why) => {
                            let uid = component.values("UID").next().map(str::to_owned);
                            self.fail(component.bytes.clone(), uid, why);
                        }
                    }
                }
                other => {
                    let why =
                        Malformed::Value("BEGIN", other.to_owned(), "VEVENT, VTODO or VJOURNAL");
                    self.fail(component.bytes.clone(), None, why);
                }
            }
        }
        for uid in order {
            self.objects.push(Object {
                uid: Some(uid.to_owned()),
                text: alone(text, calendar, &groups[uid]),
            });
        }
    }
}

/// A calendar of one UID: the calendar's own lines, its time zones, the entries.
fn alone(text: &str, calendar: &Component, entries: &[&Component]) -> String {
    let raw = &text[calendar.bytes.clone()];
    let line_end = if raw.contains("\r\n") { "\r\n" } else { "\n" };
    let mut out = format!("BEGIN:VCALENDAR{line_end}");
    for span in &calendar.spans {
        out.push_str(&text[span.clone()]);
    }
    let zones = calendar
        .inside
        .iter()
        .filter(|inside| inside.name == "VTIMEZONE");
    for component in zones.chain(entries.iter().copied()) {
        out.push_str(&text[component.bytes.clone()]);
    }
    out.push_str("END:VCALENDAR");
    out.push_str(line_end);
    out
}

fn check_calendar(calendar: &Component) -> Result<(), Malformed> {
    let version = calendar.one("VERSION")?.trim();
    if version != "2.0" {
        return Err(Malformed::Value("VERSION", version.to_owned(), "2.0"));
    }
    match calendar.values("PRODID").count() {
        1 => Ok(()),
        count => Err(Malformed::Count("PRODID", calendar.name.clone(), count)),
    }
}

/// `scheduling`: the calendar tells a METHOD, which may speak of an entry without its time.
fn check_entry(entry: &Component, scheduling: bool) -> Result<&str, Malformed> {
    if let Some(why) = unreadable(entry) {
        return Err(why.clone());
    }
    let uid = entry.one("UID")?;
    for name in [
        "DTSTART",
        "DTSTAMP",
        "DTEND",
        "DUE",
        "RECURRENCE-ID",
        "COMPLETED",
    ] {
        let mut values = entry.values(name);
        if let Some(value) = values.next() {
            if values.next().is_some() {
                let count = entry.values(name).count();
                return Err(Malformed::Count(name, entry.name.clone(), count));
            }
            if !is_time(value.trim()) {
                return Err(Malformed::Value(
                    name,
                    value.to_owned(),
                    "a date or a date and time",
                ));
            }
        } else if name == "DTSTART" && entry.name == "VEVENT" && !scheduling {
            return Err(Malformed::Count(name, entry.name.clone(), 0));
        }
    }
    Ok(uid)
}

/// The first line of a component, or of one inside it, that is not UTF-8.
fn unreadable(component: &Component) -> Option<&Malformed> {
    let inside = || component.inside.iter().find_map(unreadable);
    component.unreadable.as_ref().or_else(inside)
}

/// `20261124` or `20261124T200000`, with `Z` or without.
fn is_time(value: &str) -> bool {
    let value = value.strip_suffix('Z').unwrap_or(value);
    let (date, time) = value.split_once('T').unwrap_or((value, "000000"));
    let digits =
        |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(date, 8) || !digits(time, 6) {
        return false;
    }
    let number = |text: &str| text.parse::<i16>().unwrap_or(-1);
    let small = |text: &str| text.parse::<i8>().unwrap_or(-1);
    let second = small(&time[4..]);
    // RFC 5545 knows leap seconds.
    jiff::civil::Date::new(number(&date[..4]), small(&date[4..6]), small(&date[6..])).is_ok()
        && jiff::civil::Time::new(small(&time[..2]), small(&time[2..4]), second.min(59), 0).is_ok()
        && second <= 60
}

fn check_card(card: &Component) -> Result<(), Malformed> {
    let version = card.one("VERSION")?.trim().to_owned();
    let name_needed = match version.as_str() {
        "4.0" | "3.0" => "FN",
        "2.1" => "N",
        _ => return Err(Malformed::Value("VERSION", version, "2.1, 3.0 or 4.0")),
    };
    // Old cards are in whatever alphabet their program used, told or not.
    if let Some(why) = unreadable(card).filter(|_| version != "2.1") {
        return Err(why.clone());
    }
    let told = |name| card.values(name).any(|value| !value.trim().is_empty());
    // A contact without a name, of a firm say, has an empty one.
    let empty = card.values(name_needed).next().is_some();
    let known_by = ["FN", "ORG", "NICKNAME", "EMAIL", "TEL"];
    if !(told(name_needed) || empty && known_by.into_iter().any(told)) {
        return Err(Malformed::Count(name_needed, card.name.clone(), 0));
    }
    if card.values("UID").count() > 1 {
        return Err(Malformed::Count(
            "UID",
            card.name.clone(),
            card.values("UID").count(),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y\r\n";

    fn calendar(inside: &str) -> Split {
        split(Kind::Calendar, &format!("{HEAD}{inside}END:VCALENDAR\r\n"))
    }

    #[test]
    fn entries_of_one_uid_stay_together_with_their_zones() {
        let zone = "BEGIN:VTIMEZONE\r\nTZID:Europe/Paris\r\nEND:VTIMEZONE\r\n";
        let event = |uid: &str, more: &str| {
            format!(
                "BEGIN:VEVENT\r\nUID:{uid}\r\nDTSTART;TZID=Europe/Paris:20261124T200000\r\n{more}END:VEVENT\r\n"
            )
        };
        let (a, b) = (event("a", ""), event("b", ""));
        let changed = event("a", "RECURRENCE-ID:20261201T200000\r\n");
        let found = calendar(&format!("{zone}{a}{b}{changed}"));
        assert_eq!(found.bad, []);
        assert_eq!(found.objects.len(), 2);
        assert_eq!(
            found.objects[0].text,
            format!("{HEAD}{zone}{a}{changed}END:VCALENDAR\r\n")
        );
        assert_eq!(
            found.objects[1].text,
            format!("{HEAD}{zone}{b}END:VCALENDAR\r\n")
        );
        // What was split is well-formed again, and splits into itself.
        assert_eq!(
            split(Kind::Calendar, &found.objects[0].text).objects,
            found.objects[..1]
        );
    }

    #[test]
    fn says_what_is_wrong() {
        for (inside, why) in [
            (
                "BEGIN:VEVENT\r\nDTSTART:20261124\r\nEND:VEVENT\r\n",
                "UID must stand once in VEVENT, and stands 0 times",
            ),
            (
                "BEGIN:VEVENT\r\nUID:a\r\nEND:VEVENT\r\n",
                "DTSTART must stand once in VEVENT, and stands 0 times",
            ),
            (
                "BEGIN:VEVENT\r\nUID:a\r\nDTSTART:20261324\r\nEND:VEVENT\r\n",
                "DTSTART is \"20261324\"; a date or a date and time was expected",
            ),
            (
                "BEGIN:VTODO\r\nUID:a\r\nUID:b\r\nEND:VTODO\r\n",
                "UID must stand once in VTODO, and stands 2 times",
            ),
        ] {
            let found = calendar(inside);
            assert_eq!(found.objects, [], "{inside}");
            assert_eq!(found.bad[0].why.to_string(), why);
        }
        let found = split(
            Kind::Calendar,
            "BEGIN:VCALENDAR\nVERSION:1.0\nEND:VCALENDAR\n",
        );
        assert_eq!(
            found.bad[0].why.to_string(),
            "VERSION is \"1.0\"; 2.0 was expected"
        );
        assert_eq!(split(Kind::Calendar, "").bad[0].why, Malformed::Empty);
    }

    #[test]
    fn calendars_are_judged_as_their_programs_write_them() {
        let event = |lines: &str| format!("BEGIN:VEVENT\r\nUID:a\r\n{lines}END:VEVENT\r\n");
        let timed = event("DTSTART;TZID=\"Romance Standard Time\":20240722T080000\r\n");
        let zone = |tzid: &str| format!("BEGIN:VTIMEZONE\r\n{tzid}END:VTIMEZONE\r\n");
        let (cancel, reply) = (
            event("DTSTAMP:20240722T080000Z\r\n"),
            event("SUMMARY:x\r\n"),
        );
        for inside in [
            format!("METHOD:CANCEL\r\n{cancel}"),
            format!("METHOD:REPLY\r\n{reply}"),
            format!("BEGIN:X-ROOM\r\nX-A:b\r\nEND:X-ROOM\r\n{timed}"),
            format!("{}{timed}", zone("TZID:\r\n")),
            format!("{}{timed}", zone("")),
            event("DTSTART;TZID=:20240722T080000\r\nX_OLD:1\r\n"),
            event("DTSTART:20240722\r\nSUMMARY;CHARSET=ISO-8859-1:\u{10FFE9}t\u{10FFE9}\r\n"),
        ] {
            let found = calendar(&inside);
            assert_eq!(found.bad, [], "{inside}");
            assert_eq!(found.objects.len(), 1, "{inside}");
        }
        // One line that is not UTF-8 is told, and its entry alone is left.
        let latin = event("DTSTART:20240722\r\nSUMMARY:\u{10FFE9}\r\n");
        let found = calendar(&format!("{timed}{}", latin.replace("UID:a", "UID:b")));
        assert_eq!((found.objects.len(), found.bad.len()), (1, 1));
        let why = found.bad[0].why.to_string();
        assert!(why.starts_with("line 11, SUMMARY, is not UTF-8"), "{why}");
        // Without a METHOD an entry has its time.
        assert_eq!(calendar(&event("")).bad.len(), 1);
    }

    #[test]
    fn old_cards_and_nameless_ones_are_kept() {
        let outlook = "BEGIN:VCARD\r\nVERSION:2.1\r\nN;CHARSET=Windows-1252:Lef\u{10FFE8}vre\r\n\
             ORG:Mairie d'H\u{10FFE9}rouville\r\nNOTE;ENCODING=QUOTED-PRINTABLE:ligne=0D=0A=\r\n\
             suite: =E9\r\n\r\nEND:VCARD\r\n";
        let firm = "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:\r\nN:;;;;\r\nORG:Mairie\r\nEND:VCARD\r\n";
        let found = split(Kind::Contacts, &format!("{outlook}{firm}"));
        assert_eq!(found.bad, []);
        let texts: Vec<&str> = found.objects.iter().map(|one| one.text.as_str()).collect();
        assert_eq!(texts, [outlook, firm]);
        // A newer card is UTF-8, and an empty one is nobody.
        for bad in [
            outlook.replace("2.1", "3.0").replace("N;", "FN:x\r\nN;"),
            firm.replace("ORG:Mairie", "ORG:"),
        ] {
            assert_eq!(split(Kind::Contacts, &bad).bad.len(), 1, "{bad}");
        }
    }

    #[test]
    fn contacts_of_each_version() {
        let card = |lines: &str| format!("BEGIN:VCARD\nVERSION:{lines}\nEND:VCARD\n");
        let text = [
            card("4.0\nFN:Zoé"),
            card("2.1\nN:Durand;Zoé"),
            card("3.0\nN:x"),
            card("9\nFN:x"),
        ]
        .concat();
        let found = split(Kind::Contacts, &text);
        assert_eq!((found.objects.len(), found.bad.len()), (2, 2));
        assert_eq!(found.objects[0].text, card("4.0\nFN:Zoé"));
    }
}
