//! Content lines of iCalendar and vCard (RFC 5545 3.1, RFC 6350 3.2): components found in the raw
//! text, checked, and given back with their bytes unaltered.

use std::ops::Range;

use encoding_rs::Encoding;
use thiserror::Error;

use crate::raw;

/// Components within components that are followed.
const DEEPEST: usize = 16;

/// What is wrong with a text; lines count from 1.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Malformed {
    /// Neither a content line nor a continuation.
    #[error("line {0} is not a content line: NAME:value was expected")]
    NotALine(usize),
    /// An END without its BEGIN, or the other way round.
    #[error("line {0}: END:{1} ends nothing that was begun")]
    StrayEnd(usize, String),
    /// The text ends inside a component.
    #[error("BEGIN:{1} of line {0} is never ended")]
    NeverEnded(usize, String),
    /// Something stands outside every component.
    #[error("line {0} stands outside every component")]
    Outside(usize),
    /// Too deep.
    #[error("line {0}: components are nested without end")]
    TooDeep(usize),
    /// A line that must be there is not, or stands twice.
    #[error("{0} must stand once in {1}, and stands {2} times")]
    Count(&'static str, String, usize),
    /// The value of a line is wrong.
    #[error("{0} is \"{1}\"; {2} was expected")]
    Value(&'static str, String, &'static str),
    /// The text is not UTF-8.
    #[error("byte {0} is not UTF-8; save the file as UTF-8")]
    NotUtf8(usize),
    /// A line is not UTF-8, and nothing says what it is.
    #[error("line {0}, {1}, is not UTF-8 and tells no CHARSET; save the file as UTF-8")]
    LineNotUtf8(usize, String),
    /// There is nothing in it.
    #[error("it holds no component")]
    Empty,
}

/// One content line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// Its name in capitals, without group and parameters.
    pub name: String,
    /// Its parameters as they are written.
    pub parameters: String,
    /// Its value, unfolded, as it is written.
    pub value: String,
}

impl Line {
    /// The value of a parameter, without its quotes.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let mut all = self.parameters.split(';');
        all.find_map(|one| {
            let (found, value) = one.split_once('=')?;
            let same = found.trim().eq_ignore_ascii_case(name);
            same.then(|| value.trim().trim_matches('"'))
        })
    }

    /// Whether its bytes are UTF-8, or of the alphabet that it names.
    fn is_readable(&self) -> bool {
        let named = || self.parameter("CHARSET");
        raw::is_text(&self.value)
            || named().is_some_and(|name| Encoding::for_label(name.as_bytes()).is_some())
    }
}

/// One component.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Component {
    /// Its name in capitals.
    pub name: String,
    /// Its own lines.
    pub lines: Vec<Line>,
    /// Components inside.
    pub inside: Vec<Component>,
    /// Its bytes in the text, BEGIN and END included.
    pub bytes: Range<usize>,
    /// Bytes of its own lines, each with its continuations.
    pub spans: Vec<Range<usize>>,
    /// The first of its own lines that is neither UTF-8 nor of an alphabet that it names.
    pub unreadable: Option<Malformed>,
    begun: usize,
}

impl Component {
    /// The values of a line's name.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let lines = self.lines.iter().filter(move |line| line.name == name);
        lines.map(|line| line.value.as_str())
    }

    /// The value of a line that must stand once and tell something.
    pub fn one(&self, name: &'static str) -> Result<&str, Malformed> {
        let count = self.values(name).count();
        match self.values(name).next() {
            Some(value) if count == 1 && !value.trim().is_empty() => Ok(value),
            Some(value) if count == 1 => Err(Malformed::Value(name, value.to_owned(), "a value")),
            _ => Err(Malformed::Count(name, self.name.clone(), count)),
        }
    }
}

/// A component at the top, or what is wrong in its place; the text goes on behind it.
pub type Top = Result<Component, (Range<usize>, Malformed)>;

/// Finds the components at the top of a text.
pub fn components(text: &str) -> Vec<Top> {
    let mut finder = Finder {
        tops: Vec::new(),
        open: Vec::new(),
        failed: None,
    };
    for (number, span) in unfolded_spans(text) {
        finder.line(text, number, span);
    }
    finder.end(text.len());
    finder.tops
}

