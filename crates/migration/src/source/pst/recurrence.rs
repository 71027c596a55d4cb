//! Series of appointments ([MS-OXOCAL] 2.2.1.44) and their time zone (2.2.1.39).

use super::ndb::{u16_at, u32_at};
use super::text::put;

/// Minutes from 1601 to 1970.
const EPOCH: i64 = 194_074_560;
const DAY: u32 = 1440;
const WEEKDAYS: [&str; 7] = ["SU", "MO", "TU", "WE", "TH", "FR", "SA"];
/// Deleted or changed occurrences that are believed.
const MOST: u32 = 20_000;

/// One changed occurrence; times are local minutes since 1601.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Changed {
    pub(super) original: u32,
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) subject: Option<String>,
    pub(super) place: Option<String>,
}

/// A series; times are local minutes since 1601.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Series {
    pub(super) start: u32,
    pub(super) end: u32,
    /// The value of RRULE, without its end.
    pub(super) rule: String,
    /// The beginning of the last occurrence, when that is how the series ends.
    pub(super) last: Option<u32>,
    pub(super) gone: Vec<u32>,
    pub(super) changed: Vec<Changed>,
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn short(&mut self) -> Option<u16> {
        self.at += 2;
        u16_at(self.bytes, self.at - 2)
    }

    fn long(&mut self) -> Option<u32> {
        self.at += 4;
        u32_at(self.bytes, self.at - 4)
    }

    fn list(&mut self) -> Option<Vec<u32>> {
        let count = self.long().filter(|count| *count <= MOST)?;
        (0..count).map(|_| self.long()).collect()
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::from(self.short()?.max(1) - 1);
        let stored = usize::from(self.short()?);
        let bytes = self.bytes.get(self.at..self.at.checked_add(stored)?)?;
        self.at += stored;
        Some(super::store::decode_text(
            0x1E,
            &bytes[..stored.min(length.max(stored))],
            1252,
        ))
    }
}

/// Reads a series; none when its rule has no iCalendar form.
pub(super) fn read(bytes: &[u8]) -> Option<Series> {
    let mut reader = Reader { bytes, at: 4 };
    let frequency = reader.short()?;
    let pattern = reader.short()?;
    // Only the Gregorian calendar has a form in RFC 5545.
    if !matches!(reader.short()?, 0 | 1) {
        return None;
    }
    reader.long()?;
    let period = reader.long()?.max(1);
    reader.long()?;
    let mut rule = rule(&mut reader, frequency, pattern, period)?;
    let end_kind = reader.long()?;
    let count = reader.long()?;
    reader.long()?;
    let deleted = reader.list()?;
    let modified = reader.list()?;
    let start_day = reader.long()?;
    let end_day = reader.long()?;
    reader.long()?;
    reader.long()?;
    let start_offset = reader.long()?;
    let end_offset = reader.long()?;
    let mut last = None;
    match end_kind {
        0x2021 => last = Some(end_day.checked_add(start_offset)?),
        0x2022 => put(&mut rule, format_args!(";COUNT={count}")),
        _ => {}
    }
    let changed = read_changed(&mut reader)?;
    let mut gone = Vec::new();
    for day in deleted {
        let occurrence = day.checked_add(start_offset)?;
        let moved = changed.iter().any(|one| one.original / DAY == day / DAY);
        if !moved && !modified.contains(&day) {
            gone.push(occurrence);
        }
    }
    Some(Series {
        start: start_day.checked_add(start_offset)?,
        end: start_day.checked_add(end_offset)?,
        rule,
        last,
        gone,
        changed,
    })
}

