//! Text of others on a terminal: what a server, a folder's name or a file says may hold escapes that
//! move the cursor, or marks that turn the direction of reading. Every byte that this program prints
//! passes here.

use std::{borrow::Cow, fmt::Write as _};

/// How the harmful is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// `\u{1b}`, for people.
    Plainly,
    /// `\u001b`, the same text to a reader of JSON.
    AsJson,
}

/// Whether a character does something else than being read.
fn is_harmful(character: char) -> bool {
    match character {
        '\n' | '\t' => false,
        // Directions and their ends (UAX #9), and letters without a width that hide others.
        '\u{61c}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => true,
        // ESC and the like, with those beyond ASCII.
        other => other.is_control(),
    }
}

/// What our own tables print: bold, and its end.
const OWN: [&str; 2] = ["\u{1b}[1m", "\u{1b}[0m"];

/// The text with every harmful character written out; `styled` leaves our own bold as it is.
pub fn harmless(text: &str, shown: Shown, styled: bool) -> Cow<'_, str> {
    if !text.chars().any(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let own = OWN.into_iter().find(|own| styled && rest.starts_with(own));
        if let Some(own) = own {
            out.push_str(own);
            rest = &rest[own.len()..];
            continue;
        }
        if is_harmful(character) {
            write_out(&mut out, character, shown);
        } else {
            out.push(character);
        }
        rest = &rest[character.len_utf8()..];
    }
    Cow::Owned(out)
}

/// What others say, on one line: a name with a line break in it begins none of ours.
pub fn line(text: &str) -> String {
    let one = text.replace('\n', "\\u{a}").replace('\t', "\\u{9}");
    harmless(&one, Shown::Plainly, false).into_owned()
}

fn write_out(out: &mut String, character: char, shown: Shown) {
    // Writing to a string cannot fail.
    match shown {
        Shown::Plainly => {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(character));
        }
        Shown::AsJson => {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
}

/// A writer that makes what passes harmless, for logs.
#[derive(Debug)]
pub struct Harmless<W>(pub W);

impl<W: std::io::Write> std::io::Write for Harmless<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let text = harmless(&text, Shown::Plainly, false);
        self.0.write_all(text.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// Clears the screen, sets the title, C1's CSI, turns the text, hides letters, rings.
    const HOSTILE: &str = "\u{1b}[2J\u{1b}]0;x\u{7}a\u{9b}31mb\u{202e}fdp.exe\u{2066}\u{200b}\r\u{8}\u{feff}\u{e0041}";

    #[test]
    fn nothing_of_others_moves_a_terminal() {
        for styled in [false, true] {
            let out = harmless(HOSTILE, Shown::Plainly, styled);
            assert!(!out.chars().any(is_harmful), "{out:?}");
            assert!(
                out.starts_with("\\u{1b}[2J") && out.contains("\\u{202e}fdp.exe"),
                "{out}"
            );
        }
        for text in ["Été\tœuvre\n📫 ß العربية", ""] {
            assert!(matches!(
                harmless(text, Shown::Plainly, false),
                Cow::Borrowed(_)
            ));
        }
    }

    #[test]
    fn a_line_of_others_stays_one() {
        assert_eq!(line("a\nb\tc\u{1b}é"), "a\\u{a}b\\u{9}c\\u{1b}é");
    }

    #[test]
    fn only_our_own_bold_stays() {
        let text = "\u{1b}[1mNOM\u{1b}[0m \u{1b}[8mcaché\u{1b}[0m";
        assert_eq!(
            harmless(text, Shown::Plainly, true),
            "\u{1b}[1mNOM\u{1b}[0m \\u{1b}[8mcaché\u{1b}[0m"
        );
        assert!(!harmless(text, Shown::Plainly, false).contains('\u{1b}'));
    }

    #[test]
    fn json_says_the_same() {
        let text = serde_json::to_string(&HOSTILE).unwrap();
        let out = harmless(&text, Shown::AsJson, false);
        assert!(!out.chars().any(is_harmful));
        assert_eq!(serde_json::from_str::<String>(&out).unwrap(), HOSTILE);
    }

    #[test]
    fn logs_pass_too() {
        let mut out = Harmless(Vec::new());
        out.write_all(HOSTILE.as_bytes()).unwrap();
        assert!(!String::from_utf8(out.0).unwrap().chars().any(is_harmful));
    }
}
