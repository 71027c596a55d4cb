//! Lists folders and messages in as few round trips as the server allows.

use std::collections::{HashMap, HashSet, VecDeque};

use super::memory::Memory;
use super::scan::{self, Scan, Wanted};
use crate::imap::{
    Command, Completion, ImapError, ListItem, MailboxName, Namespaces, Response, Session, Status,
    StatusItem, Untagged, said,
};
use crate::journal::Watermark;
use crate::mapping::NameStyle;
use crate::model::{FolderPath, Role};
use crate::patience::Temporary;
use crate::payload::BodySink;
use crate::source::{Entries, Known, SourceFolder, View};

/// Commands in flight.
const WINDOW: usize = 32;

/// A server's folders as its LIST tells them.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) style: NameStyle,
    pub(crate) folders: Vec<ListItem>,
    /// Folders of other users or of all.
    pub(crate) foreign: Vec<ListItem>,
    /// Folders whose names no command can carry.
    pub(crate) unusable: Vec<ListItem>,
    pub(crate) subscribed: HashSet<String>,
    /// Why the subscriptions are not known, if so.
    pub(crate) no_subscriptions: Option<String>,
    /// What says that there may be other folders: LIST lines that cannot be read, an empty LIST.
    pub(crate) unread: Vec<String>,
    pub(crate) states: HashMap<String, StatusItem>,
}

/// Runs commands with up to [`WINDOW`] in flight; every untagged response goes to `on` with the
/// index of the command it belongs to; returns how each ended.
pub(crate) async fn pipeline(
    session: &mut Session,
    commands: &[Command],
    on: impl FnMut(usize, Untagged),
) -> Result<Vec<Completion>, ImapError> {
    let mut ended = Vec::with_capacity(commands.len());
    pipeline_into(session, commands, &mut ended, on).await?;
    Ok(ended)
}

/// The same; what has ended before a failure is in `ended`.
pub(crate) async fn pipeline_into(
    session: &mut Session,
    commands: &[Command],
    ended: &mut Vec<Completion>,
    mut on: impl FnMut(usize, Untagged),
) -> Result<(), ImapError> {
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
                ended.push(Completion {
                    tag,
                    status,
                    code,
                    text,
                });
            }
        }
    }
    Ok(())
}

/// Adds the STATUS items that this server knows.
fn status_items(command: Command, session: &Session) -> Command {
    let has = |name| session.capabilities().has(name);
    let mut command = command.words("(MESSAGES UIDNEXT UIDVALIDITY");
    if has("CONDSTORE") || has("QRESYNC") {
        command = command.words("HIGHESTMODSEQ");
    }
    if has("OBJECTID") {
        command = command.words("MAILBOXID");
    }
    command.close()
}

/// Whether one LIST tells subscriptions and uses too: RFC 5258, and part of IMAP4rev2.
fn lists_all(session: &Session) -> bool {
    let has = |name| session.capabilities().has(name);
    has("LIST-EXTENDED") || has("IMAP4REV2")
}

/// The LIST commands that tell folders, subscriptions, uses and, where it can be, states.
fn list_commands(session: &Session, extended: bool) -> Vec<Command> {
    let has = |name| session.capabilities().has(name);
    let rev2 = has("IMAP4REV2");
    let mut commands = Vec::new();
    let list = Command::new("LIST \"\" \"*\"");
    if extended {
        let mut list = list.words("RETURN (SUBSCRIBED");
        if has("SPECIAL-USE") || rev2 {
            list = list.words("SPECIAL-USE");
        }
        if has("LIST-STATUS") || rev2 {
            list = status_items(list.words("STATUS"), session);
        }
        commands.push(list.close());
    } else {
        commands.push(list);
        commands.push(Command::new("LSUB \"\" \"*\""));
    }
    if has("NAMESPACE") || rev2 {
        commands.push(Command::new("NAMESPACE"));
    }
    commands
}

