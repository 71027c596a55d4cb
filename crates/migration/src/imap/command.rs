//! What this client says: lines made of well-formed tokens, and nothing else.
//!
//! Flags, folder names and dates come from old servers and from the messages themselves, which
//! anybody may have written. A byte of them outside its token would be a command of theirs. So a
//! line is written by this module alone, from types that hold nothing ill-formed: text of this
//! program, numbers, [`MailboxName`], [`WireFlags`]. It never holds a literal: a server that refuses
//! a line cannot take what follows for commands. Literals are the matter of two commands only,
//! LOGIN and APPEND, each in a module of its own.

use super::ImapError;
use super::wire_flags::WireFlags;
use crate::model::Uid;
use crate::raw;

/// A command line without its tag and its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Command(Vec<u8>);

impl Command {
    /// Begins with this program's own words.
    pub fn new(words: &'static str) -> Self {
        debug_assert!(words.bytes().all(is_text), "{words:?}");
        Self(words.as_bytes().to_vec())
    }

    /// Adds this program's own words.
    #[must_use]
    pub fn words(mut self, words: &'static str) -> Self {
        debug_assert!(words.bytes().all(is_text), "{words:?}");
        self.0.push(b' ');
        self.0.extend_from_slice(words.as_bytes());
        self
    }

    /// Closes a parenthesis.
    #[must_use]
    pub fn close(mut self) -> Self {
        self.0.push(b')');
        self
    }

    /// Adds a folder's name.
    #[must_use]
    pub fn mailbox(mut self, name: &MailboxName) -> Self {
        self.0.push(b' ');
        push_quoted(&mut self.0, name.bytes());
        self
    }

    /// Adds a number.
    #[must_use]
    pub fn number(mut self, number: u64) -> Self {
        self.0.push(b' ');
        self.0.extend_from_slice(number.to_string().as_bytes());
        self
    }

    /// Adds the first `count` sequence numbers.
    #[must_use]
    pub fn first(self, count: u64) -> Self {
        let mut command = self.words("1:");
        command.0.extend_from_slice(count.to_string().as_bytes());
        command
    }

    /// Adds a set of UIDs.
    #[must_use]
    pub fn uids(mut self, uids: &UidSet<'_>) -> Self {
        self.0.push(b' ');
        match uids {
            UidSet::From(first) => {
                self.0.extend_from_slice(format!("{first}:*").as_bytes());
            }
            UidSet::These(uids) => self.0.extend_from_slice(ranges(uids).as_bytes()),
        }
        self
    }

    /// Adds flags in their parentheses.
    #[must_use]
    pub fn flags(mut self, flags: &WireFlags) -> Self {
        self.0.push(b' ');
        self.0.push(b'(');
        self.0.extend_from_slice(flags.to_string().as_bytes());
        self.0.push(b')');
        self
    }

    /// The line as it travels, without tag and end.
    pub fn line(&self) -> &[u8] {
        &self.0
    }
}

/// UIDs that a command is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UidSet<'a> {
    /// All from this one on.
    From(Uid),
    /// These, ascending.
    These(&'a [Uid]),
}

/// Writes UIDs as `1:3,7`.
fn ranges(uids: &[Uid]) -> String {
    let mut out = String::new();
    let mut rest = uids;
    while let Some(first) = rest.first() {
        let mut length = 1;
        while rest
            .get(length)
            .is_some_and(|uid| *uid == rest[length - 1].wrapping_add(1))
        {
            length += 1;
        }
        if !out.is_empty() {
            out.push(',');
        }
        out.push_str(&first.to_string());
        if length > 1 {
            out.push(':');
            out.push_str(&rest[length - 1].to_string());
        }
        rest = &rest[length..];
    }
    out
}

/// A folder's name that a quoted string can carry: without CR, LF and NUL. Bytes beyond ASCII stay
/// as the server gave them.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct MailboxName(Vec<u8>);

impl MailboxName {
    /// Reads a name.
    ///
    /// # Errors
    ///
    /// When no quoted string can carry it.
    pub fn parse(name: impl AsRef<[u8]>) -> Result<Self, ImapError> {
        let name = name.as_ref();
        if name.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            let name = String::from_utf8_lossy(name).escape_debug().to_string();
            return Err(ImapError::Name { name });
        }
        Ok(Self(name.to_vec()))
    }

    /// Reads a name that a listing gave, whose raw bytes are as [`raw`] carries them.
    ///
    /// # Errors
    ///
    /// When no quoted string can carry it.
    pub fn of(name: &str) -> Result<Self, ImapError> {
        Self::parse(raw::bytes(name))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// True when every server must be able to parse it in quotes.
    pub(super) fn is_plain(&self) -> bool {
        self.0.iter().all(|byte| is_text(*byte))
    }
}

/// Printable ASCII.
pub(super) fn is_text(byte: u8) -> bool {
    (b' '..=b'~').contains(&byte)
}

/// Writes a quoted string; the caller has no CR, LF or NUL in it.
pub(super) fn push_quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::FlagSet;

    #[test]
    fn sets_are_short() {
        assert_eq!(ranges(&[1, 2, 3, 7, 9, 10]), "1:3,7,9:10");
        assert_eq!(ranges(&[u32::MAX]), "4294967295");
        assert_eq!(ranges(&[]), "");
    }

    #[test]
    fn lines_read_as_they_should() {
        let name = MailboxName::parse("a \"b\\").expect("a name");
        let line = Command::new("STATUS")
            .mailbox(&name)
            .words("(MESSAGES")
            .close();
        assert_eq!(line.line(), b"STATUS \"a \\\"b\\\\\" (MESSAGES)");
        let set = UidSet::From(7);
        let line = Command::new("UID FETCH").uids(&set).words("(FLAGS)");
        assert_eq!(line.line(), b"UID FETCH 7:* (FLAGS)");
        let line = Command::new("FETCH").first(3).words("(UID)");
        assert_eq!(line.line(), b"FETCH 1:3 (UID)");
    }

    proptest! {
        /// Whatever a server calls a folder or a flag: one line, and each token ends where it
        /// should.
        #[test]
        fn foreign_bytes_stay_in_their_token(
            name in proptest::collection::vec(any::<u8>(), 0..40),
            flags in proptest::collection::vec("\\PC{0,8}|[\\x00-\\x7f]{0,6}", 0..6),
        ) {
            let flags = FlagSet::new(flags.iter().map(String::as_str));
            let flags = WireFlags::of(&flags);
            let breaks = name.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n'));
            let Ok(parsed) = MailboxName::parse(&name) else {
                prop_assert!(breaks);
                return Ok(());
            };
            let command = Command::new("X").mailbox(&parsed).flags(&flags);
            let line = command.line();
            prop_assert!(!line.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')));
            // Read back as a strict server would.
            let mut rest = line.strip_prefix(b"X \"").expect("a quoted string");
            let mut read = Vec::new();
            loop {
                match rest {
                    [b'"', after @ ..] => {
                        rest = after;
                        break;
                    }
                    [b'\\', byte, after @ ..] | [byte, after @ ..] => {
                        read.push(*byte);
                        rest = after;
                    }
                    [] => prop_assert!(false, "the string does not end"),
                }
            }
            prop_assert_eq!(read, name);
            let list = rest.strip_prefix(b" (").and_then(|rest| rest.strip_suffix(b")"));
            let list = list.expect("a list");
            let odd = |byte: &u8| b"(){\"%*]".contains(byte) || *byte > 126;
            prop_assert!(!list.iter().any(odd));
        }
    }
}
