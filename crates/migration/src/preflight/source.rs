//! A light scan of a source: folders, messages, bytes, rights, and a bounded sample of its speed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Reach;
use super::speed::Speed;
use crate::account::{Endpoint, Origin};
use crate::context::Context;
use crate::error::EndpointError;
use crate::imap::{Command, ImapError, ListItem, MailboxName, Session, Status, Untagged, extent};
use crate::journal::Watermark;
use crate::model::{FolderPath, Role, Uid};
use crate::patience::{Side, Teller};
use crate::payload::{BodySink, Room};
use crate::source::imap::{list_source, open};
use crate::source::{self, Entries, Known};

/// Bytes of the sample, at most about.
const SAMPLE_BYTES: u64 = 4 << 20;
/// Messages of the sample, at most.
const SAMPLE_MESSAGES: u64 = 200;
/// Time of the sample, at most.
const SAMPLE_TIME: Duration = Duration::from_secs(10);
/// A sample shorter than this says little of a line's speed.
const SHORTEST: Duration = Duration::from_millis(1);

/// One folder.
#[derive(Clone, Debug, Default)]
pub(super) struct Folder {
    pub(super) path: FolderPath,
    pub(super) validity: u32,
    pub(super) messages: u64,
    pub(super) bytes: u64,
    pub(super) subscribed: bool,
    /// What it is for.
    pub(super) role: Option<Role>,
    /// Messages above the limit: UID and size.
    pub(super) too_large: Vec<(Uid, u64)>,
    /// Others that have rights on it.
    pub(super) others: Vec<String>,
    /// Why it cannot be read.
    pub(super) unreadable: Option<String>,
}

/// What a source holds.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) folders: Vec<Folder>,
    pub(super) sample: Option<Speed>,
}

/// Scans a source; `limit` is the largest message that the target takes.
pub(super) async fn scan(
    origin: &Origin,
    reach: &Reach,
    limit: Option<u64>,
) -> Result<Scan, EndpointError> {
    match origin {
        Origin::Imap(endpoint) => Ok(imap(endpoint, reach, limit).await?),
        Origin::Files(_) => files(origin, reach).await,
    }
}

async fn imap(endpoint: &Endpoint, reach: &Reach, limit: Option<u64>) -> Result<Scan, ImapError> {
    let mut session = open(
        endpoint,
        reach.timeouts,
        &mut reach.patience(Side::Source),
        &reach.gate,
    )
    .await?;
    let listing = list_source(&mut session).await?;
    let names = listing.folders.iter().map(|f| MailboxName::of(&f.name));
    let names: Vec<MailboxName> = names.collect::<Result<_, _>>()?;
    let texts = listing.folders.iter().map(|f| f.name.as_str());
    let paths = listing.style.read_all(&texts.collect::<Vec<_>>());
    let mut folders: Vec<Folder> = listing
        .folders
        .iter()
        .zip(&paths)
        .map(|(item, path)| folder(item, path, &listing))
        .collect();
    let sizes = extent::folder_sizes(&mut session, &names).await?;
    for (index, folder) in folders.iter_mut().enumerate() {
        let told = sizes.as_ref().and_then(|sizes| sizes[index]);
        weigh(&mut session, &names[index], folder, told, limit).await?;
    }
    let rights = extent::rights(&mut session, &names).await?;
    for (folder, (mine, all)) in folders.iter_mut().zip(rights) {
        if mine.is_some_and(|mine| !mine.contains('r')) && folder.unreadable.is_none() {
            folder.unreadable = Some("the user has no right to read it".to_owned());
        }
        folder.others = all
            .into_iter()
            .flatten()
            .filter(|(whose, _)| *whose != endpoint.user && whose != "owner")
            .map(|(whose, rights)| format!("{whose} {rights}"))
            .collect();
    }
    let sample = sample(&mut session, &names, &folders).await?;
    Ok(Scan { folders, sample })
}

fn folder(item: &ListItem, path: &FolderPath, listing: &crate::source::imap::Listing) -> Folder {
    let state = listing.states.get(&item.name);
    Folder {
        path: path.clone(),
        validity: state.map_or(0, |state| state.uid_validity),
        messages: state.map_or(0, |state| u64::from(state.messages)),
        subscribed: listing.subscribed.contains(&item.name),
        role: Role::among(item.attributes.iter().map(String::as_str)),
        unreadable: state
            .is_none()
            .then(|| "the server tells no STATUS for it".to_owned()),
        ..Folder::default()
    }
}

/// Fills in bytes, and the messages above the limit when one is set and may be passed.
async fn weigh(
    session: &mut Session,
    name: &MailboxName,
    folder: &mut Folder,
    told: Option<u64>,
    limit: Option<u64>,
) -> Result<(), ImapError> {
    if folder.messages == 0 || folder.unreadable.is_some() {
        return Ok(());
    }
    if let Some(bytes) = told.filter(|bytes| limit.is_none_or(|limit| *bytes <= limit)) {
        folder.bytes = bytes;
        return Ok(());
    }
    let (mut bytes, mut too_large) = (0, Vec::new());
    let read = extent::message_sizes(session, name, |uid, size| {
        bytes += size;
        if limit.is_some_and(|limit| size > limit) {
            too_large.push((uid, size));
        }
    });
    folder.unreadable = read.await?.err();
    (folder.bytes, folder.too_large) = (bytes, too_large);
    Ok(())
}

