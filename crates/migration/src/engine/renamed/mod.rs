//! Folders that moved or went away at the source between two passes.
//!
//! A renamed folder is recognised by its UIDVALIDITY and by messages that have the same UID and the
//! same bytes. The server's own identity for it (MAILBOXID, RFC 8474) only says where to look
//! first: there are servers whose identities are false. It keeps its place at the target: its
//! journal follows the new path, so nothing is copied twice. A folder that is gone leaves what was
//! copied at the target.
//!
//! Servers that give several folders one UIDVALIDITY do not tell when another folder took a name:
//! where one of them changed, some of its messages are compared before the journal is believed.

mod alike;

use std::collections::{HashMap, HashSet};

use self::alike::{messages_are, sample};
use crate::error::EndpointError;
use crate::journal::{FolderState, ItemRecord, JournalState, Record};
use crate::model::FolderPath;
use crate::proof::{Note, NoteKind};
use crate::source::{Item, Source, SourceFolder};

/// What became of the journal's folders.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Moved {
    pub(super) records: Vec<Record>,
    pub(super) notes: Vec<Note>,
    /// Paths whose UIDVALIDITY is as it was and whose messages are another folder's: what changed
    /// since the journalled state is not all that they hold.
    pub(super) taken: HashSet<FolderPath>,
}

impl Moved {
    /// Taken paths that no journalled folder moved to: the journal knows nothing of what is there.
    pub(super) fn replaced(&self) -> HashSet<FolderPath> {
        let filled = self.records.iter().filter_map(|record| match record {
            Record::Renamed(_, path) => Some(path),
            _ => None,
        });
        let filled: HashSet<&FolderPath> = filled.collect();
        let taken = self.taken.iter().filter(|path| !filled.contains(path));
        taken.cloned().collect()
    }
}

/// What stands at a path that the journal knows.
enum Standing {
    Same,
    /// Its UIDVALIDITY says so.
    Renumbered,
    /// Its messages say so.
    Another,
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
    let mut moved = Moved::default();
    let mut standing: HashSet<&FolderPath> = HashSet::new();
    let mut sharing: HashMap<u32, usize> = HashMap::new();
    for folder in surveyed {
        *sharing.entry(folder.validity).or_default() += 1;
    }
    for folder in surveyed {
        let Some(state) = journal.folder(&folder.path) else {
            continue;
        };
        let shared = sharing.get(&folder.validity) > Some(&1);
        match stands(folder, state, shared, source).await? {
            Standing::Same => {
                standing.insert(&folder.path);
            }
            Standing::Renumbered => {}
            Standing::Another => {
                moved.taken.insert(folder.path.clone());
            }
        }
    }
    let mut lost: Vec<&FolderState> = journal
        .folders()
        .filter(|state| !state.items.is_empty() && !standing.contains(&state.record.path))
        .collect();
    lost.sort_by(|a, b| a.record.path.cmp(&b.record.path));
    let mut fresh: Vec<&SourceFolder> = surveyed
        .iter()
        .filter(|folder| folder.unreadable.is_none() && !standing.contains(&folder.path))
        .collect();
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
async fn stands(
    folder: &SourceFolder,
    state: &FolderState,
    shared: bool,
    source: &mut dyn Source,
) -> Result<Standing, EndpointError> {
    if folder.unreadable.is_some() {
        return Ok(Standing::Same);
    }
    if folder.validity != state.record.source_validity {
        return Ok(Standing::Renumbered);
    }
    let other = match (&folder.identity, &state.identity) {
        (Some(now), Some(then)) => now != then,
        _ => false,
    };
    // Path and UIDVALIDITY say that it is the same one; its identity may say that it is not, or the
    // UIDVALIDITY say nothing. Where no message can tell, neither is believed.
    let doubtful = other || shared && state.complete != Some(folder.watermark);
    if !doubtful {
        return Ok(Standing::Same);
    }
    let uids = sample(state, folder);
    // A server may show one message in several ways; its date and size stay.
    let same = messages_are(state, folder, source, uids, |item, record| {
        let dated = record.date.is_some() && item.date == record.date;
        item.payload.hash == record.hash || dated && item.payload.size == record.size
    });
    Ok(match same.await? {
        Some(false) => Standing::Another,
        Some(true) | None => Standing::Same,
    })
}

/// The surveyed folder that a journalled one became.
async fn find(
    state: &FolderState,
    fresh: &[&SourceFolder],
    source: &mut dyn Source,
) -> Result<Option<usize>, EndpointError> {
    let mut candidates: Vec<usize> = (0..fresh.len())
        .filter(|index| fresh[*index].path != state.record.path)
        .filter(|index| fresh[*index].validity == state.record.source_validity)
        .collect();
    let like = |index: &usize| state.identity.is_some() && fresh[*index].identity == state.identity;
    candidates.sort_by_key(|index| !like(index));
    for index in candidates {
        let uids = sample(state, fresh[index]);
        let alike = |item: &Item, record: &ItemRecord| item.payload.hash == record.hash;
        if messages_are(state, fresh[index], source, uids, alike).await? == Some(true) {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
