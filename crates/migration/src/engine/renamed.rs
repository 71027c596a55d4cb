//! Folders that moved or went away at the source between two passes.
//!
//! A renamed folder is recognised by the server's own identity for it (RFC 8474) or, where there
//! is none, by its UIDVALIDITY and by messages that have the same UID and the same bytes. It keeps
//! its place at the target: its journal follows the new path, so nothing is copied twice. A folder
//! that is gone leaves what was copied at the target.

use std::collections::HashMap;

use tokio::sync::mpsc;

use crate::error::EndpointError;
use crate::journal::{FolderState, JournalState, Record};
use crate::model::{FolderPath, MessageHash, Uid};
use crate::proof::{Note, NoteKind};
use crate::source::{Delivery, Entries, FolderWork, Source, SourceFolder};

/// Messages read to recognise a folder by.
const SAMPLE: usize = 4;

/// What became of the journal's folders.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Moved {
    pub(super) records: Vec<Record>,
    pub(super) notes: Vec<Note>,
}

/// Compares the journal's folders with the survey.
pub(super) async fn recognise(
    journal: &JournalState,
    source: &mut dyn Source,
    surveyed: &[SourceFolder],
) -> Result<Moved, EndpointError> {
    let seen: HashMap<&FolderPath, &SourceFolder> = surveyed
        .iter()
        .map(|folder| (&folder.path, folder))
        .collect();
    let mut lost: Vec<&FolderState> = journal
        .folders()
        .filter(|state| !state.items.is_empty())
        .filter(|state| {
            !seen
                .get(&state.record.path)
                .is_some_and(|s| stands(s, state))
        })
        .collect();
    lost.sort_by(|a, b| a.record.path.cmp(&b.record.path));
    let mut fresh: Vec<&SourceFolder> = surveyed
        .iter()
        .filter(|folder| folder.unreadable.is_none())
        .filter(|folder| {
            !journal
                .folder(&folder.path)
                .is_some_and(|s| stands(folder, s))
        })
        .collect();
    let mut moved = Moved::default();
    for state in lost {
        let found = find(state, &fresh, source).await?;
        let note = |kind, detail| Note {
            kind,
            folder: state.record.path.to_string(),
            detail,
        };
        let name = &state.record.target_name;
        if let Some(index) = found {
            let folder = fresh.remove(index);
            let path = folder.path.clone();
            let detail = format!("now \"{path}\" at the source; still {name} at the target");
            moved.notes.push(note(NoteKind::FolderRenamed, detail));
            moved.records.push(Record::Renamed(state.record.id, path));
        } else if !seen.contains_key(&state.record.path) {
            let count = state.items.len();
            let detail = format!("{count} messages stay in {name} at the target");
            moved.notes.push(note(NoteKind::FolderDeleted, detail));
        }
    }
    Ok(moved)
}

/// Whether the folder at a path is still the one that the journal knows there. A folder that
/// cannot be read now is not taken for another one.
fn stands(folder: &SourceFolder, state: &FolderState) -> bool {
    if folder.unreadable.is_some() {
        return true;
    }
    match (&folder.identity, &state.identity) {
        (Some(now), Some(then)) => now == then,
        _ => folder.validity == state.record.source_validity,
    }
}

/// The surveyed folder that a journalled one became.
async fn find(
    state: &FolderState,
    fresh: &[&SourceFolder],
    source: &mut dyn Source,
) -> Result<Option<usize>, EndpointError> {
    for (index, folder) in fresh.iter().enumerate() {
        if folder.path == state.record.path || folder.validity != state.record.source_validity {
            continue;
        }
        let same = match (&folder.identity, &state.identity) {
            (Some(now), Some(then)) => now == then,
            _ => same_messages(state, folder, source).await?,
        };
        if same {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

/// UIDs that both know, the smallest messages first.
fn sample(state: &FolderState, folder: &SourceFolder) -> Vec<Uid> {
    let (Entries::All(entries) | Entries::Changed(entries)) = &folder.entries else {
        return Vec::new();
    };
    let mut common: Vec<(u64, Uid)> = entries
        .iter()
        .filter_map(|entry| state.items.get(&entry.uid))
        .map(|item| (item.size, item.source_uid))
        .collect();
    common.sort_unstable();
    let mut uids: Vec<Uid> = common
        .into_iter()
        .map(|(_, uid)| uid)
        .take(SAMPLE)
        .collect();
    uids.sort_unstable();
    uids
}

async fn same_messages(
    state: &FolderState,
    folder: &SourceFolder,
    source: &mut dyn Source,
) -> Result<bool, EndpointError> {
    let uids = sample(state, folder);
    if uids.is_empty() {
        return Ok(false);
    }
    let work = FolderWork {
        index: 0,
        name: folder.name.clone(),
        validity: folder.validity,
        uids,
    };
    let (out, mut deliveries) = mpsc::channel(1);
    let collect = async {
        let mut hashes: Vec<(Uid, MessageHash)> = Vec::new();
        while let Some(delivery) = deliveries.recv().await {
            if let Delivery::Item(_, item) = delivery {
                hashes.push((item.uid, item.payload.hash));
            }
        }
        hashes
    };
    let (read, hashes) = futures::future::join(source.read(vec![work], out), collect).await;
    read?;
    let alike = |(uid, hash): &(Uid, MessageHash)| {
        state.items.get(uid).is_some_and(|item| item.hash == *hash)
    };
    Ok(!hashes.is_empty() && hashes.iter().all(alike))
}
