use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::mpsc;

use super::*;
use crate::journal::FolderRecord;
use crate::model::{FlagSet, MessageHash, Uid};
use crate::payload::Payload;
use crate::source::{Delivery, Entries, Entry, FolderWork, Known};

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
