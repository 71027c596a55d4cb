//! The tools that are compared, each set up for the same mailboxes.

mod ours;
mod peers;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::corpus::mailbox_name;

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
    /// Read, hash, write one file per message.
    LimitFiles,
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

impl Place {
    /// How the servers are named: a certificate needs a name.
    fn host(&self) -> &'static str {
        if self.ca.is_some() {
            "localhost"
        } else {
            "127.0.0.1"
        }
    }

    /// Where tools write what they have to say.
    pub fn log(&self) -> PathBuf {
        self.work.join("log")
    }
}

impl Tool {
    /// As a person names it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Ours => "le moteur, relecture comprise",
            Self::OursUnverified => "le moteur, sans relecture",
            Self::Mbsync => "mbsync",
            Self::Doveadm => "`doveadm backup`",
            Self::Offlineimap => "offlineimap3",
            Self::Limit => "limite (lire, hacher, écrire un segment)",
            Self::LimitFiles => "limite à un fichier par message",
        }
    }

    /// Whether a pass with nothing to do makes sense.
    pub fn has_second_pass(self) -> bool {
        !matches!(self, Self::Limit | Self::LimitFiles)
    }

    /// The commands of one pass: lists to run side by side.
    pub fn lanes(self, place: &Place) -> anyhow::Result<Vec<Vec<Command>>> {
        fs::create_dir_all(&place.work)
            .with_context(|| format!("failed to make {}", place.work.display()))?;
        match self {
            Self::Ours => ours::lanes(place, &place.ours, &[]),
            Self::OursUnverified => ours::lanes(place, &place.ours, &["--no-verify"]),
            Self::Limit => ours::lanes(place, &place.limit, &[]),
            Self::LimitFiles => ours::lanes(place, &place.limit, &["--files"]),
            Self::Mbsync => per_mailbox(place, peers::mbsync),
            Self::Doveadm => per_mailbox(place, peers::doveadm),
            Self::Offlineimap => per_mailbox(place, peers::offlineimap),
        }
    }
}

fn quiet(mut command: Command, log: &Path) -> anyhow::Result<Command> {
    let file = fs::OpenOptions::new().create(true).append(true).open(log)?;
    command.stderr(file.try_clone()?).stdout(Stdio::null());
    Ok(command)
}

fn per_mailbox(
    place: &Place,
    one: fn(&Place, &str) -> anyhow::Result<Command>,
) -> anyhow::Result<Vec<Vec<Command>>> {
    let mut lanes: Vec<Vec<Command>> = (0..place.jobs.max(1)).map(|_| Vec::new()).collect();
    let count = lanes.len();
    for index in 0..place.mailboxes {
        let command = one(place, &mailbox_name(index))?;
        lanes[index % count].push(quiet(command, &place.log())?);
    }
    Ok(lanes)
}
