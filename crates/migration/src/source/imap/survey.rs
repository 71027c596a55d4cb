//! Lists folders and messages in as few round trips as the server allows.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::imap::{ImapError, ListItem, Response, Session, Status, StatusItem, Untagged, quote};
use crate::journal::Watermark;
use crate::mapping::NameStyle;
use crate::model::FolderPath;
use crate::payload::BodySink;
use crate::source::{Entries, Entry, Known, SourceFolder};

/// Commands in flight.
const WINDOW: usize = 32;

/// A server's folders as its LIST tells them.
pub(crate) struct Listing {
    pub(crate) style: NameStyle,
    pub(crate) folders: Vec<ListItem>,
    pub(crate) subscribed: HashSet<String>,
    pub(crate) states: HashMap<String, StatusItem>,
}

/// Runs commands with up to [`WINDOW`] in flight; every untagged response goes to `on` with the
/// index of the command it belongs to; returns how each ended.
pub(crate) async fn pipeline(
    session: &mut Session,
    commands: &[String],
    mut on: impl FnMut(usize, Untagged),
) -> Result<Vec<crate::imap::Completion>, ImapError> {
    let mut ended = Vec::with_capacity(commands.len());
    let mut sent = 0;
    let mut tags: VecDeque<String> = VecDeque::new();
    while ended.len() < commands.len() {
        if tags.len() <= WINDOW / 2 && sent < commands.len() {
            let until = commands.len().min(ended.len() + WINDOW);
            tags.extend(session.send_all(&commands[sent..until]).await?);
            sent = until;
        }
        match session.next(&BodySink::HashOnly).await? {
            Response::Untagged(untagged) => on(ended.len(), untagged),
            Response::Continue => {}
            Response::Tagged {
                tag,
                status,
                code,
                text,
            } => {
                if tags.pop_front().as_deref() != Some(&tag) {
                    return Err(session.protocol(format!("{tag} ended out of turn")));
                }
                ended.push(crate::imap::Completion {
                    tag,
                    status,
                    code,
                    text,
                });
            }
        }
    }
    Ok(ended)
}

/// STATUS items that this server knows.
fn status_items(session: &Session) -> &'static str {
    if session.capabilities().has("CONDSTORE") || session.capabilities().has("QRESYNC") {
        "(MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)"
    } else {
        "(MESSAGES UIDNEXT UIDVALIDITY)"
    }
}

/// Lists folders with their state.
pub(crate) async fn list(session: &mut Session) -> Result<Listing, ImapError> {
    let has = |name| session.capabilities().has(name);
    let items = status_items(session);
    let extended = has("LIST-EXTENDED");
    let with_status = extended && has("LIST-STATUS");
    let mut commands = Vec::new();
    if with_status {
        commands.push(format!(
            "LIST \"\" \"*\" RETURN (SUBSCRIBED STATUS {items})"
        ));
    } else if extended {
        commands.push("LIST \"\" \"*\" RETURN (SUBSCRIBED)".to_owned());
    } else {
        commands.push("LIST \"\" \"*\"".to_owned());
        commands.push("LSUB \"\" \"*\"".to_owned());
    }
    if has("NAMESPACE") {
        commands.push("NAMESPACE".to_owned());
    }
    let mut folders = Vec::new();
    let mut subscribed = HashSet::new();
    let mut states = HashMap::new();
    let mut style = NameStyle::default();
    let ended = pipeline(session, &commands, |_, untagged| match untagged {
        Untagged::List(item) if item.lsub => {
            subscribed.insert(item.name);
        }
        Untagged::List(item) => folders.push(item),
        Untagged::MailboxStatus(state) => {
            states.insert(state.name.clone(), state);
        }
        Untagged::Namespace(Some((prefix, separator))) => style = NameStyle { separator, prefix },
        _ => {}
    })
    .await?;
    if ended[0].status != Status::Ok {
        return Err(session.refused("LIST", &ended[0]));
    }
    let is = |item: &ListItem, attribute: &str| {
        item.attributes
            .iter()
            .any(|found| found.eq_ignore_ascii_case(attribute))
    };
    subscribed.extend(
        folders
            .iter()
            .filter(|f| is(f, "\\Subscribed"))
            .map(|f| f.name.clone()),
    );
    if style.separator.is_none() {
        style.separator = folders.iter().find_map(|folder| folder.separator);
    }
    folders.retain(|folder| !is(folder, "\\Noselect") && !is(folder, "\\NonExistent"));
    if !with_status {
        let commands: Vec<String> = folders
            .iter()
            .map(|folder| format!("STATUS {} {items}", quote(&folder.name)))
            .collect();
        pipeline(session, &commands, |index, untagged| {
            if let Untagged::MailboxStatus(state) = untagged {
                // A server may write the name in another way than LIST did.
                let known = folders.iter().any(|folder| folder.name == state.name);
                let name = if known {
                    state.name.clone()
                } else {
                    folders[index].name.clone()
                };
                states.insert(name, state);
            }
        })
        .await?;
    }
    Ok(Listing {
        style,
        folders,
        subscribed,
        states,
    })
}

