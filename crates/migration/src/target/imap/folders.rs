//! Folders at an IMAP target: created when absent, subscribed when the source's are.

use std::collections::{HashMap, HashSet};

use super::super::{TargetFolder, WantedFolder};
use super::names::{Tameness, choose_names, tamed};
use crate::imap::{
    Command, Completion, ImapError, MailboxName, Session, Status, StatusItem, Untagged, said,
};
use crate::patience::Temporary;
use crate::source::imap::{Listing, list, pipeline_into};

const ITEMS: &str = "(MESSAGES UIDNEXT UIDVALIDITY)";

/// Names that the server does not take, with its words. A server that hangs up after some refusals
/// is not asked for the same again.
pub(super) type Refused = HashMap<String, String>;

/// Makes the wanted folders exist; `reserved` names belong to folders that are not wanted now.
pub(super) async fn prepare(
    session: &mut Session,
    wanted: &[WantedFolder],
    reserved: &HashSet<String>,
    refused: &mut Refused,
) -> Result<Vec<Result<TargetFolder, String>>, ImapError> {
    let mut listing = list(session).await?;
    let same = |name: &String| listing.style.sameness(name);
    let mut taken: HashSet<String> = reserved.iter().map(same).collect();
    let mut names = choose_names(&listing, wanted, &mut taken);
    make(session, &mut listing, (wanted, &names), refused).await?;
    // A server that refuses a name may take it without its rarer characters.
    for how in Tameness::ALL {
        let mut again = false;
        for (folder, name) in wanted.iter().zip(&mut names) {
            if folder.name.is_none() && refused.contains_key(name) {
                let tame = tamed(&folder.path, how);
                if tame != folder.path {
                    *name = listing.style.write_apart(&tame, &mut taken);
                    again = true;
                }
            }
        }
        if again {
            make(session, &mut listing, (wanted, &names), refused).await?;
        }
    }
    for name in &names {
        // It is there, and its state is not: an index that a crash broke is mended by whoever
        // opens the folder.
        let exists = || listing.folders.iter().any(|folder| folder.name == *name);
        if !listing.states.contains_key(name) && exists() {
            open_once(session, name).await?;
            if let Some(state) = status(session, name).await?.0 {
                listing.states.insert(name.clone(), state);
            }
        }
    }
    let answer = |name: &String| match listing.states.get(name) {
        Some(state) => Ok(target_folder(name, state)),
        None => Err(refused
            .get(name)
            .cloned()
            .unwrap_or_else(|| "no STATUS".to_owned())),
    };
    Ok(names.iter().map(answer).collect())
}

/// Creates and subscribes what is missing; names that are refused are added to `refused`.
async fn make(
    session: &mut Session,
    listing: &mut Listing,
    (wanted, names): (&[WantedFolder], &[String]),
    refused: &mut Refused,
) -> Result<(), ImapError> {
    // Each command with the folder it is about.
    let mut commands = Vec::new();
    let mut about = Vec::new();
    let mut creates = Vec::new();
    let asked = wanted.iter().zip(names).enumerate();
    for (index, (folder, name)) in asked.filter(|(_, (_, name))| !refused.contains_key(*name)) {
        let mailbox = MailboxName::of(name)?;
        let mut add = |verb: &'static str, items: Option<&'static str>| {
            let command = Command::new(verb).mailbox(&mailbox);
            commands.push(items.into_iter().fold(command, Command::words));
            about.push(index);
            creates.push(verb == "CREATE");
        };
        if !listing.states.contains_key(name) {
            add("CREATE", None);
            add("STATUS", Some(ITEMS));
        }
        if folder.subscribe && listing.subscribed.insert(name.clone()) {
            add("SUBSCRIBE", None);
        }
    }
    let known: HashSet<&String> = names.iter().collect();
    let mut ended = Vec::new();
    let states = &mut listing.states;
    let outcome = pipeline_into(session, &commands, &mut ended, |index, untagged| {
        if let Untagged::MailboxStatus(state) = untagged {
            // A server may write the name in another way than the command did, and may answer
            // before the command's turn is over.
            let asked = &names[about[index]];
            let name = if state.name == *asked || !known.contains(&state.name) {
                asked.clone()
            } else {
                state.name.clone()
            };
            states.insert(name, state);
        }
    })
    .await;
    let mut tired = None;
    for (place, index) in about
        .iter()
        .enumerate()
        .filter(|(place, _)| creates[*place])
    {
        // A CREATE and the STATUS behind it.
        let (Some(create), Some(_)) = (ended.get(place), ended.get(place + 1)) else {
            break;
        };
        let name = &names[*index];
        if create.status == Status::Ok || listing.states.contains_key(name) {
            continue;
        }
        if Temporary::heard(&said(create)).is_some() {
            tired = Some(create);
        } else {
            refused.insert(name.clone(), said(create));
        }
    }
    outcome?;
    tired.map_or(Ok(()), |tired| Err(session.refused("CREATE", tired)))
}

fn target_folder(name: &str, state: &StatusItem) -> TargetFolder {
    TargetFolder {
        name: name.to_owned(),
        validity: state.uid_validity,
        uid_next: state.uid_next,
        messages: state.messages,
    }
}

/// A folder's present state.
pub(super) async fn state(session: &mut Session, name: &str) -> Result<TargetFolder, ImapError> {
    let (mut found, mut done) = status(session, name).await?;
    if found.is_none() {
        open_once(session, name).await?;
        (found, done) = status(session, name).await?;
    }
    let found = found.ok_or_else(|| session.refused("STATUS", &done))?;
    Ok(target_folder(name, &found))
}

async fn status(
    session: &mut Session,
    name: &str,
) -> Result<(Option<StatusItem>, Completion), ImapError> {
    let mut found = None;
    let ask = Command::new("STATUS")
        .mailbox(&MailboxName::of(name)?)
        .words(ITEMS);
    let done = session
        .run(&ask, |untagged| {
            if let Untagged::MailboxStatus(state) = untagged {
                found = Some(state);
            }
        })
        .await?;
    Ok((found, done))
}

/// Opens a folder for reading and leaves it; CLOSE expunges nothing after EXAMINE.
async fn open_once(session: &mut Session, name: &str) -> Result<(), ImapError> {
    let examine = Command::new("EXAMINE").mailbox(&MailboxName::of(name)?);
    let opened = session.run(&examine, |_| {}).await?;
    if opened.status == Status::Ok {
        session.run(&Command::new("CLOSE"), |_| {}).await?;
    }
    Ok(())
}
