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

use std::collections::{HashMap, HashSet};

use tokio::sync::mpsc;

use crate::error::EndpointError;
use crate::journal::{FolderState, ItemRecord, JournalState, Record};
use crate::model::{FolderPath, Uid};
use crate::proof::{Note, NoteKind};
use crate::source::{Delivery, Entries, FolderWork, Item, Source, SourceFolder};

/// Messages read to recognise a folder by.
const SAMPLE: usize = 4;

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

/// UIDs that both know, the smallest messages first. Where the source told only what changed, the
/// others are taken to be there: one that is not is not delivered.
fn sample(state: &FolderState, folder: &SourceFolder) -> Vec<Uid> {
    let known = |uid: &Uid| {
        state
            .items
            .get(uid)
            .map(|item| (item.size, item.source_uid))
    };
    let told_gone = |uid: &Uid| {
        let mut ranges = folder.gone.iter();
        ranges.any(|(first, last)| (first..=last).contains(&uid))
    };
    let mut common: Vec<(u64, Uid)> = match &folder.entries {
        Entries::Unchanged => Vec::new(),
        Entries::All(entries) => entries.iter().filter_map(|one| known(&one.uid)).collect(),
        Entries::Changed(_) => {
            let there = state.items.keys().filter(|uid| !state.gone.contains(uid));
            let there = there.filter(|uid| !told_gone(uid));
            there.filter_map(known).collect()
        }
    };
    common.sort_unstable();
    let mut uids: Vec<Uid> = common
        .into_iter()
        .map(|(_, uid)| uid)
        .take(SAMPLE)
        .collect();
    uids.sort_unstable();
    uids
}