fn is(item: &ListItem, attribute: &str) -> bool {
    let mut attributes = item.attributes.iter();
    attributes.any(|found| found.eq_ignore_ascii_case(attribute))
}

/// What a server told of its folders.
#[derive(Default)]
struct Heard {
    folders: Vec<ListItem>,
    subscribed: HashSet<String>,
    no_subscriptions: Option<String>,
    unread: Vec<String>,
    states: HashMap<String, StatusItem>,
    spaces: Namespaces,
}

/// Asks for the folders; where one LIST for everything is refused, in the old way.
async fn hear(session: &mut Session) -> Result<Heard, ImapError> {
    let mut extended = lists_all(session);
    loop {
        let commands = list_commands(session, extended);
        let mut heard = Heard::default();
        let ended = pipeline(session, &commands, |_, untagged| match untagged {
            Untagged::List(item) if item.lsub => {
                heard.subscribed.insert(item.name);
            }
            Untagged::List(item) => heard.folders.push(item),
            Untagged::Unreadable(word, line) if word == "LIST" => heard.unread.push(line),
            Untagged::MailboxStatus(state) => {
                heard.states.insert(state.name.clone(), state);
            }
            Untagged::Namespace(found) => heard.spaces = found,
            _ => {}
        })
        .await?;
        if ended[0].status == Status::Ok {
            let subscribed = heard.folders.iter().filter(|f| is(f, "\\Subscribed"));
            let subscribed: Vec<String> = subscribed.map(|f| f.name.clone()).collect();
            heard.subscribed.extend(subscribed);
            let lsub = ended
                .get(1)
                .filter(|end| !extended && end.status != Status::Ok);
            heard.no_subscriptions = lsub.map(|end| format!("LSUB was refused: {}", end.text));
            return Ok(heard);
        }
        if !std::mem::take(&mut extended) {
            return Err(session.refused("LIST", &ended[0]));
        }
    }
}

/// Lists folders with their state.
pub(crate) async fn list(session: &mut Session) -> Result<Listing, ImapError> {
    list_anew(session, &mut Memory::default()).await
}

/// The same, without asking again what was refused.
async fn list_anew(session: &mut Session, memory: &mut Memory) -> Result<Listing, ImapError> {
    let Heard {
        mut folders,
        subscribed,
        no_subscriptions,
        unread,
        mut states,
        spaces,
    } = hear(session).await?;
    let own = spaces.personal.first();
    let mut style = own.map_or_else(NameStyle::default, |space| NameStyle {
        separator: space.separator,
        prefix: space.prefix.clone(),
        utf8: false,
    });
    // Nobody who speaks IMAP4rev2 alone writes modified UTF-7 (RFC 9051, appendix E).
    let has = |name| session.capabilities().has(name);
    style.utf8 = has("IMAP4REV2") && !has("IMAP4REV1");
    if style.separator.is_none() {
        style.separator = folders.iter().find_map(|folder| folder.separator);
    }
    folders.retain(|folder| !is(folder, "\\Noselect") && !is(folder, "\\NonExistent"));
    // Some servers tell a folder once per namespace.
    let mut met = HashSet::new();
    folders.retain(|folder| {
        let inbox = folder.name.eq_ignore_ascii_case("INBOX");
        met.insert(if inbox {
            "INBOX".to_owned()
        } else {
            folder.name.clone()
        })
    });
    let (own, foreign): (Vec<_>, Vec<_>) = folders
        .into_iter()
        .partition(|folder| spaces.is_own(&folder.name));
    // No command can carry a name with a line break.
    let (folders, unusable): (Vec<_>, Vec<_>) = own
        .into_iter()
        .partition(|folder| MailboxName::of(&folder.name).is_ok());
    // A LIST that should have told a folder's state may not have done so.
    let stateless = folders
        .iter()
        .filter(|item| !states.contains_key(&item.name));
    let stateless: Vec<ListItem> = stateless.cloned().collect();
    ask_states(session, &stateless, memory).await?;
    for (name, state) in std::mem::take(&mut memory.states) {
        states.entry(name).or_insert(state);
    }
    Ok(Listing {
        style,
        folders,
        foreign,
        unusable,
        subscribed,
        no_subscriptions,
        unread,
        states,
    })
}

