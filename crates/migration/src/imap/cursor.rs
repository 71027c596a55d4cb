//! Walks through a response's text; every step either advances or says what was expected.

use super::RawResponse;
use super::wire::literal_size;

/// A position in a response.
pub(super) struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
    literals: &'a [Vec<u8>],
    literal: usize,
    body_at: Option<usize>,
    body_passed: bool,
}

/// Deepest nesting of parentheses that is followed.
const MAX_DEPTH: usize = 64;

/// What the attributes of a FETCH response begin with.
const ATTRIBUTES: [&[u8]; 12] = [
    b"UID",
    b"INTERNALDATE",
    b"BODY",
    b"RFC822",
    b"MODSEQ",
    b"FLAGS",
    b"ENVELOPE",
    b"X-",
    b"BINARY",
    b"EMAILID",
    b"THREADID",
    b"SAVEDATE",
];

/// A string value.
pub(super) enum Text<'a> {
    /// Quoted, literal or atom.
    Bytes(std::borrow::Cow<'a, [u8]>),
    /// NIL.
    Nil,
    /// The message body, which travels apart.
    Body,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(raw: &'a RawResponse) -> Self {
        Self {
            text: &raw.text,
            at: 0,
            literals: &raw.literals,
            literal: 0,
            body_at: None,
            body_passed: false,
        }
    }

    /// Says before which literal the body stood.
    pub(super) fn set_body(&mut self, at: Option<usize>) {
        self.body_at = at;
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        &self.text[self.at..]
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    pub(super) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, byte: u8) -> Result<(), String> {
        if self.take(byte) {
            Ok(())
        } else {
            Err(self.wanted(&format!("`{}`", byte as char)))
        }
    }

    /// Goes forward over bytes that [`Cursor::rest`] showed.
    pub(super) fn skip(&mut self, bytes: usize) {
        self.at = (self.at + bytes).min(self.text.len());
    }

    pub(super) fn spaces(&mut self) {
        while self.take(b' ') {}
    }

    pub(super) fn wanted(&self, what: &str) -> String {
        let rest = &self.rest()[..self.rest().len().min(40)];
        format!(
            "expected {what} before \"{}\"",
            String::from_utf8_lossy(rest).escape_debug()
        )
    }

    /// Bytes up to a space, a parenthesis or the end.
    pub(super) fn atom(&mut self) -> Result<&'a [u8], String> {
        let rest = self.rest();
        let end = rest
            .iter()
            .position(|b| matches!(b, b' ' | b'(' | b')'))
            .unwrap_or(rest.len());
        if end == 0 {
            return Err(self.wanted("an atom"));
        }
        self.at += end;
        Ok(&rest[..end])
    }

    /// A FETCH attribute's name: an atom which may hold a `[section]` with spaces.
    pub(super) fn attribute(&mut self) -> Result<&'a [u8], String> {
        let rest = self.rest();
        let mut inside = false;
        let mut end = 0;
        for byte in rest {
            match byte {
                b'[' => inside = true,
                b']' => inside = false,
                b' ' | b'(' | b')' if !inside => break,
                _ => {}
            }
            end += 1;
        }
        if end == 0 {
            return Err(self.wanted("an attribute"));
        }
        self.at += end;
        Ok(&rest[..end])
    }

    pub(super) fn number(&mut self) -> Result<u64, String> {
        let rest = self.rest();
        let end = rest
            .iter()
            .position(|b| !b.is_ascii_digit())
            .unwrap_or(rest.len());
        let text = std::str::from_utf8(&rest[..end]).map_err(|_| self.wanted("a number"))?;
        let number = text.parse().map_err(|_| self.wanted("a number"))?;
        self.at += end;
        Ok(number)
    }

    /// A string: quoted, literal, NIL or a bare atom.
    pub(super) fn string(&mut self) -> Result<Text<'a>, String> {
        match self.peek() {
            Some(b'"') => self.quoted().map(|bytes| Text::Bytes(bytes.into())),
            Some(b'{' | b'~') => self.literal(),
            Some(_) => {
                let atom = self.atom()?;
                if atom.eq_ignore_ascii_case(b"NIL") {
                    Ok(Text::Nil)
                } else {
                    Ok(Text::Bytes(atom.into()))
                }
            }
            None => Err(self.wanted("a string")),
        }
    }

    fn quoted(&mut self) -> Result<Vec<u8>, String> {
        self.expect(b'"')?;
        let mut out = Vec::new();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    self.at += 1;
                    let escaped = self.peek().ok_or_else(|| self.wanted("a closing quote"))?;
                    out.push(escaped);
                    self.at += 1;
                }
                Some(byte) => {
                    out.push(byte);
                    self.at += 1;
                }
                None => return Err(self.wanted("a closing quote")),
            }
        }
    }

    fn literal(&mut self) -> Result<Text<'a>, String> {
        let rest = self.rest();
        let end = rest
            .iter()
            .position(|b| *b == b'}')
            .ok_or_else(|| self.wanted("`}`"))?
            + 1;
        let spec = rest[..end].strip_prefix(b"~").unwrap_or(&rest[..end]);
        // `literal_size` refuses status lines by their second word; a spec alone has none.
        let mut probe = b"* X ".to_vec();
        probe.extend_from_slice(spec);
        if spec.first() != Some(&b'{') || literal_size(&probe).is_none() {
            return Err(self.wanted("a literal"));
        }
        self.at += end;
        if !self.body_passed && self.body_at == Some(self.literal) {
            self.body_passed = true;
            return Ok(Text::Body);
        }
        let literal = self
            .literals
            .get(self.literal)
            .ok_or_else(|| self.wanted("no literal"))?;
        self.literal += 1;
        Ok(Text::Bytes(literal.as_slice().into()))
    }

    /// Bytes between balanced parentheses, strings skipped over, without the outer pair.
    pub(super) fn parenthesised(&mut self) -> Result<&'a [u8], String> {
        let start = self.at + 1;
        self.skip_list()?;
        Ok(&self.text[start..self.at - 1])
    }

    /// The bytes of a FETCH response's flags, without their parentheses. Servers hand out keywords
    /// that are no atoms: a quote, a brace or a parenthesis in one is only a byte of it. The list
    /// ends where something follows that may follow it: another attribute, or the response's end.
    pub(super) fn flags(&mut self) -> Result<&'a [u8], String> {
        let rest = self.rest();
        if rest.first() != Some(&b'(') {
            return Err(self.wanted("`(`"));
        }
        let ends = memchr::memchr_iter(b')', rest);
        let end = ends.into_iter().find(|end| goes_on(&rest[end + 1..]));
        let end = end.ok_or_else(|| self.wanted("the end of the flags"))?;
        self.at += end + 1;
        Ok(&rest[1..end])
    }

    fn skip_list(&mut self) -> Result<(), String> {
        self.expect(b'(')?;
        let mut depth = 1;
        while depth > 0 {
            match self.peek() {
                Some(b'(') => {
                    depth += 1;
                    if depth > MAX_DEPTH {
                        return Err(self.wanted("fewer parentheses"));
                    }
                    self.at += 1;
                }
                Some(b')') => {
                    depth -= 1;
                    self.at += 1;
                }
                Some(b'"') => {
                    self.quoted()?;
                }
                Some(b'{') => {
                    self.literal()?;
                }
                Some(_) => self.at += 1,
                None => return Err(self.wanted("`)`")),
            }
        }
        Ok(())
    }

    /// Skips any value.
    pub(super) fn skip_value(&mut self) -> Result<(), String> {
        if self.peek() == Some(b'(') {
            self.skip_list()
        } else {
            self.string().map(|_| ())
        }
    }
}

/// Whether a FETCH response may go on like this behind an attribute's value.
fn goes_on(text: &[u8]) -> bool {
    let Some(next) = text.strip_prefix(b" ") else {
        return text == b")";
    };
    let name = next.iter().take_while(|byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'[' | b']')
    });
    let name = &next[..name.count()];
    let known = |known: &&[u8]| {
        name.len() >= known.len() && name[..known.len()].eq_ignore_ascii_case(known)
    };
    next.get(name.len()) == Some(&b' ') && ATTRIBUTES.iter().any(known)
}

pub(super) fn ends_with_ignore_case(text: &[u8], end: &[u8]) -> bool {
    text.len() >= end.len() && text[text.len() - end.len()..].eq_ignore_ascii_case(end)
}