fn rule(reader: &mut Reader<'_>, frequency: u16, pattern: u16, period: u32) -> Option<String> {
    let days = |mask: u32| {
        let days = WEEKDAYS
            .iter()
            .enumerate()
            .filter(|(bit, _)| mask >> bit & 1 == 1);
        days.map(|(_, day)| *day).collect::<Vec<_>>().join(",")
    };
    let yearly = frequency == 0x200D;
    let (name, interval) = match frequency {
        0x200A if pattern == 0 => ("DAILY", period / DAY),
        0x200A | 0x200B => ("WEEKLY", period),
        // A year's period is in months.
        0x200D if period.is_multiple_of(12) => ("YEARLY", period / 12),
        0x200C | 0x200D => ("MONTHLY", period),
        _ => return None,
    };
    let by = match pattern {
        0 => String::new(),
        1 => format!(";BYDAY={}", days(reader.long()?)),
        2 => match reader.long()? {
            31 if !yearly => ";BYMONTHDAY=-1".to_owned(),
            _ if yearly => String::new(),
            day => format!(";BYMONTHDAY={day}"),
        },
        4 => {
            reader.long()?;
            ";BYMONTHDAY=-1".to_owned()
        }
        3 => {
            let mask = reader.long()?;
            let nth = match reader.long()? {
                5 => -1,
                nth => i64::from(nth),
            };
            if name == "YEARLY" {
                // The month is that of the first occurrence, which RFC 5545 takes from DTSTART
                // only when it is named: a rule by month says the same.
                return Some(format!(
                    "FREQ=MONTHLY;INTERVAL={};BYDAY={};BYSETPOS={nth}",
                    interval.max(1).checked_mul(12)?,
                    days(mask)
                ));
            }
            format!(";BYDAY={};BYSETPOS={nth}", days(mask))
        }
        _ => return None,
    };
    Some(format!("FREQ={name};INTERVAL={}{by}", interval.max(1)))
}

fn read_changed(reader: &mut Reader<'_>) -> Option<Vec<Changed>> {
    let count = reader.short()?;
    let mut changed = Vec::new();
    for _ in 0..count {
        let (start, end, original) = (reader.long()?, reader.long()?, reader.long()?);
        let flags = reader.short()?;
        let mut one = Changed {
            original,
            start,
            end,
            subject: None,
            place: None,
        };
        for bit in 0..9 {
            if flags >> bit & 1 == 0 {
                continue;
            }
            match bit {
                0 => one.subject = Some(reader.text()?),
                4 => one.place = Some(reader.text()?),
                _ => {
                    reader.long()?;
                }
            }
        }
        changed.push(one);
    }
    Some(changed)
}

/// Local minutes since 1601 as iCalendar writes them.
pub(super) fn local(minutes: u32, date_only: bool) -> String {
    let form = if date_only { "%Y%m%d" } else { "%Y%m%dT%H%M%S" };
    jiff::Timestamp::from_second((i64::from(minutes) - EPOCH) * 60)
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .strftime(form)
        .to_string()
}

/// A time zone.
pub(super) struct Zone {
    /// A VTIMEZONE named `pst`.
    pub(super) text: String,
    /// Minutes to add to a local time for UTC, in winter.
    pub(super) bias: i32,
}

