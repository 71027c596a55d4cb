//! What a target's folders take, learnt from its answers: which flags, how long, how many.
//!
//! Servers tell none of this beforehand: one refuses `\Deleted`, another keywords beyond the
//! hundredth in a folder, a third those longer than thirty bytes.

use std::collections::{HashMap, HashSet};

use crate::imap::{WireDate, WireFlags, is_system};
use crate::model::FlagSet;

/// Refusals in a row after which something is taken for a limit.
const ENOUGH: usize = 3;

/// How much of what is told about a message goes along with it, less from one to the next.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Rung {
    /// All that may.
    Whole,
    /// System flags but `\Deleted`, and flags that the folder has taken before.
    Known,
    /// No flags.
    Bare,
    /// No flags and no date.
    Undated,
}

#[derive(Debug, Default)]
struct Folder {
    taken: HashSet<String>,
    refused: HashSet<String>,
    dated: bool,
    longest_taken: usize,
    /// Lengths of refused keywords that are longer than any taken.
    too_long: Vec<usize>,
    /// Refused in a row, no longer than others that were taken.
    too_many: usize,
}

impl Folder {
    fn takes(&self, flag: &str) -> bool {
        let lower = flag.to_ascii_lowercase();
        if self.taken.contains(&lower) {
            return true;
        }
        if self.refused.contains(&lower) {
            return false;
        }
        let long = self.too_long.len() >= ENOUGH
            && self
                .too_long
                .iter()
                .min()
                .is_some_and(|limit| flag.len() >= *limit);
        is_system(flag) || !(long || self.too_many >= ENOUGH)
    }

    fn is_new(&self, flag: &str) -> bool {
        !self.taken.contains(&flag.to_ascii_lowercase())
    }
}

/// What a target is known to take.
#[derive(Debug, Default)]
pub(super) struct Learnt {
    folders: HashMap<String, Folder>,
    /// Keywords that the target has parsed, in this very spelling.
    parsed: HashSet<String>,
    /// It refused to parse a line that it should have: every literal waits.
    wary: bool,
}

impl Learnt {
    /// The flags of a message that go to a folder.
    pub(super) fn flags(&self, folder: &str, flags: &FlagSet, rung: Rung) -> WireFlags {
        if rung >= Rung::Bare {
            return WireFlags::default();
        }
        let flags = WireFlags::of(flags);
        let Some(folder) = self.folders.get(folder) else {
            return flags.filtered(|flag| rung == Rung::Whole || is_core(flag));
        };
        flags.filtered(|flag| {
            let known = rung == Rung::Whole || is_core(flag) || !folder.is_new(flag);
            known && folder.takes(flag)
        })
    }

    /// The rung after `rung`, when it leaves out something that may be at fault.
    pub(super) fn next(
        &self,
        folder: &str,
        (flags, date): (&FlagSet, Option<WireDate>),
        rung: Rung,
    ) -> Option<Rung> {
        let known = self.folders.get(folder);
        let sent = self.flags(folder, flags, rung);
        let is_new = |flag: &str| known.is_none_or(|folder| folder.is_new(flag));
        let fewer = self.flags(folder, flags, Rung::Known);
        if rung < Rung::Known && fewer != sent && !fewer.set().is_empty() {
            return Some(Rung::Known);
        }
        if rung < Rung::Bare && sent.set().iter().any(is_new) {
            return Some(Rung::Bare);
        }
        let proven = known.is_some_and(|folder| folder.dated);
        let suspect = date.is_some_and(|date| !(proven && date.is_usual()));
        (rung < Rung::Undated && suspect).then_some(Rung::Undated)
    }

    /// Whether the target must be asked before a message's bytes are sent. `asked` gains the
    /// keywords that it is asked about: what stands behind them in the same command goes out once
    /// it has understood them.
    pub(super) fn asks(
        &self,
        flags: &WireFlags,
        date: Option<WireDate>,
        asked: &mut HashSet<String>,
    ) -> bool {
        let mut asks = self.wary || date.is_some_and(|date| !date.is_usual());
        for flag in flags.set().iter().filter(|flag| !is_system(flag)) {
            asks |= !self.parsed.contains(flag) && asked.insert(flag.to_owned());
        }
        asks
    }

    /// The target understood a line with these flags.
    pub(super) fn parsed(&mut self, flags: &WireFlags) {
        for flag in flags.set().iter().filter(|flag| !is_system(flag)) {
            self.parsed.insert(flag.to_owned());
        }
    }

    /// Whether an answer about these flags teaches something.
    pub(super) fn is_news(&self, folder: &str, flags: &WireFlags, dated: bool) -> bool {
        let Some(known) = self.folders.get(folder) else {
            return true;
        };
        dated && !known.dated || flags.set().iter().any(|flag| known.is_new(flag))
    }

    /// A folder took a message with these flags.
    pub(super) fn took(&mut self, folder: &str, flags: &WireFlags, dated: bool) {
        self.parsed(flags);
        let known = self.folders.entry(folder.to_owned()).or_default();
        known.dated |= dated;
        for flag in flags.set().iter() {
            if known.taken.insert(flag.to_ascii_lowercase()) && !is_system(flag) {
                known.longest_taken = known.longest_taken.max(flag.len());
                let longest = known.longest_taken;
                known.too_long.retain(|length| *length > longest);
                known.too_many = 0;
            }
        }
    }

