//! The old servers, one per corpus, and an empty new one for each run.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::cases::{Case, Corpus};
use crate::corpus::{self, mailbox_name};
use crate::dovecot::{self, Dovecot, Format, PASSWORD};
use crate::proxy::Proxy;
use crate::witness::{self, Mailbox};
use crate::{door, folder, leftovers, seeds};

/// Bytes of the largest attachment.
const LARGEST: usize = 30_000_000;
/// Messages that come, and flags that change, between two passes.
const CHANGES: usize = 20;

/// The old servers that run.
pub struct Sources {
    directory: PathBuf,
    mailboxes: usize,
    running: HashMap<Corpus, Source>,
}

/// An old server, and what it held when it started.
pub struct Source {
    /// The server.
    pub server: Dovecot,
    seen: Vec<Mailbox>,
    /// Whether what it holds may have changed since.
    changes: bool,
}

impl Source {
    /// A mailbox as an outside witness reads it.
    pub fn mailbox(&self, index: usize) -> anyhow::Result<Cow<'_, Mailbox>> {
        match self.seen.get(index).filter(|_| !self.changes) {
            Some(seen) => Ok(Cow::Borrowed(seen)),
            None => Ok(Cow::Owned(witness::read(
                self.server.port,
                &mailbox_name(index),
            )?)),
        }
    }
}

impl Sources {
    /// Nothing runs yet; corpora are kept in `directory` from one run to the next.
    pub fn new(directory: &Path, mailboxes: usize) -> Self {
        Self {
            directory: directory.to_owned(),
            mailboxes,
            running: HashMap::new(),
        }
    }

    /// Mailboxes of a corpus.
    pub fn mailboxes(&self, corpus: Corpus) -> usize {
        match corpus {
            Corpus::Mailboxes(_) => self.mailboxes,
            Corpus::Folder(_) => 1,
        }
    }

    /// The server of a corpus, which is written at need; `say` hears what takes long.
    pub fn server(&mut self, corpus: Corpus, say: &dyn Fn(&str)) -> anyhow::Result<&Source> {
        if !self.running.contains_key(&corpus) {
            let source = self.start(corpus, say)?;
            self.running.insert(corpus, source);
        }
        self.running
            .get(&corpus)
            .context("failed to find the server that was just started")
    }

    fn start(&self, corpus: Corpus, say: &dyn Fn(&str)) -> anyhow::Result<Source> {
        let home = self.directory.join(match corpus {
            Corpus::Mailboxes(messages) => format!("source-{messages}"),
            Corpus::Folder(messages) => format!("folder-{messages}"),
        });
        let mail = home.join("mail");
        if !mail.exists() {
            say(&format!("écriture du corpus {corpus:?}"));
            // Renamed when whole: a corpus cut short must not pass for one.
            let draft = home.join("draft");
            if draft.exists() {
                fs::remove_dir_all(&draft).context("failed to clear half a corpus")?;
            }
            self.write(corpus, &draft)?;
            fs::rename(&draft, &mail).context("failed to place the corpus")?;
            dovecot::give_to_server(&mail)?;
        }
        let settings = dovecot::Options {
            format: Format::Maildir,
            ..dovecot::Options::default()
        };
        let server = Dovecot::start(&home, &settings)?;
        // Warms the server's caches, so that no tool pays for being the first.
        say("lecture de la source, pour que le premier outil ne paie pas pour les autres");
        let mut seen = Vec::new();
        for index in 0..self.mailboxes(corpus) {
            seen.push(witness::read(server.port, &mailbox_name(index))?);
        }
        Ok(Source {
            server,
            seen,
            changes: matches!(corpus, Corpus::Folder(_)),
        })
    }

    fn write(&self, corpus: Corpus, out: &Path) -> anyhow::Result<()> {
        let seeds = seeds::load()?;
        match corpus {
            Corpus::Mailboxes(messages) => {
                let options = corpus::Options {
                    messages,
                    mailboxes: self.mailboxes,
                    seed: 1,
                    largest: LARGEST,
                };
                corpus::write(&seeds, options, out).map(drop)
            }
            Corpus::Folder(messages) => folder::write(&seeds, messages, &out.join(mailbox_name(0))),
        }
    }
}

/// Lets mail come and flags change at the source.
pub fn change(source: &Dovecot) -> anyhow::Result<()> {
    let output = Command::new("python3")
        .arg("-c")
        .arg(include_str!("changes.py"))
        .args(["127.0.0.1", &source.port.to_string(), &mailbox_name(0)])
        .args([PASSWORD, "Archives", &CHANGES.to_string()])
        .output()
        .context("failed to run python3")?;
    if !output.status.success() {
        bail!(
            "failed to change the source: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

/// An empty target, and what stands before it and the source.
pub struct Target {
    /// The server.
    pub server: Dovecot,
    /// Folder of this run.
    pub directory: PathBuf,
    proxies: (Option<Proxy>, Option<Proxy>),
    tls: bool,
    /// Port of our own store's door.
    door: Option<u16>,
}

impl Target {
    /// Starts an empty server for one run of a case.
    pub fn start(directory: &Path, case: Case, source: &Dovecot) -> anyhow::Result<Self> {
        leftovers::set_aside(directory)?;
        let home = directory.join("target");
        fs::create_dir_all(&home)?;
        let mut options = dovecot::Options {
            fsync: case.fsync(),
            ..dovecot::Options::default()
        };
        let door = (case == Case::Own)
            .then(|| door::open(&mut options, &home, &home.join("mail")))
            .transpose()?;
        let server = Dovecot::start(&home, &options)?;
        let (before_source, before_target) = case.delays();
        let proxy = |delay: Option<crate::proxy::Behaviour>, to: u16| {
            delay
                .map(|behaviour| Proxy::start(to, behaviour))
                .transpose()
        };
        let proxies = (
            proxy(before_source, source.port)?,
            proxy(before_target, server.port)?,
        );
        Ok(Self {
            server,
            directory: directory.to_owned(),
            proxies,
            tls: case == Case::Tls,
            door,
        })
    }

    /// The ports that a tool is given: source, target.
    pub fn ports(&self, source: &Dovecot) -> (u16, u16) {
        let port = |proxy: &Option<Proxy>, server: &Dovecot| match proxy {
            Some(proxy) => proxy.port,
            None if self.tls => server.tls_port,
            None => server.port,
        };
        (
            port(&self.proxies.0, source),
            self.door
                .unwrap_or_else(|| port(&self.proxies.1, &self.server)),
        )
    }

    /// Both servers' certificates in one file, where TLS is spoken.
    pub fn certificates(&self, source: &Dovecot) -> anyhow::Result<Option<PathBuf>> {
        if !self.tls {
            return Ok(None);
        }
        let mut text = fs::read_to_string(source.certificate())?;
        text.push_str(&fs::read_to_string(self.server.certificate())?);
        let path = self.directory.join("ca.pem");
        fs::write(&path, text)?;
        Ok(Some(path))
    }
}
