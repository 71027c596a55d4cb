//! Compressed RTF ([MS-OXRTFCP]) and the HTML that Outlook hides in it ([MS-OXRTFEX]).

use std::io;

use super::ndb::{damaged, u16_at, u32_at};

const DICTIONARY: &[u8] = b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \
\\fswiss \\fmodern \\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier\
{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";
const WINDOW: usize = 4096;
/// Largest text that is inflated.
const LARGEST: usize = 64 << 20;

/// Inflates a compressed RTF.
pub(super) fn inflate(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let broken = || damaged("the formatted text is damaged");
    let kind = bytes.get(8..12).ok_or_else(broken)?;
    let size = u32_at(bytes, 4)
        .and_then(|size| usize::try_from(size).ok())
        .ok_or_else(broken)?;
    let data = bytes.get(16..).ok_or_else(broken)?;
    match kind {
        b"MELA" => return Ok(data[..size.min(data.len())].to_vec()),
        b"LZFu" => {}
        _ => return Err(broken()),
    }
    if size > LARGEST {
        return Err(damaged("the formatted text is larger than 64 MiB"));
    }
    let mut window = [b' '; WINDOW];
    window[..DICTIONARY.len()].copy_from_slice(DICTIONARY);
    let mut place = DICTIONARY.len();
    let mut out = Vec::new();
    let mut at = 0;
    let put = |byte, place: &mut usize, window: &mut [u8; WINDOW], out: &mut Vec<u8>| {
        out.push(byte);
        window[*place] = byte;
        *place = (*place + 1) % WINDOW;
    };
    while out.len() < size {
        let Some(control) = data.get(at).copied() else {
            break;
        };
        at += 1;
        for bit in 0..8 {
            if control >> bit & 1 == 0 {
                let Some(byte) = data.get(at).copied() else {
                    return Ok(out);
                };
                at += 1;
                put(byte, &mut place, &mut window, &mut out);
                continue;
            }
            let Some(word) = u16_at(data, at).map(u16::swap_bytes) else {
                return Ok(out);
            };
            at += 2;
            let from = usize::from(word >> 4);
            if from == place {
                return Ok(out);
            }
            for step in 0..usize::from(word & 0xF) + 2 {
                let byte = window[(from + step) % WINDOW];
                put(byte, &mut place, &mut window, &mut out);
            }
        }
    }
    Ok(out)
}

/// The HTML in an RTF that was made from it; none when it was not.
pub(super) fn html(rtf: &[u8]) -> Option<String> {
    let head = &rtf[..rtf.len().min(1024)];
    let made = head.windows(9).any(|part| part == b"\\fromhtml");
    if !made {
        return None;
    }
    let mut reader = Reader {
        rtf,
        at: 0,
        page: 1252,
        out: String::new(),
        pending: Vec::new(),
    };
    reader.run();
    reader.flush();
    Some(reader.out)
}

/// One group's state.
#[derive(Clone, Copy, Default)]
struct Group {
    /// Inside `\htmlrtf`: what only RTF readers show.
    hidden: bool,
    /// A destination that is no text.
    skipped: bool,
}

struct Reader<'a> {
    rtf: &'a [u8],
    at: usize,
    page: u32,
    out: String,
    pending: Vec<u8>,
}

