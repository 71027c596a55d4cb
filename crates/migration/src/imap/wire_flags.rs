//! Flags that a command may carry.

use std::fmt;

use crate::model::FlagSet;

/// The system flags of RFC 9051 that a client may set.
const SYSTEM: [&str; 5] = ["\\Answered", "\\Deleted", "\\Draft", "\\Flagged", "\\Seen"];
/// Bytes of all of a message's flags together: beyond, servers refuse the line for its length
/// (RFC 7162, 4, asks them for 8192 bytes).
const MOST: usize = 4096;

/// Flags that a command may carry: system flags of RFC 9051, and keywords that are atoms. Old
/// servers hand out others, and whoever writes a mail may write `X-Keywords` into it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct WireFlags(FlagSet);

impl WireFlags {
    /// Those of `flags` that a command may carry.
    pub fn of(flags: &FlagSet) -> Self {
        if flags.iter().all(may_travel) && length(flags) <= MOST {
            return Self(flags.clone());
        }
        let mut left = MOST;
        let fits = |flag: &&str| {
            let room = left
                .checked_sub(flag.len() + 1)
                .filter(|_| may_travel(flag));
            left = room.unwrap_or(left);
            room.is_some()
        };
        // System flags count more than keywords, and the set has them last.
        let mut kept: Vec<&str> = flags.iter().collect();
        kept.sort_by_key(|flag| !is_system(flag));
        Self(FlagSet::new(kept.into_iter().filter(fits)))
    }

    /// Those of them that `keep` wants.
    #[must_use]
    pub fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        if self.0.iter().all(&keep) {
            return self.clone();
        }
        Self(FlagSet::new(self.0.iter().filter(|flag| keep(flag))))
    }

    /// The flags.
    pub fn set(&self) -> &FlagSet {
        &self.0
    }
}

impl fmt::Display for WireFlags {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

fn length(flags: &FlagSet) -> usize {
    flags.iter().map(|flag| flag.len() + 1).sum()
}

/// True for a system flag that a client may set.
pub(crate) fn is_system(flag: &str) -> bool {
    SYSTEM.iter().any(|known| known.eq_ignore_ascii_case(flag))
}

fn may_travel(flag: &str) -> bool {
    is_system(flag) || (!flag.is_empty() && flag.bytes().all(is_atom))
}

/// ATOM-CHAR of RFC 9051.
fn is_atom(byte: u8) -> bool {
    (b'!'..=b'~').contains(&byte) && !b"(){%*\"\\]".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(flags: &[&str]) -> String {
        WireFlags::of(&FlagSet::new(flags.iter().copied())).to_string()
    }

    #[test]
    fn what_is_no_flag_of_the_standard_stays_behind() {
        assert_eq!(
            kept(&["\\seen", "$Forwarded", "Travail"]),
            "$Forwarded Travail \\Seen"
        );
        for odd in [
            "\\Indexed",
            "\\*",
            "\\",
            "Réunion",
            "ab\"c",
            ")",
            "a(b",
            "{3}",
            "{3+}",
            "a%",
            "50*",
            "[x]",
            "\u{7f}",
            "\0",
            "a\u{b}b",
        ] {
            assert_eq!(kept(&[odd, "\\Seen"]), "\\Seen", "{odd:?}");
        }
    }

    #[test]
    fn a_line_stays_short_and_keeps_what_counts() {
        let many: Vec<String> = (0..1000).map(|number| format!("mot-{number:04}")).collect();
        let all = many
            .iter()
            .map(String::as_str)
            .chain(["\\Seen", "\\Flagged"]);
        let flags = WireFlags::of(&FlagSet::new(all));
        assert!(flags.to_string().len() <= MOST);
        assert!(flags.set().contains("\\Seen") && flags.set().contains("\\Flagged"));
        assert!(flags.set().iter().count() > 300);
    }
}
