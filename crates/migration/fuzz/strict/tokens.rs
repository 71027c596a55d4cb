//! The strict grammar of what this client may say.

/// Reads one command's tokens; the strict grammar of what this client may say.
pub(super) struct Tokens<'a>(pub(super) &'a [u8]);

impl<'a> Tokens<'a> {
    pub(super) fn take(&mut self, token: &[u8]) -> bool {
        let rest = self.0.strip_prefix(token);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    pub(super) fn quoted(&mut self) {
        assert!(self.take(b"\""), "no quoted string: {:?}", self.shown());
        loop {
            match self.0 {
                [b'"', rest @ ..] => {
                    self.0 = rest;
                    return;
                }
                [b'\\', byte, rest @ ..] => {
                    assert!(matches!(byte, b'"' | b'\\'), "an escape of nothing");
                    self.0 = rest;
                }
                [0 | b'\r' | b'\n', ..] | [] => panic!("a string without end: {:?}", self.shown()),
                [_, rest @ ..] => self.0 = rest,
            }
        }
    }

    /// Flags in their parentheses.
    pub(super) fn flags(&mut self) -> Vec<&'a [u8]> {
        assert!(self.take(b"("), "no list: {:?}", self.shown());
        let end = self
            .0
            .iter()
            .position(|byte| *byte == b')')
            .expect("a list that ends");
        let list = &self.0[..end];
        self.0 = &self.0[end + 1..];
        let flags: Vec<&[u8]> = list
            .split(|byte| *byte == b' ')
            .filter(|flag| !flag.is_empty())
            .collect();
        for flag in &flags {
            let system: [&[u8]; 5] = [
                b"\\Answered",
                b"\\Deleted",
                b"\\Draft",
                b"\\Flagged",
                b"\\Seen",
            ];
            let atom = |byte: &u8| (b'!'..=b'~').contains(byte) && !b"(){%*\"\\]".contains(byte);
            assert!(
                system.contains(flag) || flag.iter().all(atom),
                "no flag: {:?}",
                text(flag)
            );
        }
        flags
    }

    /// `date-time`; whether every server knows such a date.
    pub(super) fn date(&mut self) -> bool {
        let form = b"99-aaa-9999 99:99:99 +9999";
        let (date, rest) = self.0.split_at(form.len());
        for (byte, wanted) in date.iter().zip(form) {
            let fits = match wanted {
                b'9' => byte.is_ascii_digit(),
                b'a' => byte.is_ascii_alphabetic(),
                b'+' => matches!(byte, b'+' | b'-'),
                other => byte == other,
            };
            assert!(fits, "no date: {:?}", text(date));
        }
        self.0 = rest;
        assert!(self.take(b"\""), "a date without end");
        let year: u32 = text(&date[7..11]).parse().expect("digits");
        let zone: u32 = text(&date[22..26]).parse().expect("digits");
        (1970..2038).contains(&year) && zone <= 1400
    }

    pub(super) fn shown(&self) -> String {
        text(self.0)
    }
}

/// A keyword that this server does not understand; system flags it does.
pub(super) fn is_odd(flag: &[u8], odd: u8) -> bool {
    odd != b'\\' && flag.first() == Some(&odd)
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
