//! What a message's own header says about it.

use std::io::Read;

use mail_parser::DateTime;

use crate::model::InternalDate;

/// Longest header that is looked at.
pub(crate) const LONGEST: usize = 1 << 18;

/// The beginning of a message up to the end of its header.
pub(super) fn head(message: &mut dyn Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    message.take(LONGEST as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// When a message arrived: the date of its topmost `Received`, else its `Date`.
pub(crate) fn arrival(header: &[u8]) -> Option<InternalDate> {
    let received = field(header, "Received").and_then(|value| {
        let (_, date) = value.rsplit_once(';')?;
        read(date)
    });
    received.or_else(|| field(header, "Date").and_then(|value| read(&value)))
}

fn read(text: &str) -> Option<InternalDate> {
    let date = DateTime::parse_rfc822(text.trim())?;
    if !date.is_valid() {
        return None;
    }
    let offset = i16::from(date.tz_hour) * 60 + i16::from(date.tz_minute);
    let found = InternalDate {
        unix: date.to_timestamp(),
        offset_minutes: if date.tz_before_gmt { -offset } else { offset },
    };
    // A server refuses what lies before 1970 or is no date of its calendar.
    (found.is_keepable() && InternalDate::parse(&found.to_imap()).is_some()).then_some(found)
}

/// The first field of a name, unfolded.
pub(crate) fn field(header: &[u8], name: &str) -> Option<String> {
    let mut value: Option<String> = None;
    for line in header.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = String::from_utf8_lossy(line);
        if line.is_empty() {
            break;
        }
        if matches!(line[0], b' ' | b'\t') {
            if let Some(value) = &mut value {
                value.push(' ');
                value.push_str(text.trim());
            }
        } else if value.is_some() {
            break;
        } else if let Some((found, rest)) = text.split_once(':')
            && found.trim_end().eq_ignore_ascii_case(name)
        {
            value = Some(rest.trim().to_owned());
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_hop_tells_the_arrival() {
        let told = |text: &str| arrival(text.as_bytes()).map(InternalDate::to_imap);
        let header = "Received: from a by b;\r\n\tThu, 24 Nov 2022 19:41:21 +0100 (CET)\r\n\
                      Received: from c; Mon, 1 Jan 2001 00:00:00 +0000\r\nDate: x\r\n\r\n";
        assert_eq!(told(header).as_deref(), Some("24-Nov-2022 19:41:21 +0100"));
        let header = "A: b\nDate: Tue, 1 Jul 2003 10:52:37 -0230\n\nDate: later";
        assert_eq!(told(header).as_deref(), Some("01-Jul-2003 10:52:37 -0230"));
        for none in [
            "",
            "Date: soon\n\n",
            "\nDate: Tue, 1 Jul 2003 10:52:37 +0200",
            "Date: Tue, 1 Jul 1903 10:52:37 +0200\n\n",
        ] {
            assert_eq!(told(none), None, "{none}");
        }
    }
}
