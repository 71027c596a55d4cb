//! What arrived, seen through Python's own IMAP client.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use crate::dovecot::PASSWORD;

/// One message.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize)]
pub struct Seen {
    /// SHA-256 of the raw bytes.
    pub hash: String,
    /// Bytes.
    pub size: u64,
    /// Flags without `\Recent`, sorted.
    pub flags: Vec<String>,
    /// INTERNALDATE as told.
    pub date: String,
}

/// One folder.
#[derive(Clone, Debug, Deserialize)]
pub struct Folder {
    /// Its hierarchy separator.
    pub separator: String,
    /// Its messages.
    pub messages: Vec<Seen>,
}

/// One mailbox.
#[derive(Clone, Debug, Deserialize)]
pub struct Mailbox {
    /// By name on the wire.
    pub folders: BTreeMap<String, Folder>,
    /// Subscribed names.
    pub subscribed: Vec<String>,
}

/// Reads a mailbox.
pub fn read(port: u16, user: &str) -> anyhow::Result<Mailbox> {
    let output = Command::new("python3")
        .arg("-c")
        .arg(include_str!("reader.py"))
        .args(["127.0.0.1", &port.to_string(), user, PASSWORD])
        .output()
        .context("failed to run python3; as root: apt-get install -y python3")?;
    if !output.status.success() {
        bail!(
            "failed to read {user}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// How a copy differs from its original.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Difference {
    /// Messages at the source.
    pub messages: usize,
    /// Messages whose bytes are not in the copied folder.
    pub absent: usize,
    /// Messages in the copy that no original accounts for.
    pub extra: usize,
    /// Messages with the right bytes and other flags or date.
    pub metadata: usize,
    /// Subscriptions that are missing.
    pub subscriptions: usize,
}

/// Adds the difference of one mailbox.
pub fn compare(old: &Mailbox, new: &Mailbox, difference: &mut Difference) {
    for (name, folder) in &old.folders {
        let mut left: BTreeMap<&str, Vec<&Seen>> = BTreeMap::new();
        for message in new
            .folders
            .get(name)
            .iter()
            .flat_map(|folder| &folder.messages)
        {
            left.entry(&message.hash).or_default().push(message);
        }
        difference.messages += folder.messages.len();
        for message in &folder.messages {
            let Some(candidates) = left.get_mut(message.hash.as_str()) else {
                difference.absent += 1;
                continue;
            };
            match candidates.iter().position(|found| *found == message) {
                Some(place) => {
                    candidates.swap_remove(place);
                }
                None if candidates.pop().is_some() => difference.metadata += 1,
                None => difference.absent += 1,
            }
        }
        difference.extra += left.values().map(Vec::len).sum::<usize>();
    }
    let missing = old
        .subscribed
        .iter()
        .filter(|name| !new.subscribed.contains(name));
    difference.subscriptions += missing.count();
}
