//! What a survey has been refused so far. Exchange closes a connection at the tenth refusal in a row,
//! and a survey that began anew each time with the same folders would never see the others.

use std::collections::HashMap;

use crate::imap::{Completion, ListItem, Status, StatusItem};
use crate::patience::Temporary;

/// Breaks on one folder before it is set aside.
const BREAKS: u32 = 2;

/// What a survey learnt over connections that broke meanwhile.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Folders that were refused, with the server's words.
    refused: HashMap<String, String>,
    /// Folders at which a connection broke, and how often.
    broke: HashMap<String, u32>,
    /// States that were told.
    pub(super) states: HashMap<String, StatusItem>,
}

impl Memory {
    /// Grows whenever something is learnt.
    pub(super) fn size(&self) -> usize {
        let breaks: u32 = self.broke.values().sum();
        self.refused.len() + self.states.len() + breaks as usize
    }

    /// The words with which a folder was refused.
    pub(super) fn refusal(&self, name: &str) -> Option<&str> {
        self.refused.get(name).map(String::as_str)
    }

    /// Whether a folder is to be asked: not one that was refused.
    pub(super) fn is_to_be_asked(&self, name: &str) -> bool {
        !self.refused.contains_key(name)
    }

    /// Puts folders at which a connection broke behind all others.
    pub(super) fn suspects_last(&self, folders: &mut [&ListItem]) {
        folders.sort_by_key(|folder| self.broke.get(&folder.name).copied());
    }

    /// Learns from how commands ended, each about the folder in its place: all of them, or those
    /// before the connection broke. Words that ask for patience teach nothing of a folder, and are
    /// given back.
    pub(super) fn learn<'a>(
        &mut self,
        about: impl IntoIterator<Item = &'a str>,
        ended: &[Completion],
        broken: Option<&str>,
    ) -> Option<Completion> {
        let mut about = about.into_iter();
        let mut tired = None;
        for (end, name) in ended.iter().zip(about.by_ref()) {
            if end.status == Status::Ok {
                continue;
            }
            if Temporary::heard(&crate::imap::said(end)).is_some() {
                tired = Some(end.clone());
            } else {
                self.refused.insert(name.to_owned(), crate::imap::said(end));
            }
        }
        if let (Some(words), Some(name)) = (broken, about.next()) {
            let breaks = self.broke.entry(name.to_owned()).or_default();
            *breaks += 1;
            if *breaks >= BREAKS {
                self.refused.insert(name.to_owned(), words.to_owned());
            }
        }
        tired
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(status: Status, text: &str) -> Completion {
        Completion {
            tag: String::new(),
            status,
            code: None,
            text: text.to_owned(),
        }
    }

    #[test]
    fn what_was_refused_is_not_asked_again_and_what_broke_twice_neither() {
        let mut memory = Memory::default();
        let ended = [end(Status::Ok, ""), end(Status::No, "broken share")];
        let names = ["INBOX", "a", "b", "c"];
        assert_eq!(memory.learn(names, &ended, Some("closed")), None);
        assert_eq!(memory.refusal("a"), Some("broken share"));
        assert!(memory.is_to_be_asked("b") && memory.size() == 2);
        memory.learn(["b"], &[], Some("closed"));
        assert_eq!(memory.refusal("b"), Some("closed"));
        assert!(!memory.is_to_be_asked("a") && !memory.is_to_be_asked("b"));
        let tired = end(Status::No, "server busy");
        assert_eq!(
            memory.learn(["c"], std::slice::from_ref(&tired), None),
            Some(tired.clone())
        );
        assert!(memory.is_to_be_asked("c"));
    }
}
