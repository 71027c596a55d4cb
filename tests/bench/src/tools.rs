//! The tools that are compared, each set up for the same mailboxes.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::corpus::mailbox_name;
use crate::dovecot::PASSWORD;

/// What is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tool {
    /// Our engine, reading back what it wrote.
    Ours,
    /// Our engine without reading back.
    OursUnverified,
    /// isync's mbsync.
    Mbsync,
    /// doveadm backup.
    Doveadm,
    /// offlineimap3.
    Offlineimap,
    /// Read, hash, append to a segment.
    Limit,
}

/// Where a run takes place.
#[derive(Clone, Debug)]
pub struct Place {
    /// Folder for the tool's own files; kept for the second pass.
    pub work: PathBuf,
    /// Source port.
    pub source: u16,
    /// Target port.
    pub target: u16,
    /// Certificate of both servers when the ports speak TLS.
    pub ca: Option<PathBuf>,
    /// Configuration of the target server, for doveadm.
    pub target_configuration: PathBuf,
    /// Mailboxes.
    pub mailboxes: usize,
    /// Mailboxes at once.
    pub jobs: usize,
    /// Our program, with the flags of `melouvert migrate copy`.
    pub ours: PathBuf,
    /// The program that measures the limit.
    pub limit: PathBuf,
}

impl Tool {
    /// The commands of one pass: lists to run side by side.
    pub fn lanes(self, place: &Place) -> anyhow::Result<Vec<Vec<Command>>> {
        fs::create_dir_all(&place.work)
            .with_context(|| format!("failed to make {}", place.work.display()))?;
        match self {
            Self::Ours => ours(place, &place.ours, &[]),
            Self::OursUnverified => ours(place, &place.ours, &["--no-verify"]),
            Self::Limit => ours(place, &place.limit, &[]),
            Self::Mbsync => per_mailbox(place, mbsync),
            Self::Doveadm => per_mailbox(place, doveadm),
            Self::Offlineimap => per_mailbox(place, offlineimap),
        }
    }
}

fn quiet(mut command: Command, log: &Path) -> anyhow::Result<Command> {
    let file = fs::OpenOptions::new().create(true).append(true).open(log)?;
    command.stderr(file.try_clone()?).stdout(Stdio::null());
    Ok(command)
}

fn ours(place: &Place, program: &Path, more: &[&str]) -> anyhow::Result<Vec<Vec<Command>>> {
    let scheme = if place.ca.is_some() { "imaps" } else { "imap" };
    let host = if place.ca.is_some() {
        "localhost"
    } else {
        "127.0.0.1"
    };
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
    let accounts = place.work.join("accounts.csv");
    fs::write(&accounts, csv)?;
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
    Ok(vec![vec![quiet(command, &place.work.join("log"))?]])
}

fn per_mailbox(
    place: &Place,
    one: fn(&Place, &str) -> anyhow::Result<Command>,
) -> anyhow::Result<Vec<Vec<Command>>> {
    let mut lanes: Vec<Vec<Command>> = (0..place.jobs.max(1)).map(|_| Vec::new()).collect();
    let count = lanes.len();
    for index in 0..place.mailboxes {
        let command = one(place, &mailbox_name(index))?;
        lanes[index % count].push(quiet(command, &place.work.join("log"))?);
    }
    Ok(lanes)
}

fn mbsync(place: &Place, user: &str) -> anyhow::Result<Command> {
    let configuration = place.work.join(format!("{user}.mbsyncrc"));
    let state = place.work.join(format!("{user}-state"));
    fs::create_dir_all(&state)?;
    let security = match &place.ca {
        Some(ca) => format!("SSLType IMAPS\nCertificateFile {}", ca.display()),
        None => "SSLType None\nAuthMechs LOGIN".to_owned(),
    };
    let host = if place.ca.is_some() {
        "localhost"
    } else {
        "127.0.0.1"
    };
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

#[expect(clippy::unnecessary_wraps, reason = "the tools share one signature")]
fn doveadm(place: &Place, user: &str) -> anyhow::Result<Command> {
    let mut command = Command::new("doveadm");
    command.arg("-c").arg(&place.target_configuration);
    let (host, ssl) = match &place.ca {
        Some(_) => ("localhost", "imaps"),
        None => ("127.0.0.1", "no"),
    };
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

fn offlineimap(place: &Place, user: &str) -> anyhow::Result<Command> {
    let configuration = place.work.join(format!("{user}.offlineimaprc"));
    let side = |port: u16| {
        let (host, ssl) = match &place.ca {
            Some(ca) => (
                "localhost",
                format!("ssl = yes\nsslcacertfile = {}", ca.display()),
            ),
            None => ("127.0.0.1", "ssl = no\nstarttls = no".to_owned()),
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
    let mut command = Command::new("offlineimap");
    command.arg("-o").arg("-c").arg(configuration);
    Ok(command)
}