/// Whether each of these messages is alike what the journal has; none when none came.
async fn messages_are(
    state: &FolderState,
    folder: &SourceFolder,
    source: &mut dyn Source,
    uids: Vec<Uid>,
    alike: impl Fn(&Item, &ItemRecord) -> bool,
) -> Result<Option<bool>, EndpointError> {
    if uids.is_empty() {
        return Ok(None);
    }
    let work = FolderWork {
        index: 0,
        name: folder.name.clone(),
        validity: folder.validity,
        uids,
    };
    let (out, mut deliveries) = mpsc::channel(1);
    let compare = async {
        let mut all: Option<bool> = None;
        while let Some(delivery) = deliveries.recv().await {
            if let Delivery::Item(_, item) = delivery {
                let record = state.items.get(&item.uid);
                let same = record.is_some_and(|record| alike(&item, record));
                all = Some(all.unwrap_or(true) && same);
            }
        }
        all
    };
    let (read, all) = futures::future::join(source.read(vec![work], out), compare).await;
    read?;
    Ok(all)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures::FutureExt;
    use futures::future::BoxFuture;

    use super::*;
    use crate::journal::FolderRecord;
    use crate::model::{FlagSet, MessageHash};
    use crate::payload::Payload;
    use crate::source::{Entry, Known};

    /// Each message's bytes are its folder's first name and its UID; it counts what is read.
    struct Server {
        first_names: HashMap<String, &'static str>,
        read: usize,
    }

    fn bytes(first_name: &str, uid: Uid) -> Bytes {
        Bytes::from(format!("Subject: {first_name} {uid}\r\n\r\n"))
    }

    impl Source for Server {
        fn survey<'a>(
            &'a mut self,
            _: &'a dyn Known,
        ) -> BoxFuture<'a, Result<Vec<SourceFolder>, EndpointError>> {
            async { Ok(Vec::new()) }.boxed()
        }

        fn read(
            &mut self,
            work: Vec<FolderWork>,
            out: mpsc::Sender<Delivery>,
        ) -> BoxFuture<'_, Result<(), EndpointError>> {
            async move {
                for folder in work {
                    let first_name = self.first_names[&folder.name];
                    for uid in folder.uids {
                        self.read += 1;
                        let item = Item {
                            uid,
                            flags: FlagSet::default(),
                            date: None,
                            payload: Payload::from_bytes(bytes(first_name, uid)),
                        };
                        let sent = out.send(Delivery::Item(folder.index, item)).await;
                        sent.expect("somebody listens");
                    }
                }
                Ok(())
            }
            .boxed()
        }
    }

    fn path(name: &str) -> FolderPath {
        FolderPath(vec![name.to_owned()])
    }

    /// A journal that knows folders by name, UIDVALIDITY and identity, three messages in each.
    fn journal(folders: &[(&str, u32, &str)]) -> JournalState {
        let mut state = JournalState::default();
        for (id, (name, validity, identity)) in (0..).zip(folders) {
            state.apply(Record::Folder(FolderRecord {
                id,
                path: path(name),
                source_validity: *validity,
                target_name: (*name).to_owned(),
                target_validity: 1,
            }));
            for uid in 1..=3 {
                let bytes = bytes(name, uid);
                let item = ItemRecord {
                    source_uid: uid,
                    target_uid: uid,
                    size: bytes.len() as u64,
                    hash: MessageHash::of(&bytes),
                    flags: FlagSet::default(),
                    date: None,
                    written: true,
                    floor: true,
                };
                state.apply(Record::Item(id, item));
            }
            state.apply(Record::Identity(id, (*identity).to_owned()));
        }
        state
    }

    /// What the source shows: name, first name, UIDVALIDITY, identity.
    async fn seen(
        journal: &JournalState,
        folders: &[(&str, &'static str, u32, &str)],
    ) -> (Moved, usize) {
        let mut server = Server {
            first_names: HashMap::new(),
            read: 0,
        };
        let entry = |uid| Entry {
            uid,
            flags: FlagSet::default(),
        };
        let mut surveyed = Vec::new();
        for (name, first_name, validity, identity) in folders {
            server.first_names.insert((*name).to_owned(), first_name);
            surveyed.push(SourceFolder {
                path: path(name),
                name: (*name).to_owned(),
                validity: *validity,
                entries: Entries::All((1..=3).map(entry).collect()),
                identity: Some((*identity).to_owned()),
                ..SourceFolder::default()
            });
        }
        let moved = recognise(journal, &mut server, &surveyed).await;
        (moved.expect("nothing fails"), server.read)
    }

    fn kinds(moved: &Moved) -> Vec<NoteKind> {
        moved.notes.iter().map(|note| note.kind).collect()
    }

    #[tokio::test]
    async fn a_false_identity_renames_nothing() {
        let known = journal(&[("A", 1, "x"), ("B", 2, "y")]);
        // Each folder now has the other's identity; then both have one that nobody knows.
        for identities in [["y", "x"], ["z", "z"]] {
            let folders = [("A", "A", 1, identities[0]), ("B", "B", 2, identities[1])];
            let (moved, _) = seen(&known, &folders).await;
            assert_eq!(moved, Moved::default());
        }
        // A new folder has the identity, and even the UIDVALIDITY, of one that is gone.
        let (moved, _) = seen(&known, &[("A", "A", 1, "x"), ("C", "C", 2, "y")]).await;
        assert_eq!(moved.records, []);
        assert_eq!(kinds(&moved), [NoteKind::FolderDeleted]);
    }

    #[tokio::test]
    async fn a_new_name_is_recognised_with_or_without_the_identity() {
        let known = journal(&[("A", 1, "x"), ("B", 2, "y")]);
        for identity in ["y", "z"] {
            let folders = [("A", "A", 1, "x"), ("C", "B", 2, identity)];
            let (moved, _) = seen(&known, &folders).await;
            assert_eq!(moved.records, [Record::Renamed(1, path("C"))]);
            assert_eq!(kinds(&moved), [NoteKind::FolderRenamed]);
        }
    }

    #[tokio::test]
    async fn where_one_uidvalidity_serves_all_the_identity_says_where_to_look() {
        let known = journal(&[("A", 7, "x"), ("B", 7, "y")]);
        let folders = [("B", "A", 7, "x"), ("C", "C", 7, "c"), ("A", "B", 7, "y")];
        let (moved, read) = seen(&known, &folders).await;
        let expected = [Record::Renamed(0, path("B")), Record::Renamed(1, path("A"))];
        assert_eq!(moved.records, expected);
        assert_eq!(moved.taken, HashSet::from([path("A"), path("B")]));
        assert_eq!(moved.replaced(), HashSet::new());
        // Both that do not stand, then both where they are now: nothing in vain.
        assert_eq!(read, 12);
    }

    #[tokio::test]
    async fn where_one_uidvalidity_serves_all_messages_tell_folders_apart() {
        let known = journal(&[("A", 7, "x"), ("B", 7, "x")]);
        let folders = [("A", "B", 7, "x"), ("B", "A", 7, "x")];
        let (moved, _) = seen(&known, &folders).await;
        let expected = [Record::Renamed(0, path("B")), Record::Renamed(1, path("A"))];
        assert_eq!(moved.records, expected);
        assert_eq!(moved.replaced(), HashSet::new());
        // B was deleted and made anew.
        let (moved, _) = seen(&known, &[("A", "A", 7, "x"), ("B", "N", 7, "x")]).await;
        assert_eq!((moved.records.as_slice(), moved.notes.len()), (&[][..], 0));
        assert_eq!(moved.replaced(), HashSet::from([path("B")]));
        // Nothing happened.
        let (moved, _) = seen(&known, &[("A", "A", 7, "x"), ("B", "B", 7, "x")]).await;
        assert_eq!(moved, Moved::default());
    }

    #[tokio::test]
    async fn a_usual_pass_reads_nothing() {
        let known = journal(&[("A", 1, "x"), ("B", 2, "y")]);
        let (moved, read) = seen(&known, &[("A", "A", 1, "x"), ("B", "B", 2, "y")]).await;
        assert_eq!((moved, read), (Moved::default(), 0));
    }
}