/// Lists folders, then the messages of those that the journal does not cover.
pub(super) async fn survey(
    session: &mut Session,
    known: &dyn Known,
) -> Result<Vec<SourceFolder>, ImapError> {
    let listing = list(session).await?;
    let condstore = session.capabilities().has("CONDSTORE");
    let mut folders = Vec::new();
    let mut scans = Vec::new();
    for item in &listing.folders {
        let (folder, scan) = plan_scan(item, &listing, known, condstore);
        if let Some(fetch) = scan {
            scans.push((folders.len(), fetch));
        }
        folders.push(folder);
    }
    let mut commands = Vec::new();
    for (index, fetch) in &scans {
        commands.push(format!("EXAMINE {}", quote(&folders[*index].name)));
        commands.push(fetch.clone());
    }
    let mut found: HashMap<usize, Vec<Entry>> = HashMap::new();
    let mut validity = HashMap::new();
    let ended = pipeline(session, &commands, |command, untagged| {
        let (index, _) = scans[command / 2];
        match untagged {
            Untagged::Fetch(item) => {
                if let (Some(uid), Some(flags)) = (item.uid, item.flags) {
                    found.entry(index).or_default().push(Entry { uid, flags });
                }
            }
            Untagged::Status {
                code: Some(code), ..
            } if code.name == "UIDVALIDITY" => {
                validity.insert(index, code.arguments.parse().unwrap_or(0));
            }
            _ => {}
        }
    })
    .await?;
    for (place, (index, fetch)) in scans.iter().enumerate() {
        let folder = &mut folders[*index];
        let ends = [&ended[place * 2], &ended[place * 2 + 1]];
        if let Some(bad) = ends.into_iter().find(|end| end.status != Status::Ok) {
            folder.unreadable = Some(bad.text.clone());
        }
        if let Some(told) = validity.get(index) {
            folder.validity = *told;
        }
        let mut entries = found.remove(index).unwrap_or_default();
        entries.sort_unstable_by_key(|entry| entry.uid);
        entries.dedup_by_key(|entry| entry.uid);
        let partial = fetch.contains("CHANGEDSINCE");
        folder.entries = if partial {
            Entries::Changed(entries)
        } else {
            Entries::All(entries)
        };
    }
    Ok(folders)
}

fn plan_scan(
    item: &ListItem,
    listing: &Listing,
    known: &dyn Known,
    condstore: bool,
) -> (SourceFolder, Option<String>) {
    let path: FolderPath = listing.style.read(&item.name);
    let mut folder = SourceFolder {
        name: item.name.clone(),
        validity: 0,
        watermark: Watermark::default(),
        subscribed: listing.subscribed.contains(&item.name),
        entries: Entries::All(Vec::new()),
        unreadable: None,
        path,
    };
    let Some(state) = listing.states.get(&item.name) else {
        folder.unreadable = Some("the server tells no STATUS for it".to_owned());
        return (folder, None);
    };
    folder.validity = state.uid_validity;
    folder.watermark = Watermark {
        uid_next: state.uid_next,
        messages: state.messages,
        highest_modseq: state.highest_modseq,
    };
    let full = Some("UID FETCH 1:* (FLAGS)".to_owned());
    if state.messages == 0 {
        return (folder, None);
    }
    match known.complete(&folder.path) {
        Some((validity, mark)) if validity == folder.validity && state.highest_modseq > 0 => {
            if mark == folder.watermark {
                folder.entries = Entries::Unchanged;
                return (folder, None);
            }
            if condstore && mark.highest_modseq > 0 {
                let since = mark.highest_modseq;
                let fetch = format!("UID FETCH 1:* (FLAGS) (CHANGEDSINCE {since})");
                return (folder, Some(fetch));
            }
            (folder, full)
        }
        _ => (folder, full),
    }
}