    /// A folder did not take this flag.
    pub(super) fn refused(&mut self, folder: &str, flag: &str) {
        let known = self.folders.entry(folder.to_owned()).or_default();
        if !known.refused.insert(flag.to_ascii_lowercase()) || is_system(flag) {
            return;
        }
        if flag.len() > known.longest_taken {
            known.too_long.push(flag.len());
        } else {
            known.too_many += 1;
        }
    }

    /// The target did not understand a line: from now on each literal waits.
    pub(super) fn beware(&mut self) {
        self.wary = true;
    }

    /// Whether each literal waits.
    pub(super) fn is_wary(&self) -> bool {
        self.wary
    }
}

/// Flags that nearly every server takes. Some refuse new mail that is deleted already.
fn is_core(flag: &str) -> bool {
    is_system(flag) && !flag.eq_ignore_ascii_case("\\Deleted")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::InternalDate;

    fn set(text: &str) -> FlagSet {
        FlagSet::new(text.split(' '))
    }

    fn wire(text: &str) -> WireFlags {
        WireFlags::of(&set(text))
    }

    fn date(unix: i64) -> Option<WireDate> {
        WireDate::of(InternalDate {
            unix,
            offset_minutes: 0,
        })
    }

    #[test]
    fn what_is_new_may_be_at_fault_and_what_was_taken_may_not() {
        let mut learnt = Learnt::default();
        let flags = set("\\Seen \\Deleted x");
        let ladder = |learnt: &Learnt, flags: &FlagSet, date| {
            let mut rungs = vec![Rung::Whole];
            while let Some(next) = learnt.next("A", (flags, date), rungs[rungs.len() - 1]) {
                rungs.push(next);
            }
            rungs
        };
        let all = [Rung::Whole, Rung::Known, Rung::Bare, Rung::Undated];
        assert_eq!(ladder(&learnt, &flags, date(1)), all);
        assert_eq!(learnt.flags("A", &flags, Rung::Known), wire("\\Seen"));
        assert_eq!(ladder(&learnt, &flags, None), all[..3]);
        learnt.took("A", &wire("\\Seen x"), true);
        assert_eq!(ladder(&learnt, &set("\\Seen x"), date(1)), all[..1]);
        assert_eq!(ladder(&learnt, &flags, date(1)), all[..2]);
        assert_eq!(learnt.flags("A", &flags, Rung::Known), wire("\\Seen x"));
        // An odd date may be at fault after all, and another folder is another matter.
        assert_eq!(
            ladder(&learnt, &set("x"), date(-1)),
            [Rung::Whole, Rung::Undated]
        );
        assert!(learnt.next("B", (&set("x"), None), Rung::Whole).is_some());
        learnt.refused("A", "\\Deleted");
        assert_eq!(learnt.flags("A", &flags, Rung::Whole), wire("\\Seen x"));
    }

    #[test]
    fn a_limit_on_length_leaves_the_short_ones() {
        let mut learnt = Learnt::default();
        learnt.took("A", &wire("abc"), true);
        for length in [40, 31, 50] {
            learnt.refused("A", &"k".repeat(length));
        }
        assert_eq!(
            learnt.flags("A", &set(&"j".repeat(31)), Rung::Whole),
            WireFlags::default()
        );
        let short = "j".repeat(30);
        assert_eq!(learnt.flags("A", &set(&short), Rung::Whole), wire(&short));
        assert!(learnt.folders["A"].takes("abc") && learnt.folders["A"].takes("\\Flagged"));
    }

    #[test]
    fn a_limit_on_number_leaves_those_that_are_there() {
        let mut learnt = Learnt::default();
        learnt.took("A", &wire("mot-1 mot-2"), true);
        for name in ["mot-3", "mot-4"] {
            learnt.refused("A", name);
        }
        assert_eq!(learnt.flags("A", &set("mot-6"), Rung::Whole), wire("mot-6"));
        learnt.refused("A", "mot-5");
        assert_eq!(
            learnt.flags("A", &set("MOT-1 mot-6 \\Seen"), Rung::Whole),
            wire("MOT-1 \\Seen")
        );
        assert_eq!(learnt.flags("B", &set("mot-6"), Rung::Whole), wire("mot-6"));
    }

    #[test]
    fn a_line_is_trusted_once_it_was_parsed() {
        let mut learnt = Learnt::default();
        let mut asked = HashSet::new();
        assert!(!learnt.asks(&wire("\\Seen \\Draft"), date(1), &mut asked));
        assert!(learnt.asks(&wire(""), date(-1), &mut asked));
        // Once in one command, and again in the next as long as no answer came.
        assert!(learnt.asks(&wire("\\Seen x"), date(1), &mut asked));
        assert!(!learnt.asks(&wire("x"), date(1), &mut asked));
        assert!(learnt.asks(&wire("x y"), date(1), &mut HashSet::new()));
        learnt.parsed(&wire("x"));
        assert!(!learnt.asks(&wire("\\Seen x"), date(1), &mut HashSet::new()));
        // In another spelling it is another word, as far as is known.
        assert!(learnt.asks(&wire("X"), date(1), &mut HashSet::new()));
        learnt.beware();
        assert!(learnt.asks(&wire(""), None, &mut asked));
    }
}