/// Spans of content lines, each with its continuation lines and line end.
fn unfolded_spans(text: &str) -> Vec<(usize, Range<usize>)> {
    let mut spans: Vec<(usize, Range<usize>)> = Vec::new();
    let mut at = if text.starts_with('\u{feff}') { 3 } else { 0 };
    let mut number = 0;
    while at < text.len() {
        let end = text[at..]
            .find('\n')
            .map_or(text.len(), |place| at + place + 1);
        number += 1;
        let soft = spans
            .last()
            .is_some_and(|(_, span)| is_soft(&text[span.clone()]));
        let continues = soft || text[at..].starts_with([' ', '\t']);
        match spans.last_mut() {
            Some((_, span)) if continues => span.end = end,
            _ => spans.push((number, at..end)),
        }
        at = end;
    }
    spans
}

/// vCard 2.1 goes on after `=` at the end of a quoted-printable line.
fn is_soft(line: &str) -> bool {
    let head = line.split(':').next().unwrap_or("");
    line.trim_end_matches(['\r', '\n']).ends_with('=')
        && head.to_ascii_uppercase().contains("QUOTED-PRINTABLE")
}

/// Reads one content line; none when it is not one.
fn read_line(raw: &str) -> Option<Line> {
    let mut unfolded = String::with_capacity(raw.len());
    for (place, piece) in raw.split('\n').enumerate() {
        let piece = piece.strip_suffix('\r').unwrap_or(piece);
        // The one blank that begins a continuation belongs to the folding.
        let blank = place > 0 && piece.starts_with([' ', '\t']);
        unfolded.push_str(if blank { &piece[1..] } else { piece });
    }
    // A line may be folded between two bytes of one character: those are one again now.
    if !raw::is_text(&unfolded) {
        unfolded = raw::text(&raw::bytes(&unfolded));
    }
    let mut quoted = false;
    let colon = unfolded.char_indices().find_map(|(place, character)| {
        if character == '"' {
            quoted = !quoted;
        }
        (character == ':' && !quoted).then_some(place)
    })?;
    let (head, value) = (&unfolded[..colon], &unfolded[colon + 1..]);
    let name = head.split(';').next().unwrap_or("");
    let name = name.rsplit('.').next().unwrap_or(name);
    let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let valid = !name.is_empty() && name.bytes().all(good);
    let parameters = head.split_once(';').map_or("", |(_, rest)| rest);
    valid.then(|| Line {
        name: name.to_ascii_uppercase(),
        parameters: parameters.to_owned(),
        value: value.to_owned(),
    })
}

struct Finder {
    tops: Vec<Top>,
    open: Vec<Component>,
    /// Where the present top-level component began, once something in it is wrong.
    failed: Option<(usize, Malformed)>,
}

impl Finder {
    fn line(&mut self, text: &str, number: usize, span: Range<usize>) {
        let raw = &text[span.clone()];
        if raw.trim().is_empty() {
            return;
        }
        let Some(line) = read_line(raw) else {
            self.fail(span, Malformed::NotALine(number));
            return;
        };
        match line.name.as_str() {
            "BEGIN" => self.begin(number, &span, &line.value),
            "END" => self.finish(number, span, &line.value),
            _ => match self.open.last_mut() {
                Some(component) => {
                    if !line.is_readable() && component.unreadable.is_none() {
                        let name = line.name.clone();
                        component.unreadable = Some(Malformed::LineNotUtf8(number, name));
                    }
                    component.lines.push(line);
                    component.spans.push(span);
                }
                None => self.fail(span, Malformed::Outside(number)),
            },
        }
    }

    fn begin(&mut self, number: usize, span: &Range<usize>, name: &str) {
        if self.open.len() >= DEEPEST {
            self.fail(span.clone(), Malformed::TooDeep(number));
            return;
        }
        let name = name.trim().to_ascii_uppercase();
        // A new object inside one that was never ended: the old one is lost, not this one.
        let top = matches!(name.as_str(), "VCALENDAR" | "VCARD");
        if top && !self.open.is_empty() && self.open[0].name == name {
            self.end(span.start);
        }
        self.open.push(Component {
            name,
            lines: Vec::new(),
            inside: Vec::new(),
            bytes: span.clone(),
            spans: Vec::new(),
            unreadable: None,
            begun: number,
        });
    }

    fn finish(&mut self, number: usize, span: Range<usize>, name: &str) {
        let name = name.trim().to_ascii_uppercase();
        let matches = self.open.last().is_some_and(|open| open.name == name);
        if !matches {
            let is_top = self.open.first().is_some_and(|open| open.name == name);
            self.fail(span.clone(), Malformed::StrayEnd(number, name));
            if !is_top {
                return;
            }
            // The outermost one ends here, whatever was left open in it.
            self.open.truncate(1);
        }
        let Some(mut component) = self.open.pop() else {
            return;
        };
        component.bytes.end = span.end;
        match self.open.last_mut() {
            Some(parent) => parent.inside.push(component),
            None => self.tops.push(match self.failed.take() {
                None => Ok(component),
                Some((_, why)) => Err((component.bytes, why)),
            }),
        }
    }

