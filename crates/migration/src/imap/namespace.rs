//! Whose folders are whose (RFC 2342).

use super::cursor::{Cursor, Text};
use super::mailbox::needed;

/// A prefix and its separator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Namespace {
    /// What its folders' names begin with; may be empty.
    pub prefix: String,
    /// Hierarchy separator.
    pub separator: Option<char>,
}

/// A server's NAMESPACE response.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Namespaces {
    /// The user's own.
    pub personal: Vec<Namespace>,
    /// Other users'.
    pub others: Vec<Namespace>,
    /// Shared by many.
    pub shared: Vec<Namespace>,
}

impl Namespaces {
    /// Whether a folder (its name as on the wire) is the user's own: the longest prefix decides,
    /// and in doubt it is.
    pub fn is_own(&self, name: &str) -> bool {
        if name.eq_ignore_ascii_case("INBOX") {
            return true;
        }
        let best = |spaces: &[Namespace]| {
            let fits = spaces.iter().filter(|space| space.holds(name));
            fits.map(|space| space.prefix.len() + 1).max().unwrap_or(0)
        };
        let foreign = best(&self.others).max(best(&self.shared));
        foreign == 0 || best(&self.personal) >= foreign
    }
}

impl Namespace {
    fn holds(&self, name: &str) -> bool {
        if name.starts_with(&self.prefix) {
            return true;
        }
        // The root of a namespace, such as `user` for `user.`.
        let root = self.separator.and_then(|sep| self.prefix.strip_suffix(sep));
        root.is_some_and(|root| !root.is_empty() && root == name)
    }
}

pub(super) fn parse_namespaces(cursor: &mut Cursor<'_>) -> Result<Namespaces, String> {
    let personal = parse_list(cursor)?;
    cursor.spaces();
    let others = parse_list(cursor)?;
    cursor.spaces();
    let shared = parse_list(cursor)?;
    Ok(Namespaces {
        personal,
        others,
        shared,
    })
}

fn parse_list(cursor: &mut Cursor<'_>) -> Result<Vec<Namespace>, String> {
    let mut spaces = Vec::new();
    if !cursor.take(b'(') {
        cursor.skip_value()?;
        return Ok(spaces);
    }
    loop {
        cursor.spaces();
        if cursor.take(b')') {
            return Ok(spaces);
        }
        cursor.expect(b'(')?;
        let prefix = needed(cursor)?;
        cursor.spaces();
        let separator = match cursor.string()? {
            Text::Bytes(bytes) => String::from_utf8_lossy(&bytes).chars().next(),
            Text::Nil | Text::Body => None,
        };
        // Extensions follow as `"NAME" (…)`.
        loop {
            cursor.spaces();
            if cursor.take(b')') {
                break;
            }
            cursor.skip_value()?;
        }
        spaces.push(Namespace { prefix, separator });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imap::RawResponse;

    fn parse(text: &str) -> Result<Namespaces, String> {
        let raw = RawResponse {
            text: text.as_bytes().to_vec(),
            ..RawResponse::default()
        };
        parse_namespaces(&mut Cursor::new(&raw))
    }

    #[test]
    fn the_longest_prefix_decides() {
        let cyrus = parse(r#"(("INBOX." ".")) (("user." "." "X" ("a"))) (("" "."))"#).expect("ok");
        for (name, own) in [
            ("INBOX", true),
            ("INBOX.Sent", true),
            ("user.eva", false),
            ("user", false),
            ("Mairie", false),
        ] {
            assert_eq!(cyrus.is_own(name), own, "{name}");
        }
        let plain = parse(r#"(("" "/")) NIL (("Shared/" "/"))"#).expect("ok");
        assert!(plain.is_own("Sent") && plain.is_own("SharedStuff"));
        assert!(!plain.is_own("Shared/a") && !plain.is_own("Shared"));
        assert!(parse("NIL NIL NIL").expect("ok").is_own("anything"));
        parse("((\"").expect_err("cut");
    }
}