/// The same at a source, where nothing may be missed: every mailbox has an INBOX (RFC 9051 5.1), so
/// a listing without it is no proof that there is none.
pub(crate) async fn list_source(session: &mut Session) -> Result<Listing, ImapError> {
    list_whole(session, &mut Memory::default()).await
}

async fn list_whole(session: &mut Session, memory: &mut Memory) -> Result<Listing, ImapError> {
    let mut listing = list_anew(session, memory).await?;
    let is_inbox = |item: &ListItem| item.name.eq_ignore_ascii_case("INBOX");
    if listing.folders.iter().any(is_inbox) {
        return Ok(listing);
    }
    let inbox = Command::new("STATUS \"INBOX\"");
    let ask = status_items(inbox, session);
    let mut state = None;
    let asked = session
        .run(&ask, |untagged| {
            if let Untagged::MailboxStatus(found) = untagged {
                state = Some(found);
            }
        })
        .await?;
    if asked.status != Status::Ok && Temporary::heard(&said(&asked)).is_some() {
        return Err(session.refused("STATUS", &asked));
    }
    let code = asked.code.as_ref().map(|code| code.name.as_str());
    if state.is_none() && listing.folders.is_empty() && listing.unread.is_empty() {
        return Err(ImapError::NoFolder {
            address: session.address(),
            said: said(&asked),
        });
    }
    if listing.folders.is_empty() && listing.unread.is_empty() {
        let words = "it names no folder; INBOX was found by asking for it, others may be hidden: look \
                     at the login's rights and, on Zimbra, for a share that is broken";
        listing.unread.push(words.to_owned());
    }
    // Where the server says outright that there is no INBOX, the folders that it has are all.
    if state.is_some() || code != Some("NONEXISTENT") {
        listing.folders.insert(
            0,
            ListItem {
                attributes: Vec::new(),
                separator: listing.style.separator,
                name: "INBOX".to_owned(),
                lsub: false,
            },
        );
    }
    if let Some(state) = state {
        listing.states.insert("INBOX".to_owned(), state);
    }
    Ok(listing)
}

/// Asks each folder's state, those last at which a connection broke.
async fn ask_states(
    session: &mut Session,
    folders: &[ListItem],
    memory: &mut Memory,
) -> Result<(), ImapError> {
    let names: HashSet<&str> = folders.iter().map(|folder| folder.name.as_str()).collect();
    let mut asked: Vec<&ListItem> = folders
        .iter()
        .filter(|folder| memory.is_to_be_asked(&folder.name))
        .filter(|folder| !memory.states.contains_key(&folder.name))
        .collect();
    memory.suspects_last(&mut asked);
    let mut commands = Vec::with_capacity(asked.len());
    for folder in &asked {
        let ask = Command::new("STATUS").mailbox(&MailboxName::of(&folder.name)?);
        commands.push(status_items(ask, session));
    }
    let (mut ended, states) = (Vec::new(), &mut memory.states);
    let outcome = pipeline_into(session, &commands, &mut ended, |index, untagged| {
        if let Untagged::MailboxStatus(state) = untagged {
            // A server may write the name in another way than LIST did.
            let name = if names.contains(state.name.as_str()) {
                state.name.clone()
            } else {
                asked[index].name.clone()
            };
            states.insert(name, state);
        }
    })
    .await;
    let broken = outcome.as_ref().err().map(ToString::to_string);
    let about = asked.iter().map(|folder| folder.name.as_str());
    let tired = memory.learn(about, &ended, broken.as_deref());
    outcome?;
    tired.map_or(Ok(()), |tired| Err(session.refused("STATUS", &tired)))
}