/// Reads a time zone.
pub(super) fn zone(bytes: &[u8]) -> Option<Zone> {
    let signed = |at| u32_at(bytes, at).map(u32::cast_signed);
    let (bias, standard, daylight) = (signed(0)?, signed(4)?, signed(8)?);
    let offset = |extra: i32| {
        let minutes = bias.checked_add(extra)?.checked_neg()?;
        (minutes.abs() < 24 * 60).then(|| {
            let sign = if minutes < 0 { '-' } else { '+' };
            format!("{sign}{:02}{:02}", minutes.abs() / 60, minutes.abs() % 60)
        })
    };
    let (standard, daylight) = (offset(standard)?, offset(daylight)?);
    let mut out = String::from("BEGIN:VTIMEZONE\r\nTZID:pst\r\n");
    // Each change: month, weekday, its place in the month, hour, minute.
    let change = |at: usize| {
        let field = |place: usize| u16_at(bytes, at + 2 * place);
        let (month, weekday, nth) = (field(1)?, field(2)?, field(3)?);
        let day = WEEKDAYS.get(usize::from(weekday))?;
        let (hour, minute) = (field(4)?, field(5)?);
        let valid = (1..=12).contains(&month) && (1..=5).contains(&nth) && hour < 24 && minute < 60;
        let nth = if nth == 5 {
            "-1".to_owned()
        } else {
            nth.to_string()
        };
        valid.then(|| {
            format!(
                "DTSTART:16010101T{hour:02}{minute:02}00\r\n\
                 RRULE:FREQ=YEARLY;BYMONTH={month};BYDAY={nth}{day}\r\n"
            )
        })
    };
    match (change(14), change(32)) {
        (Some(to_standard), Some(to_daylight)) => {
            put(
                &mut out,
                format_args!(
                    "BEGIN:STANDARD\r\n{to_standard}TZOFFSETFROM:{daylight}\r\nTZOFFSETTO:{standard}\r\n\
                 END:STANDARD\r\nBEGIN:DAYLIGHT\r\n{to_daylight}TZOFFSETFROM:{standard}\r\n\
                 TZOFFSETTO:{daylight}\r\nEND:DAYLIGHT\r\n"
                ),
            );
        }
        _ => put(
            &mut out,
            format_args!(
                "BEGIN:STANDARD\r\nDTSTART:16010101T000000\r\nTZOFFSETFROM:{standard}\r\n\
             TZOFFSETTO:{standard}\r\nEND:STANDARD\r\n"
            ),
        ),
    }
    out.push_str("END:VTIMEZONE\r\n");
    Some(Zone { text: out, bias })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(parts: &[&[u32]], head: [u16; 3]) -> Vec<u8> {
        let mut bytes = vec![4, 0x30, 4, 0x30];
        for word in head {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        for number in parts.iter().flat_map(|part| part.iter()) {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&0u16.to_le_bytes());
        bytes
    }

    #[test]
    fn a_weekly_meeting_without_one_of_its_days() {
        // Tuesdays at 14:00 from 2026-11-24, three times, the second one deleted.
        let first = u32::try_from(EPOCH).expect("fits") + 20_781 * DAY;
        let gone = first + 7 * DAY;
        let tail = [
            0,
            1,
            0,
            1 << 2,
            0x2022,
            3,
            1,
            1,
            gone,
            0,
            first,
            first + 14 * DAY,
        ];
        let bytes = blob(&[&tail, &[0x3006, 0x3009, 840, 900]], [0x200B, 1, 0]);
        let series = read(&bytes).expect("a series");
        assert_eq!(series.rule, "FREQ=WEEKLY;INTERVAL=1;BYDAY=TU;COUNT=3");
        assert_eq!(local(series.start, false), "20261124T140000");
        assert_eq!(local(series.end, false), "20261124T150000");
        assert_eq!(
            series
                .gone
                .iter()
                .map(|g| local(*g, true))
                .collect::<Vec<_>>(),
            ["20261201"]
        );
        for end in 0..bytes.len() - 2 {
            assert_eq!(read(&bytes[..end]), None, "{end}");
        }
    }

    #[test]
    fn paris_changes_twice_a_year() {
        let mut bytes = Vec::new();
        for number in [-60i32, 0, -60] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        for date in [[0u16, 0, 10, 0, 5, 3, 0, 0, 0], [0, 0, 3, 0, 5, 2, 0, 0, 0]] {
            for word in date {
                bytes.extend_from_slice(&word.to_le_bytes());
            }
        }
        let zone = zone(&bytes).expect("a zone").text;
        assert!(
            zone.contains("BYMONTH=10;BYDAY=-1SU\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100"),
            "{zone}"
        );
        assert!(
            zone.contains("DTSTART:16010101T020000\r\nRRULE:FREQ=YEARLY;BYMONTH=3"),
            "{zone}"
        );
    }
}