    fn fail(&mut self, span: Range<usize>, why: Malformed) {
        if self.open.is_empty() {
            self.tops.push(Err((span, why)));
        } else if self.failed.is_none() {
            self.failed = Some((span.start, why));
        }
    }

    /// Ends what is open, at the end of the text or where a new object begins.
    fn end(&mut self, at: usize) {
        let failed = self.failed.take();
        if self.open.is_empty() {
            return;
        }
        let innermost = self.open.last().map(|open| (open.begun, open.name.clone()));
        let start = self.open[0].bytes.start;
        self.open.clear();
        let why = failed
            .map(|(_, why)| why)
            .or_else(|| innermost.map(|(line, name)| Malformed::NeverEnded(line, name)));
        if let Some(why) = why {
            self.tops.push(Err((start..at, why)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfolds_names_and_keeps_bytes() {
        let text = "BEGIN:VCARD\r\nitem1.TEL;TYPE=\"a:b\":+33 1\r\n  23\r\nEND:VCARD\r\n";
        let tops = components(text);
        let card = tops[0].as_ref().expect("a card");
        assert_eq!(
            card.lines[0],
            Line {
                name: "TEL".into(),
                parameters: "TYPE=\"a:b\"".into(),
                value: "+33 1 23".into()
            }
        );
        assert_eq!(card.lines[0].parameter("type"), Some("a:b"));
        assert_eq!(&text[card.bytes.clone()], text);
        assert_eq!(
            &text[card.spans[0].clone()],
            "item1.TEL;TYPE=\"a:b\":+33 1\r\n  23\r\n"
        );
    }

    #[test]
    fn a_fold_inside_a_character_is_undone_before_it_is_read() {
        let bytes = b"BEGIN:VCARD\r\nFN:Zo\xc3\r\n \xa9 \xf0\x9f\r\n\t\x93\xab\r\nEND:VCARD\r\n";
        let text = raw::text(bytes);
        let tops = components(&text);
        let card = tops[0].as_ref().expect("a card");
        assert_eq!(card.one("FN").expect("a name"), "Zoé 📫");
        assert_eq!(card.unreadable, None);
        assert_eq!(&*raw::bytes(&text[card.bytes.clone()]), bytes);
    }

    #[test]
    fn lines_are_utf8_or_name_their_alphabet() {
        let told = |line: &[u8]| {
            let text = [b"BEGIN:VCARD\n", line, b"\nEND:VCARD\n"].concat();
            let tops = components(&raw::text(&text));
            tops[0].as_ref().expect("a card").unreadable.clone()
        };
        let bad = Some(Malformed::LineNotUtf8(2, "NOTE".to_owned()));
        assert_eq!(told(b"NOTE:\xe9"), bad);
        assert_eq!(told(b"NOTE;CHARSET=klingon:\xe9"), bad);
        for good in [
            b"NOTE;CHARSET=Windows-1252:\xe9".as_slice(),
            b"NOTE;LANGUAGE=fr;charset=\"iso-8859-15\":\xa4",
            "NOTE:é".as_bytes(),
        ] {
            assert_eq!(told(good), None);
        }
    }

    #[test]
    fn old_cards_go_on_after_an_equals_sign() {
        let text = "BEGIN:VCARD\nNOTE;ENCODING=QUOTED-PRINTABLE:a=\nb: c\nEND:VCARD\n";
        let tops = components(text);
        assert_eq!(tops[0].as_ref().expect("a card").lines[0].value, "a=b: c");
    }

    #[test]
    fn what_is_wrong_stays_alone() {
        let text = "BEGIN:VCARD\nFN:a\nBEGIN:VCARD\nFN:b\nEND:VCARD\nstray\nBEGIN:VCARD\nbad\nEND:VCARD\n\
                    BEGIN:VCARD\nFN:c\nEND:VCARD\nEND:VCARD\nBEGIN:VCARD\n";
        let tops = components(text);
        let told: Vec<String> = tops
            .iter()
            .map(|top| match top {
                Ok(card) => card.one("FN").expect("a name").to_owned(),
                Err((_, why)) => why.to_string(),
            })
            .collect();
        assert_eq!(
            told,
            [
                "BEGIN:VCARD of line 1 is never ended",
                "b",
                "line 6 is not a content line: NAME:value was expected",
                "line 8 is not a content line: NAME:value was expected",
                "c",
                "line 13: END:VCARD ends nothing that was begun",
                "BEGIN:VCARD of line 14 is never ended",
            ]
        );
    }
}
