//! Folders at an IMAP target: created when absent, subscribed when the source's are.

use std::collections::HashSet;

use super::super::{TargetFolder, WantedFolder};
use crate::imap::{ImapError, Session, Status, StatusItem, Untagged, quote};
use crate::source::imap::{Listing, list, pipeline};

const ITEMS: &str = "(MESSAGES UIDNEXT UIDVALIDITY)";

/// Makes the wanted folders exist.
pub(super) async fn prepare(
    session: &mut Session,
    wanted: &[WantedFolder],
) -> Result<Vec<Result<TargetFolder, String>>, ImapError> {
    let listing = list(session).await?;
    let names = choose_names(&listing, wanted);
    let mut commands = Vec::new();
    for (folder, name) in wanted.iter().zip(&names) {
        if !listing.states.contains_key(name) {
            commands.push(format!("CREATE {}", quote(name)));
            commands.push(format!("STATUS {} {ITEMS}", quote(name)));
        }
        if folder.subscribe && !listing.subscribed.contains(name) {
            commands.push(format!("SUBSCRIBE {}", quote(name)));
        }
    }
    let mut states = listing.states;
    let ended = pipeline(session, &commands, |index, untagged| {
        if let Untagged::MailboxStatus(state) = untagged {
            // A server may write the name in another way than the command did.
            let name = names.iter().find(|name| **name == state.name).or_else(|| {
                let of = |name: &&String| {
                    commands[index].starts_with(&format!("STATUS {} ", quote(name)))
                };
                names.iter().find(of)
            });
            if let Some(name) = name {
                states.insert(name.clone(), state);
            }
        }
    })
    .await?;
    let refusals: std::collections::HashMap<&str, String> = commands
        .iter()
        .zip(&ended)
        .filter(|(_, end)| end.status != Status::Ok)
        .map(|(command, end)| (command.as_str(), crate::imap::said(end)))
        .collect();
    Ok(names
        .iter()
        .map(|name| {
            states
                .get(name)
                .map(|state| target_folder(name, state))
                .ok_or_else(|| {
                    let create = format!("CREATE {}", quote(name));
                    refusals
                        .get(create.as_str())
                        .cloned()
                        .unwrap_or_else(|| "no STATUS".to_owned())
                })
        })
        .collect())
}

fn choose_names(listing: &Listing, wanted: &[WantedFolder]) -> Vec<String> {
    let mut taken: HashSet<String> = wanted
        .iter()
        .filter_map(|folder| folder.name.as_ref())
        .map(|n| n.to_lowercase())
        .collect();
    wanted
        .iter()
        .map(|folder| match &folder.name {
            Some(name) => name.clone(),
            None => listing.style.write_apart(&folder.path, &mut taken),
        })
        .collect()
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
    let mut found = None;
    let done = session
        .run(&format!("STATUS {} {ITEMS}", quote(name)), |untagged| {
            if let Untagged::MailboxStatus(state) = untagged {
                found = Some(target_folder(name, &state));
            }
        })
        .await?;
    found.ok_or_else(|| session.refused("STATUS", &done))
}
