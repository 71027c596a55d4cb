//! Folders that show what others hold: Gmail's All Mail, Important and Starred, the virtual folders of
//! other servers. Of a view only what no other copied folder has is copied.
//!
//! Whether another folder has it is judged by the bytes. What was left out is journalled with its
//! hash, and left out again only while another folder still has it.

use std::collections::{HashMap, HashSet};

use super::writer::Writer;
use crate::error::MigrationError;
use crate::journal::{JournalState, Record};
use crate::model::{FolderPath, MessageHash, Role, Uid};
use crate::source::{Item, SourceFolder, View};

/// Records of what was left out that are written at once.
const AT_ONCE: usize = 500;

/// Where each message is.
#[derive(Debug, Default)]
pub(super) struct Views {
    /// None for one that a place of its own has, else the view that has it.
    at: HashMap<MessageHash, Option<FolderPath>>,
}

impl Views {
    /// What the journal's folders have; none where the source has no view.
    pub(super) fn of(journal: &JournalState, surveyed: &[SourceFolder]) -> Option<Self> {
        let views: HashSet<&FolderPath> = surveyed
            .iter()
            .filter(|folder| folder.view != View::None)
            .map(|folder| &folder.path)
            .collect();
        if views.is_empty() {
            return None;
        }
        let forgotten: HashSet<&FolderPath> = surveyed
            .iter()
            .filter(|folder| !keeps(folder))
            .map(|folder| &folder.path)
            .collect();
        let mut found = Self::default();
        for state in journal.folders() {
            let path = &state.record.path;
            for item in state.items.iter().filter(|_| !forgotten.contains(path)) {
                found.add(item.hash, views.contains(path).then_some(path));
            }
        }
        Some(found)
    }

    /// Takes note of a message; `view` when it is in a view alone.
    fn add(&mut self, hash: MessageHash, view: Option<&FolderPath>) {
        match view {
            Some(path) => {
                self.at.entry(hash).or_insert_with(|| Some(path.clone()));
            }
            None => {
                self.at.insert(hash, None);
            }
        }
    }

    /// Whether another folder than this view has a message.
    pub(super) fn elsewhere(&self, hash: MessageHash, view: &FolderPath) -> bool {
        match self.at.get(&hash) {
            None => false,
            Some(None) => true,
            Some(Some(other)) => other != view,
        }
    }
}

/// What a folder is for may be to lose what is in it.
fn keeps(folder: &SourceFolder) -> bool {
    !matches!(folder.role, Some(Role::Trash | Role::Junk))
}

impl Writer<'_> {
    /// Leaves a view's message out when another folder has it, else gives it back.
    pub(super) fn in_view(
        &mut self,
        folder: usize,
        item: Item,
    ) -> Result<Option<Item>, MigrationError> {
        let Some(views) = &mut self.views else {
            return Ok(Some(item));
        };
        let source = &self.folders[folder].source;
        let hash = item.payload.hash;
        if source.view == View::None {
            if keeps(source) {
                views.add(hash, None);
            }
            return Ok(Some(item));
        }
        if !views.elsewhere(hash, &source.path) {
            views.add(hash, Some(&source.path));
            return Ok(Some(item));
        }
        self.left_out.push((folder, item.uid, hash));
        if self.left_out.len() >= AT_ONCE {
            self.note_left_out()?;
        }
        Ok(None)
    }

    /// Journals what was left out.
    pub(super) fn note_left_out(&mut self) -> Result<(), MigrationError> {
        let mut by_folder: HashMap<usize, Vec<(Uid, MessageHash)>> = HashMap::new();
        for (folder, uid, hash) in std::mem::take(&mut self.left_out) {
            by_folder.entry(folder).or_default().push((uid, hash));
        }
        let records = by_folder
            .into_iter()
            .map(|(folder, messages)| Record::LeftOut(self.folders[folder].id, messages));
        self.journal.append(records.collect())
    }
}
