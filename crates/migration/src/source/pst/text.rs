//! Text on its way into a message: headers, encoded words, quoted-printable, base64.

use std::fmt::{self, Write as _};
use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Bytes of one base64 line.
const LINE: usize = 57;
/// Longest quoted-printable line, without the soft break.
const QUOTED_LINE: usize = 75;

/// Appends formatted text.
pub(super) fn put(out: &mut String, text: fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = out.write_fmt(text);
}

/// Splits a header block into headers with their continuation lines, CRLF between lines. Lines
/// that are neither are left out: mail systems put remarks before the first header.
pub(super) fn headers(block: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut continues = false;
    for line in block.split('\n') {
        let line: String = line
            .trim_end_matches('\r')
            .chars()
            .filter(|c| !c.is_control() || *c == '\t')
            .collect();
        if line.trim().is_empty() {
            // An empty line would end the headers.
            continue;
        }
        if line.starts_with([' ', '\t']) {
            if let Some(last) = found.last_mut().filter(|_| continues) {
                last.push_str("\r\n");
                last.push_str(&line);
            }
            continue;
        }
        let name = line.split_once(':').map(|(name, _)| name.trim_end());
        continues = name.is_some_and(|name| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic())
        });
        if continues {
            found.push(line);
        }
    }
    found
}

/// A header's text: as it is when it is short ASCII, else RFC 2047.
pub(super) fn encoded_word(text: &str) -> String {
    let clean: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if clean.is_ascii() && !clean.contains("=?") && clean.len() <= 900 {
        return clean.trim().to_owned();
    }
    let mut words = Vec::new();
    let mut word = String::new();
    for character in clean.trim().chars() {
        if word.len() + character.len_utf8() > 42 {
            words.push(std::mem::take(&mut word));
        }
        word.push(character);
    }
    words.push(word);
    let words: Vec<String> = words
        .iter()
        .map(|word| format!("=?utf-8?B?{}?=", STANDARD.encode(word)))
        .collect();
    words.join("\r\n ")
}

/// A MIME parameter: quoted when it is ASCII, else RFC 2231.
pub(super) fn parameter(name: &str, value: &str) -> String {
    let quotable = value
        .chars()
        .all(|c| (' '..='~').contains(&c) && c != '"' && c != '\\');
    if quotable && value.len() < 200 {
        return format!("{name}=\"{value}\"");
    }
    let mut written = format!("{name}*=utf-8''");
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            written.push(char::from(byte));
        } else {
            put(&mut written, format_args!("%{byte:02X}"));
        }
    }
    written
}

/// Writes text quoted-printable; each of its line ends, LF or CRLF, becomes CRLF.
pub(super) fn quoted_printable(text: &[u8], out: &mut dyn Write) -> io::Result<()> {
    let mut lines = text.split(|byte| *byte == b'\n').peekable();
    while let Some(line) = lines.next() {
        let last = lines.peek().is_none();
        if last && line.is_empty() {
            break;
        }
        let line = line.strip_suffix(b"\r").filter(|_| !last).unwrap_or(line);
        quote_line(line, out)?;
        out.write_all(b"\r\n")?;
    }
    Ok(())
}

fn quote_line(line: &[u8], out: &mut dyn Write) -> io::Result<()> {
    let mut written = 0;
    let mut piece = Vec::with_capacity(3);
    for (place, byte) in line.iter().enumerate() {
        piece.clear();
        let at_end = place + 1 == line.len();
        let blank = matches!(byte, b' ' | b'\t');
        // `From ` and a lone dot are things that some mail systems alter.
        let risky = place == 0 && matches!(byte, b'.' | b'F');
        if (byte.is_ascii_graphic() && *byte != b'=' && !risky) || (blank && !at_end) {
            piece.push(*byte);
        } else {
            write!(piece, "={byte:02X}")?;
        }
        if written + piece.len() > QUOTED_LINE {
            out.write_all(b"=\r\n")?;
            written = 0;
        }
        out.write_all(&piece)?;
        written += piece.len();
    }
    Ok(())
}

/// Writes bytes as lines of base64.
pub(super) struct Base64Lines<'a> {
    out: &'a mut dyn Write,
    left: Vec<u8>,
}

impl<'a> Base64Lines<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Self {
            out,
            left: Vec::with_capacity(LINE),
        }
    }

    fn line(out: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
        out.write_all(STANDARD.encode(bytes).as_bytes())?;
        out.write_all(b"\r\n")
    }

    /// Writes what is left.
    pub(super) fn finish(self) -> io::Result<()> {
        if self.left.is_empty() {
            return Ok(());
        }
        Self::line(self.out, &self.left)
    }
}

impl Write for Base64Lines<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        if !self.left.is_empty() {
            let wanted = (LINE - self.left.len()).min(rest.len());
            self.left.extend_from_slice(&rest[..wanted]);
            rest = &rest[wanted..];
            if self.left.len() < LINE {
                return Ok(bytes.len());
            }
            Self::line(self.out, &self.left)?;
            self.left.clear();
        }
        let mut lines = rest.chunks_exact(LINE);
        for line in lines.by_ref() {
            Self::line(self.out, line)?;
        }
        self.left.extend_from_slice(lines.remainder());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(text: &[u8]) -> String {
        let mut out = Vec::new();
        quoted_printable(text, &mut out).expect("a vector grows");
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn quoted_printable_keeps_lines_short_and_text_whole() {
        assert_eq!(quoted(b"a = b \nFin\r\n"), "a =3D b=20\r\n=46in\r\n");
        assert_eq!(quoted("é".as_bytes()), "=C3=A9\r\n");
        assert_eq!(quoted(b""), "");
        let long = quoted(&[b'x'; 400]);
        assert!(long.lines().all(|line| line.len() <= 76), "{long}");
    }

    #[test]
    fn base64_lines_do_not_depend_on_the_pieces() {
        let bytes: Vec<u8> = (0..=255).collect();
        let write = |size: usize| {
            let mut out = Vec::new();
            let mut lines = Base64Lines::new(&mut out);
            for piece in bytes.chunks(size) {
                lines.write_all(piece).expect("a vector grows");
            }
            lines.finish().expect("a vector grows");
            out
        };
        assert_eq!(write(7), write(256));
        assert!(write(1).starts_with(b"AAECAwQF"));
    }

    #[test]
    fn headers_without_remarks() {
        let block =
            "Microsoft Mail Internet Headers Version 2.0\r\nReceived: a\r\n\tby b\nX: y\n\nz";
        assert_eq!(headers(block), ["Received: a\r\n\tby b", "X: y"]);
    }
}
