//! The peers, one process per mailbox.

use std::fs;
use std::process::Command;

use super::Place;
use crate::dovecot::PASSWORD;

/// Seconds after which a tool that does not end is ended.
const PATIENCE: &str = "120";

/// One mailbox.
pub(super) fn mbsync(place: &Place, user: &str) -> anyhow::Result<Command> {
    let configuration = place.work.join(format!("{user}.mbsyncrc"));
    let state = place.work.join(format!("{user}-state"));
    fs::create_dir_all(&state)?;
    let security = match &place.ca {
        Some(ca) => format!("SSLType IMAPS\nCertificateFile {}", ca.display()),
        None => "SSLType None\nAuthMechs LOGIN".to_owned(),
    };
    let host = place.host();
    let account = |name: &str, port: u16| {
        format!(
            "IMAPStore {name}\nHost {host}\nPort {port}\nUser {user}\nPass {PASSWORD}\n{security}\n\
             PipelineDepth 64\n\n"
        )
    };
    let text = format!(
        "{}{}Channel all\nFar :old:\nNear :new:\nPatterns *\nCreate Near\nSync Pull New Flags\n\
         CopyArrivalDate yes\nSyncState {}/\n",
        account("old", place.source),
        account("new", place.target),
        state.display()
    );
    fs::write(&configuration, text)?;
    let mut command = Command::new("mbsync");
    command.arg("-q").arg("-c").arg(configuration).arg("-a");
    Ok(command)
}

/// One mailbox.
#[expect(clippy::unnecessary_wraps, reason = "the tools share one signature")]
pub(super) fn doveadm(place: &Place, user: &str) -> anyhow::Result<Command> {
    let mut command = Command::new("doveadm");
    command.arg("-c").arg(&place.target_configuration);
    let host = place.host();
    let ssl = if place.ca.is_some() { "imaps" } else { "no" };
    let mut settings = vec![
        format!("imapc_host={host}"),
        format!("imapc_port={}", place.source),
        format!("imapc_user={user}"),
        format!("imapc_password={PASSWORD}"),
        "imapc_features=rfc822.size fetch-headers".to_owned(),
        format!("imapc_ssl={ssl}"),
        "mail_prefetch_count=50".to_owned(),
    ];
    if let Some(ca) = &place.ca {
        settings.push(format!("ssl_client_ca_file={}", ca.display()));
    }
    for setting in settings {
        command.arg("-o").arg(setting);
    }
    command.args(["backup", "-R", "-u", user, "imapc:"]);
    Ok(command)
}

/// One mailbox.
pub(super) fn offlineimap(place: &Place, user: &str) -> anyhow::Result<Command> {
    let configuration = place.work.join(format!("{user}.offlineimaprc"));
    let side = |port: u16| {
        let host = place.host();
        let ssl = match &place.ca {
            Some(ca) => format!("ssl = yes\nsslcacertfile = {}", ca.display()),
            None => "ssl = no\nstarttls = no".to_owned(),
        };
        format!(
            "type = IMAP\nremotehost = {host}\nremoteport = {port}\nremoteuser = {user}\n\
             remotepass = {PASSWORD}\n{ssl}\nmaxconnections = 1\n"
        )
    };
    let text = format!(
        "[general]\naccounts = a\nmetadata = {}\nui = quiet\n\n\
         [Account a]\nlocalrepository = new\nremoterepository = old\n\n\
         [Repository new]\n{}\n[Repository old]\n{}readonly = True\n",
        place.work.join(format!("{user}-meta")).display(),
        side(place.target),
        side(place.source),
    );
    fs::write(&configuration, text)?;
    let mut command = Command::new("timeout");
    command.args([PATIENCE, "offlineimap", "-o", "-c"]);
    command.arg(configuration);
    Ok(command)
}
