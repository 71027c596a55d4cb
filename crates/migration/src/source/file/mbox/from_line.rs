//! The line that begins a message in an mbox: `From sender date`.

use jiff::civil;

use crate::model::{InternalDate, month_number, parse_zone};

/// When the message arrived, as `Thu Nov 24 19:41:21 2026`, in UTC (RFC 4155) unless a zone such as
/// `+0100` stands there; `None` when no date can be read.
pub(super) fn date(line: &[u8]) -> Option<InternalDate> {
    let text = std::str::from_utf8(line.get(5..)?).ok()?;
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    (0..words.len())
        .rev()
        .find_map(|place| read(&words[place..]).or_else(|| read_day_first(&words[place..])))
}

/// Whether a line is what Thunderbird writes where it knows no date any more: `From ` or `From -`
/// and nothing else.
pub(super) fn is_bare(line: &[u8]) -> bool {
    line.strip_prefix(b"From ")
        .is_some_and(|rest| matches!(rest.trim_ascii(), b"" | b"-"))
}

/// Reads `24 Nov 2026 19:41:21 +0100`, as the fields of a message write it.
fn read_day_first(words: &[&str]) -> Option<InternalDate> {
    let [day, month, year, clock, ..] = words else {
        return None;
    };
    (year.len() == 4).then_some(())?;
    let zone = words.get(4).copied().unwrap_or_default();
    read(&[month, day, clock, year, zone])
}

/// Reads `Nov 24 19:41:21 2026`, with a zone before or behind the year.
fn read(words: &[&str]) -> Option<InternalDate> {
    let month = month_number(words[0])?;
    let day: i8 = words.get(1)?.parse().ok()?;
    let mut clock = words.get(2)?.splitn(3, ':');
    let hour: i8 = clock.next()?.parse().ok()?;
    let minute: i8 = clock.next()?.parse().ok()?;
    let second: i8 = clock.next().map_or(Some(0), |text| text.parse().ok())?;
    let mut year = None;
    let mut offset = 0;
    for word in words[3..].iter().take(3) {
        if let Some(found) = parse_zone(word) {
            offset = found;
        } else if word.len() == 4 && year.is_none() {
            year = word.parse::<i16>().ok();
        }
    }
    let civil = civil::DateTime::new(year?, month, day, hour, minute, second.min(59), 0).ok()?;
    InternalDate::of_civil(civil, offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_programs_write_them() {
        for (line, expected) in [
            (
                "From a@b Thu Nov 24 19:41:21 2026",
                "24-Nov-2026 19:41:21 +0000",
            ),
            (
                "From - Thu Nov  4 09:01:02 2026\r\n",
                "04-Nov-2026 09:01:02 +0000",
            ),
            (
                "From 17@xxx Mon Nov 24 19:41:21 +0000 2026\n",
                "24-Nov-2026 19:41:21 +0000",
            ),
            (
                "From a b c Mon Nov 24 19:41 2026 -0130",
                "24-Nov-2026 19:41:00 -0130",
            ),
            (
                "From \"May 1 x\"@b Mon Nov 24 19:41:21 CET 2026",
                "24-Nov-2026 19:41:21 +0000",
            ),
            (
                "From a@b Tue, 24 Nov 2026 19:41:21 +0100",
                "24-Nov-2026 19:41:21 +0100",
            ),
            (
                "From - 24 Nov 2026 19:41:21\r\n",
                "24-Nov-2026 19:41:21 +0000",
            ),
        ] {
            let found = date(line.as_bytes()).expect(line);
            assert_eq!(found.to_imap(), expected, "{line}");
        }
        for line in [
            "From ",
            "From",
            "From me to you",
            "From May 32 10:00:00 2020",
            "From Nov 1 1:2 20",
            "From 24 Nov 26 19:41:21",
            "From 3 May words here",
        ] {
            assert_eq!(date(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn bare_lines_say_nothing_else() {
        for line in ["From ", "From \r\n", "From -", "From -  \n", "From   \n"] {
            assert!(is_bare(line.as_bytes()), "{line:?}");
        }
        for line in ["From", "From here on", "From -- ", "From: a", ">From "] {
            assert!(!is_bare(line.as_bytes()), "{line:?}");
        }
    }
}
