//! A DKIM verifier that is not ours, with the keys that the command line tells to publish.

use std::{collections::BTreeMap, process::Command};

use anyhow::Context;
use xtask::shell;

use crate::melouvert_json;

/// Debian's, which has the verifier; another may come first in PATH.
const PYTHON: &str = "/usr/bin/python3";

/// The TXT records to publish for a collectivity, by name, as one text each.
pub fn published(siren: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let object = melouvert_json(&["collectivity", "show", siren])?;
    let records = object["status"]["dnsRecords"].as_array();
    let mut texts = BTreeMap::new();
    for record in records.context("no records to publish")? {
        let text = |key: &str| record[key].as_str().context("a record without its parts");
        if text("type")? == "TXT" {
            // Strings of 255 bytes at most, which a reader joins (RFC 6376, 3.6.2.2).
            let joined = text("value")?.trim_matches('"').replace("\" \"", "");
            texts.insert(text("name")?.to_owned(), joined);
        }
    }
    Ok(texts)
}

/// What the verifier says of each signature of a message: `ALGORITHM SELECTOR DOMAIN pass|fail`.
pub fn verify(message: &str, records: &BTreeMap<String, String>) -> anyhow::Result<Vec<String>> {
    let records = serde_json::to_string(records)?;
    let mut python = Command::new(PYTHON);
    python.args(["-c", include_str!("dkim.py"), &records]);
    let said = shell::output_with(&mut python, Some(message))?;
    Ok(said.lines().map(str::to_owned).collect())
}