impl Reader<'_> {
    fn flush(&mut self) {
        if !self.pending.is_empty() {
            let bytes = std::mem::take(&mut self.pending);
            self.out
                .push_str(&super::store::decode_text(0x1E, &bytes, self.page));
        }
    }

    fn text(&mut self, group: Group, text: &str) {
        if !group.hidden && !group.skipped {
            self.flush();
            self.out.push_str(text);
        }
    }

    fn run(&mut self) {
        let mut groups: Vec<Group> = Vec::new();
        let mut group = Group::default();
        let mut ignore_fallback = 0;
        while let Some(byte) = self.rtf.get(self.at).copied() {
            self.at += 1;
            match byte {
                b'{' => {
                    groups.push(group);
                    if self.rtf[self.at..].starts_with(b"\\*") {
                        group.skipped = !self.rtf[self.at..].starts_with(b"\\*\\htmltag");
                    }
                }
                b'}' => {
                    self.flush();
                    group = groups.pop().unwrap_or_default();
                }
                b'\\' => self.control(&mut group, &mut ignore_fallback),
                b'\r' | b'\n' => {}
                _ if ignore_fallback > 0 => ignore_fallback -= 1,
                byte => {
                    if !group.hidden && !group.skipped {
                        self.pending.push(byte);
                    }
                }
            }
        }
    }

    fn control(&mut self, group: &mut Group, ignore_fallback: &mut u32) {
        let Some(first) = self.rtf.get(self.at).copied() else {
            return;
        };
        if !first.is_ascii_alphabetic() {
            self.at += 1;
            self.symbol(first, *group, ignore_fallback);
            return;
        }
        let start = self.at;
        while self.rtf.get(self.at).is_some_and(u8::is_ascii_alphabetic) {
            self.at += 1;
        }
        let word = String::from_utf8_lossy(&self.rtf[start..self.at]).into_owned();
        let digits = self.at;
        if self.rtf.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        while self.rtf.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        let number: Option<i64> = String::from_utf8_lossy(&self.rtf[digits..self.at])
            .parse()
            .ok();
        if self.rtf.get(self.at) == Some(&b' ') {
            self.at += 1;
        }
        self.word(&word, number, group, ignore_fallback);
    }

    fn symbol(&mut self, symbol: u8, group: Group, ignore_fallback: &mut u32) {
        match symbol {
            b'\'' => {
                let digits = self.rtf.get(self.at..self.at + 2).unwrap_or_default();
                let byte = std::str::from_utf8(digits)
                    .ok()
                    .and_then(|digits| u8::from_str_radix(digits, 16).ok());
                self.at += digits.len();
                if *ignore_fallback > 0 {
                    *ignore_fallback -= 1;
                } else if let Some(byte) = byte.filter(|_| !group.hidden && !group.skipped) {
                    self.pending.push(byte);
                }
            }
            b'\\' | b'{' | b'}' if !group.hidden && !group.skipped => self.pending.push(symbol),
            b'~' => self.text(group, "\u{a0}"),
            _ => {}
        }
    }

    fn word(
        &mut self,
        word: &str,
        number: Option<i64>,
        group: &mut Group,
        ignore_fallback: &mut u32,
    ) {
        match word {
            "htmlrtf" => {
                self.flush();
                group.hidden = number != Some(0);
            }
            "fonttbl" | "colortbl" | "stylesheet" | "info" => group.skipped = true,
            "ansicpg" => self.page = number.and_then(|n| u32::try_from(n).ok()).unwrap_or(1252),
            "par" | "line" => self.text(*group, "\r\n"),
            "tab" => self.text(*group, "\t"),
            "lquote" => self.text(*group, "\u{2018}"),
            "rquote" => self.text(*group, "\u{2019}"),
            "ldblquote" => self.text(*group, "\u{201c}"),
            "rdblquote" => self.text(*group, "\u{201d}"),
            "bullet" => self.text(*group, "\u{2022}"),
            "endash" => self.text(*group, "\u{2013}"),
            "emdash" => self.text(*group, "\u{2014}"),
            "u" => {
                let unit = number.map_or(0, |number| number.rem_euclid(65_536));
                let character = u32::try_from(unit).ok().and_then(char::from_u32);
                self.text(
                    *group,
                    &character.unwrap_or(char::REPLACEMENT_CHARACTER).to_string(),
                );
                *ignore_fallback = 1;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inflates_what_the_specification_shows() {
        let bytes = [
            0x2d, 0x00, 0x00, 0x00, 0x2b, 0x00, 0x00, 0x00, 0x4c, 0x5a, 0x46, 0x75, 0xf1, 0xc5,
            0xc7, 0xa7, 0x03, 0x00, 0x0a, 0x00, 0x72, 0x63, 0x70, 0x67, 0x31, 0x32, 0x35, 0x42,
            0x32, 0x0a, 0xf3, 0x20, 0x68, 0x65, 0x6c, 0x09, 0x00, 0x20, 0x62, 0x77, 0x05, 0xb0,
            0x6c, 0x64, 0x7d, 0x0a, 0x80, 0x0f, 0xa0,
        ];
        let text = inflate(&bytes).expect("a text");
        assert_eq!(text, b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n");
        assert!(inflate(&bytes[..20]).is_ok());
        assert!(inflate(b"short").is_err());
    }

    #[test]
    fn finds_the_html() {
        let rtf = br"{\rtf1\ansi\ansicpg1252\fromhtml1 {\fonttbl{\f0 Arial;}}{\*\htmltag64 <p>}\htmlrtf {\htmlrtf0 \'e9t\'e9 \u8364 ?{\*\htmltag72 </p>}\htmlrtf }\htmlrtf0}";
        assert_eq!(html(rtf).expect("html"), "<p>\u{e9}t\u{e9} \u{20ac}</p>");
        assert_eq!(html(br"{\rtf1 text}"), None);
    }
}