/// Reads a few messages of the largest folder, and tells how fast they came.
async fn sample(
    session: &mut Session,
    names: &[MailboxName],
    folders: &[Folder],
) -> Result<Option<Speed>, ImapError> {
    let readable = folders
        .iter()
        .enumerate()
        .filter(|(_, folder)| folder.messages > 0 && folder.unreadable.is_none());
    let Some((index, largest)) = readable.max_by_key(|(_, folder)| folder.bytes) else {
        return Ok(None);
    };
    let mean = (largest.bytes / largest.messages).max(1);
    let count = (SAMPLE_BYTES / mean).clamp(1, SAMPLE_MESSAGES.min(largest.messages));
    let examine = Command::new("EXAMINE").mailbox(&names[index]);
    if session.run(&examine, |_| {}).await?.status != Status::Ok {
        return Ok(None);
    }
    let (begun, mut messages, mut bytes) = (Instant::now(), 0, 0);
    let fetch = Command::new("FETCH")
        .first(count)
        .words("(UID BODY.PEEK[])");
    let tag = session.send(&fetch).await?;
    let reading = session.wait(&tag, &BodySink::HashOnly, |untagged| {
        if let Untagged::Fetch(item) = untagged
            && let Some(body) = item.body
        {
            messages += 1;
            bytes += body.size;
        }
    });
    // What came until the time is up counts; the connection is not used any more.
    if let Ok(read) = tokio::time::timeout(SAMPLE_TIME, reading).await {
        read?;
    }
    let time = begun.elapsed();
    Ok((messages > 0 && time > SHORTEST).then_some(Speed {
        messages,
        bytes,
        seconds: time.as_secs_f64(),
    }))
}

struct Nothing;

impl Known for Nothing {
    fn complete(&self, _: &FolderPath) -> Option<(u32, Watermark)> {
        None
    }
}

/// Files are walked once; their bytes are those on disk.
async fn files(origin: &Origin, reach: &Reach) -> Result<Scan, EndpointError> {
    let Origin::Files(files) = origin else {
        return Ok(Scan::default());
    };
    let failed = |source| EndpointError::Io {
        path: files.path.clone(),
        source,
    };
    // What numbers the items goes to a folder of its own, which is dropped.
    let directory = tempfile::tempdir().map_err(failed)?;
    let context = Context {
        timeouts: reach.timeouts,
        backoff: reach.backoff,
        room: Room::new(1 << 20, 1 << 20, directory.path()),
        gate: Arc::clone(&reach.gate),
        teller: Teller::default(),
        directory: directory.path().to_owned(),
    };
    let begun = Instant::now();
    let surveyed = source::open(origin, &context)?.survey(&Nothing).await?;
    let time = begun.elapsed();
    let count = |entries: &Entries| match entries {
        Entries::Unchanged => 0,
        Entries::Changed(entries) | Entries::All(entries) => entries.len() as u64,
    };
    let folders: Vec<Folder> = surveyed
        .into_iter()
        .map(|one| Folder {
            messages: count(&one.entries),
            validity: one.validity,
            subscribed: one.subscribed,
            role: one.role,
            unreadable: one.unreadable,
            path: one.path,
            ..Folder::default()
        })
        .collect();
    let path = files.path.clone();
    let bytes = tokio::task::spawn_blocking(move || on_disk(&path)).await;
    let bytes = bytes.map_err(|error| failed(std::io::Error::other(error)))?;
    Ok(spread(folders, bytes.map_err(failed)?, time))
}

/// A file tells no size per folder: it is spread by messages.
fn spread(mut folders: Vec<Folder>, bytes: u64, time: Duration) -> Scan {
    let messages: u64 = folders.iter().map(|folder| folder.messages).sum();
    for folder in &mut folders {
        let share = u128::from(bytes) * u128::from(folder.messages);
        folder.bytes = u64::try_from(share / u128::from(messages.max(1))).unwrap_or(bytes);
    }
    let sample = (messages > 0 && time > SHORTEST).then_some(Speed {
        messages,
        bytes,
        seconds: time.as_secs_f64(),
    });
    Scan { folders, sample }
}

fn on_disk(path: &Path) -> std::io::Result<u64> {
    let (mut total, mut left) = (0, vec![PathBuf::from(path)]);
    while let Some(path) = left.pop() {
        let metadata = std::fs::symlink_metadata(&path)?;
        if metadata.is_dir() {
            for entry in std::fs::read_dir(&path)? {
                left.push(entry?.path());
            }
        } else if metadata.is_file() {
            total += metadata.len();
        }
    }
    Ok(total)
}