/// What a survey found.
pub(super) struct Survey {
    pub(super) folders: Vec<SourceFolder>,
    pub(super) left_alone: Vec<FolderPath>,
    pub(super) no_subscriptions: Option<String>,
}

/// Lists folders, then the messages of those that the journal does not cover.
pub(super) async fn survey(
    session: &mut Session,
    known: &dyn Known,
    memory: &mut Memory,
) -> Result<Survey, ImapError> {
    let listing = list_whole(session, memory).await?;
    let has = |name| session.capabilities().has(name);
    let qresync = has("QRESYNC");
    let condstore = has("CONDSTORE") || qresync;
    let mut folders = Vec::new();
    let mut scans = Vec::new();
    let names = listing.folders.iter().map(|item| item.name.as_str());
    let paths = listing.style.read_all(&names.collect::<Vec<_>>());
    for (item, path) in listing.folders.iter().zip(paths) {
        let (mut folder, needed) = plan_scan((item, path), &listing, known, condstore);
        let refusal = memory.refusal(&item.name).map(str::to_owned);
        let needed = needed.filter(|_| refusal.is_none());
        folder.unreadable = refusal.or(folder.unreadable);
        scans.extend(needed.map(|wanted| Scan {
            folder: folders.len(),
            wanted,
        }));
        folders.push(folder);
    }
    // The last one stays open and is read first, and views are read last.
    scans.sort_by_key(|scan| std::cmp::Reverse(folders[scan.folder].view));
    scan::messages(session, &scans, (qresync, memory), &mut folders).await?;
    folders.extend(listing.unusable.iter().map(|item| SourceFolder {
        path: listing.style.read(&item.name),
        unreadable: Some("its name holds a line break or NUL".to_owned()),
        ..SourceFolder::default()
    }));
    let unread = listing.unread.iter().enumerate();
    folders.extend(unread.map(|(place, line)| SourceFolder {
        path: FolderPath(vec![format!("LIST {}", place + 1)]),
        unreadable: Some(format!("the listing of folders is not whole: {line}")),
        ..SourceFolder::default()
    }));
    let read = |item: &ListItem| listing.style.read(&item.name);
    Ok(Survey {
        left_alone: listing.foreign.iter().map(read).collect(),
        no_subscriptions: listing.no_subscriptions.clone(),
        folders,
    })
}

/// A folder as its state tells it, and which of its messages must be listed.
fn plan_scan(
    (item, path): (&ListItem, FolderPath),
    listing: &Listing,
    known: &dyn Known,
    condstore: bool,
) -> (SourceFolder, Option<Wanted>) {
    let mut folder = SourceFolder {
        path,
        name: item.name.clone(),
        subscribed: listing.subscribed.contains(&item.name),
        role: Role::among(item.attributes.iter().map(String::as_str)),
        view: View::among(item.attributes.iter().map(String::as_str)),
        ..SourceFolder::default()
    };
    let Some(state) = listing.states.get(&item.name) else {
        folder.unreadable = Some("the server tells no STATUS for it".to_owned());
        return (folder, None);
    };
    folder.validity = state.uid_validity;
    folder.identity.clone_from(&state.mailbox_id);
    folder.watermark = Watermark {
        uid_next: state.uid_next,
        messages: state.messages,
        highest_modseq: state.highest_modseq,
    };
    // One that STATUS tells to be empty is looked at as well: a server may tell so while another
    // session still builds its index, and a STATUS that lies must not lose mail.
    let wanted = match known.complete(&folder.path) {
        Some((validity, mark)) if validity == folder.validity && state.highest_modseq > 0 => {
            if mark == folder.watermark {
                folder.entries = Entries::Unchanged;
                return (folder, None);
            }
            if condstore && mark.highest_modseq > 0 {
                Wanted::Since(mark.highest_modseq)
            } else {
                Wanted::All
            }
        }
        _ => Wanted::All,
    };
    (folder, Some(wanted))
}
