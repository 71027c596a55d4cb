//! Interleaved rounds over the same corpus.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;

use crate::corpus::{self, mailbox_name};
use crate::dovecot::{self, Dovecot, Format};
use crate::measure::{self, Measure};
use crate::proxy::{Behaviour, Proxy};
use crate::seeds;
use crate::tools::{Place, Tool};
use crate::witness::{self, Difference};

/// What stands between tool and servers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Case {
    /// Loopback, cleartext.
    Lan,
    /// Loopback, TLS.
    Tls,
    /// The source is 20 ms away.
    SourceFar,
    /// Source and target are 20 ms away.
    BothFar,
    /// Loopback, a target that does not sync each message.
    NoFsync,
}

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Messages in all mailboxes.
    pub messages: usize,
    /// Mailboxes.
    pub mailboxes: usize,
    /// Rounds.
    pub rounds: usize,
    /// Cases.
    pub cases: Vec<Case>,
    /// Tools.
    pub tools: Vec<Tool>,
    /// Folder to work in.
    pub directory: PathBuf,
    /// Our program.
    pub ours: PathBuf,
    /// The limit's program.
    pub limit: PathBuf,
    /// Mailboxes at once where the case does not say one.
    pub jobs: usize,
    /// Compare what arrived, in the first round.
    pub compare: bool,
}

/// One run.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Run {
    /// The case.
    pub case: Case,
    /// The tool.
    pub tool: Tool,
    /// From 0.
    pub round: usize,
    /// The first pass.
    pub first: Measure,
    /// The pass with nothing to do.
    pub second: Option<Measure>,
    /// What arrived.
    pub difference: Option<Difference>,
}

/// Runs everything; `tell` hears of each run as it ends.
pub fn run(options: &Options, mut tell: impl FnMut(&Run)) -> anyhow::Result<Vec<Run>> {
    let home = options.directory.join("source");
    let mail = home.join("mail");
    if !mail.exists() {
        let corpus = corpus::Options {
            messages: options.messages,
            mailboxes: options.mailboxes,
            seed: 1,
            largest: 30_000_000,
        };
        corpus::write(&seeds::load()?, corpus, &mail)?;
        dovecot::give_to_server(&mail)?;
    }
    let settings = dovecot::Options {
        format: Format::Maildir,
        ..dovecot::Options::default()
    };
    let source = Dovecot::start(&home, &settings)?;
    // Warm the source's caches, so that no tool pays for being the first.
    for index in 0..options.mailboxes {
        witness::read(source.port, &mailbox_name(index))?;
    }
    let mut runs = Vec::new();
    for round in 0..options.rounds {
        for case in &options.cases {
            for tool in &options.tools {
                let run = one(options, &source, *case, *tool, round)?;
                tell(&run);
                runs.push(run);
            }
        }
    }
    Ok(runs)
}

fn one(
    options: &Options,
    source: &Dovecot,
    case: Case,
    tool: Tool,
    round: usize,
) -> anyhow::Result<Run> {
    let directory = options.directory.join("run");
    if directory.exists() {
        fs::remove_dir_all(&directory)
            .with_context(|| format!("failed to clear {}", directory.display()))?;
    }
    let home = directory.join("target");
    fs::create_dir_all(&home)?;
    let fsync = if case == Case::NoFsync {
        "never"
    } else {
        "optimized"
    };
    let target = Dovecot::start(
        &home,
        &dovecot::Options {
            fsync,
            ..dovecot::Options::default()
        },
    )?;
    let far = Behaviour {
        delay: Duration::from_millis(10),
        ..Behaviour::default()
    };
    let proxies = match case {
        Case::SourceFar => vec![Proxy::start(source.port, far)?],
        Case::BothFar => {
            vec![
                Proxy::start(source.port, far.clone())?,
                Proxy::start(target.port, far)?,
            ]
        }
        Case::Lan | Case::Tls | Case::NoFsync => Vec::new(),
    };
    let tls = case == Case::Tls;
    let port = |place: usize, server: &Dovecot| match proxies.get(place) {
        Some(proxy) => proxy.port,
        None if tls => server.tls_port,
        None => server.port,
    };
    let jobs = if proxies.is_empty() { options.jobs } else { 1 };
    let place = Place {
        work: directory.join("work"),
        source: port(0, source),
        target: port(1, &target),
        ca: if tls {
            Some(both_certificates(&directory, source, &target)?)
        } else {
            None
        },
        target_configuration: target.configuration(),
        mailboxes: options.mailboxes,
        jobs,
        ours: options.ours.clone(),
        limit: options.limit.clone(),
    };
    let first = measure::run(tool.lanes(&place)?, source.pid(), target.pid())?;
    let again = tool != Tool::Limit;
    let second = again
        .then(|| measure::run(tool.lanes(&place)?, source.pid(), target.pid()))
        .transpose()?;
    let compare = options.compare && round == 0 && again && case == Case::Lan;
    let difference = compare
        .then(|| differences(options, source, &target))
        .transpose()?;
    Ok(Run {
        case,
        tool,
        round,
        first,
        second,
        difference,
    })
}

fn both_certificates(
    directory: &Path,
    source: &Dovecot,
    target: &Dovecot,
) -> anyhow::Result<PathBuf> {
    let mut text = fs::read_to_string(source.certificate())?;
    text.push_str(&fs::read_to_string(target.certificate())?);
    let path = directory.join("ca.pem");
    fs::write(&path, text)?;
    Ok(path)
}

fn differences(
    options: &Options,
    source: &Dovecot,
    target: &Dovecot,
) -> anyhow::Result<Difference> {
    let mut difference = Difference::default();
    for index in 0..options.mailboxes {
        let user = mailbox_name(index);
        let old = witness::read(source.port, &user)?;
        let new = witness::read(target.port, &user)?;
        witness::compare(&old, &new, &mut difference);
    }
    Ok(difference)
}
