//! Our engine, and the limit, which takes the same flags.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Place, quiet};
use crate::corpus::mailbox_name;
use crate::dovecot::PASSWORD;

/// One process for all mailboxes.
pub(super) fn lanes(
    place: &Place,
    program: &Path,
    more: &[&str],
) -> anyhow::Result<Vec<Vec<Command>>> {
    let accounts = place.work.join("accounts.csv");
    fs::write(&accounts, csv(place))?;
    let mut command = Command::new(program);
    command
        .args(["migrate", "copy", "--allow-cleartext", "--accounts"])
        .arg(accounts);
    command
        .arg("--state")
        .arg(&place.work)
        .arg("--jobs")
        .arg(place.jobs.to_string());
    command
        .arg("--report")
        .arg(place.work.join("report.json"))
        .args(more);
    if let Some(ca) = &place.ca {
        command.arg("--ca-file").arg(ca);
    }
    Ok(vec![vec![quiet(command, &place.log())?]])
}

fn csv(place: &Place) -> String {
    let scheme = if place.ca.is_some() { "imaps" } else { "imap" };
    let host = place.host();
    let mut csv = String::from(
        "source_url,source_user,source_password,target_url,target_user,target_password\n",
    );
    for index in 0..place.mailboxes {
        let user = mailbox_name(index);
        let _ = writeln!(
            csv,
            "{scheme}://{host}:{},{user},{PASSWORD},{scheme}://{host}:{},{user},{PASSWORD}",
            place.source, place.target
        );
    }
    csv
}
