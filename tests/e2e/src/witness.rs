//! What mailboxes hold, read by an outside IMAP client (Python's own).

use std::{collections::BTreeMap, path::Path, process::Command};

use anyhow::Context;
use serde_json::json;

/// Per user, each message's SHA-256 and flags, sorted.
pub type Held = BTreeMap<String, Vec<String>>;

/// Reads the mailboxes of `users` (login and password) behind a forwarded port.
pub fn read(
    (port, name, authority): (u16, &str, &Path),
    users: &[(String, String)],
) -> anyhow::Result<Held> {
    let asked = json!({ "port": port, "name": name, "authority": authority, "users": users });
    let mut python = Command::new("python3");
    python.args(["-c", include_str!("witness.py")]);
    let told = xtask::shell::output_with(&mut python, Some(&asked.to_string()))?;
    serde_json::from_str(&told).context("the witness told no JSON")
}
