//! `melouvert migrate copy`: mailboxes from server to server, without any cluster.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use bytesize::ByteSize;
use melouvert_migration::{
    Account, AccountsError, EndpointOptions, Event, Options, Outcome, Report,
    account::read_accounts,
    engine::Verification,
    proof::{AccountReport, AccountStatus},
};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::{
    errors::{CliError, Kind},
    globals::Context,
    language::{French, about, arg},
    printer::Row,
    progress::Progress,
    text::{Lang, text},
};

/// French help.
pub const FRENCH: &[French] = &[
    about(
        "migrate copy",
        "Copie des boîtes aux lettres d'un serveur IMAP vers un autre, sans cluster\n\n\
         La source n'est que lue. Aucun octet n'est modifié, les doublons restent, et ce qui a été \
         copié est relu puis comparé. Interrompue, la copie reprend où elle en était quand la même \
         commande est relancée.",
    ),
    arg(
        "migrate copy",
        "accounts",
        "Fichier CSV : source_url,source_user,source_password,target_url,target_user,target_password",
    ),
    arg(
        "migrate copy",
        "state",
        "Dossier des journaux de reprise : le garder jusqu'à la fin de la migration",
    ),
    arg("migrate copy", "jobs", "Boîtes copiées en même temps"),
    arg(
        "migrate copy",
        "report",
        "Fichier où écrire la preuve, en JSON",
    ),
    arg(
        "migrate copy",
        "allow_cleartext",
        "Accepter imap://, sans chiffrement : sur un réseau de confiance seulement",
    ),
    arg(
        "migrate copy",
        "ca_file",
        "Fichier PEM d'autorités acceptées en plus des autorités publiques",
    ),
    arg(
        "migrate copy",
        "fail_fast",
        "S'arrêter à la première boîte incomplète",
    ),
    arg(
        "migrate copy",
        "max_errors",
        "S'arrêter à ce nombre d'exceptions",
    ),
    arg(
        "migrate copy",
        "verify_all",
        "Tout relire, même ce qui l'a déjà été",
    ),
];

/// Copy mailboxes from one IMAP server to another, without any cluster
///
/// The source is only read. No byte is altered, duplicates stay, and what was copied is read back
/// and compared. Interrupted, the copy goes on where it stood when the same command is run again.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// CSV file: source_url,source_user,source_password,target_url,target_user,target_password
    #[arg(long, value_name = "FILE")]
    accounts: PathBuf,
    /// Folder of the journals that make it resumable: keep it until the migration is over
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// Mailboxes copied at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,
    /// File to write the proof to, as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Accept imap://, which encrypts nothing: on a network you trust only
    #[arg(long)]
    allow_cleartext: bool,
    /// PEM file of authorities accepted besides the public ones
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Stop at the first mailbox that is not complete
    #[arg(long)]
    fail_fast: bool,
    /// Stop at this many exceptions
    #[arg(long, value_name = "N")]
    max_errors: Option<usize>,
    /// Read everything back, even what was before
    #[arg(long)]
    verify_all: bool,
}

impl Args {
    /// Copies, prints one line per mailbox, writes the proof.
    pub async fn run(&self, context: &Context) -> Result<(), CliError> {
        let endpoints = EndpointOptions {
            allow_cleartext: self.allow_cleartext,
            ca_file: self.ca_file.clone(),
        };
        let accounts =
            read_accounts(&self.accounts, &endpoints).map_err(|error| refused(&error))?;
        let options = Options {
            jobs: usize::from(self.jobs),
            verification: if self.verify_all {
                Verification::All
            } else {
                Verification::New
            },
            fail_fast: self.fail_fast,
            max_errors: self.max_errors,
            ..Options::default()
        };
        let report = self.copy(accounts, &options, context).await;
        if let Some(path) = &self.report {
            write_report(path, &report)?;
        }
        let lines: Vec<Line> = report.accounts.iter().cloned().map(Line).collect();
        context.printer.rows(&lines)?;
        say_exceptions(context, &report);
        outcome(&report)
    }

    async fn copy(&self, accounts: Vec<Account>, options: &Options, context: &Context) -> Report {
        let watcher = Arc::new(Watcher::new(context.progress(), accounts.len()));
        let stop = CancellationToken::new();
        let run = melouvert_migration::run(
            accounts,
            &self.state,
            options,
            Arc::<Watcher>::clone(&watcher),
            stop.clone(),
        );
        tokio::pin!(run);
        tokio::select! {
            report = &mut run => report,
            _ = tokio::signal::ctrl_c() => {
                context.note(&text!(
                    "Arrêt demandé : fin des lots en cours…",
                    "Stop asked: finishing the batches in flight…"
                ));
                stop.cancel();
                run.await
            }
        }
    }
}

fn refused(error: &AccountsError) -> CliError {
    CliError::usage(text!(
        "fichier de comptes refusé, rien n'a été copié",
        "the accounts file is refused, nothing was copied"
    ))
    .caused_by(error)
    .remedy(text!(
        "corrigez la ligne indiquée puis relancez la même commande",
        "correct the line, then run the same command again"
    ))
}

fn write_report(path: &Path, report: &Report) -> Result<(), CliError> {
    let failed = |error: &dyn std::error::Error| {
        let path = path.display();
        CliError::failure(text!(
            "écriture de la preuve {path} impossible",
            "failed to write the proof {path}"
        ))
        .caused_by(error)
    };
    let json = serde_json::to_vec_pretty(report).map_err(|error| failed(&error))?;
    std::fs::write(path, json).map_err(|error| failed(&error))
}

/// Exceptions shown; the proof has them all.
const SHOWN: usize = 20;

fn say_exceptions(context: &Context, report: &Report) {
    for account in &report.accounts {
        if let Some(failure) = &account.failure {
            let (user, why) = (&account.source_user, &failure.message);
            context.note(&text!("{user} : {why}", "{user}: {why}"));
        }
    }
    let all: Vec<_> = report
        .accounts
        .iter()
        .flat_map(|account| &account.exceptions)
        .collect();
    for exception in all.iter().take(SHOWN) {
        let user = &exception.account;
        let folder = &exception.folder;
        let uid = exception
            .uid
            .map_or(String::new(), |uid| format!(" UID {uid}"));
        let why = format!("{:?}: {}", exception.reason, exception.detail);
        let remedy = &exception.remedy;
        context.note(&text!(
            "{user}, {folder}{uid} : {why}. {remedy}",
            "{user}, {folder}{uid}: {why}. {remedy}"
        ));
    }
    if all.len() > SHOWN {
        let more = all.len() - SHOWN;
        context.note(&text!(
            "… et {more} autres, voir la preuve (--report)",
            "… and {more} more, see the proof (--report)"
        ));
    }
}

fn outcome(report: &Report) -> Result<(), CliError> {
    let again = text!(
        "levez la cause puis relancez la même commande : seul ce qui manque sera copié",
        "remove the cause, then run the same command again: only what is absent is copied"
    );
    let (kind, message) = match report.outcome {
        Outcome::Complete => return Ok(()),
        Outcome::Partial => (
            Kind::Partial,
            text!(
                "des éléments manquent à la cible",
                "some items are absent from the target"
            ),
        ),
        Outcome::Stopped => (
            Kind::Partial,
            text!("arrêté avant la fin", "stopped before the end"),
        ),
        Outcome::Failed => (
            Kind::Failure,
            text!(
                "aucune boîte n'a pu être copiée",
                "no mailbox could be copied"
            ),
        ),
    };
    Err(CliError::new(kind, message).remedy(again))
}

/// One mailbox.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Line(AccountReport);

impl Row for Line {
    fn titles(lang: Lang) -> Vec<&'static str> {
        lang.pick(
            vec![
                "BOÎTE",
                "ÉTAT",
                "DOSSIERS",
                "À LA CIBLE",
                "COPIÉS",
                "OCTETS",
                "EXCEPTIONS",
                "DURÉE",
            ],
            vec![
                "MAILBOX",
                "STATE",
                "FOLDERS",
                "AT TARGET",
                "COPIED",
                "BYTES",
                "EXCEPTIONS",
                "TIME",
            ],
        )
    }

    fn cells(&self, lang: Lang) -> Vec<String> {
        let account = &self.0;
        let there: u64 = account
            .folders
            .iter()
            .map(|folder| folder.copied_messages)
            .sum();
        let state = match account.status {
            AccountStatus::Complete => lang.pick("complète", "complete"),
            AccountStatus::Partial => lang.pick("partielle", "partial"),
            AccountStatus::Failed => lang.pick("échec", "failed"),
            AccountStatus::Stopped => lang.pick("arrêtée", "stopped"),
        };
        vec![
            account.source_user.clone(),
            state.to_owned(),
            account.folders.len().to_string(),
            there.to_string(),
            account.written_messages.to_string(),
            ByteSize::b(account.written_bytes).to_string(),
            account.exceptions.len().to_string(),
            format!("{:.1} s", account.seconds),
        ]
    }

    fn name(&self) -> String {
        self.0.source_user.clone()
    }
}

/// Turns events into one line.
struct Watcher {
    line: Mutex<Progress>,
    accounts: usize,
    finished: AtomicU64,
    planned: AtomicU64,
    copied: AtomicU64,
    bytes: AtomicU64,
}

impl Watcher {
    fn new(line: Progress, accounts: usize) -> Self {
        Self {
            line: Mutex::new(line),
            accounts,
            finished: AtomicU64::new(0),
            planned: AtomicU64::new(0),
            copied: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }
}

impl melouvert_migration::Progress for Watcher {
    fn event(&self, event: Event) {
        let tell = match event {
            Event::Surveyed { to_copy, .. } => {
                self.planned.fetch_add(to_copy, Ordering::Relaxed);
                true
            }
            Event::Copied {
                messages, bytes, ..
            } => {
                let before = self.copied.fetch_add(messages, Ordering::Relaxed);
                self.bytes.fetch_add(bytes, Ordering::Relaxed);
                before / 1000 != (before + messages) / 1000
            }
            Event::AccountFinished { .. } => {
                self.finished.fetch_add(1, Ordering::Relaxed);
                true
            }
            _ => false,
        };
        if !tell {
            return;
        }
        let done = self.finished.load(Ordering::Relaxed);
        let all = self.accounts;
        let copied = self.copied.load(Ordering::Relaxed);
        let planned = self.planned.load(Ordering::Relaxed);
        let bytes = ByteSize::b(self.bytes.load(Ordering::Relaxed));
        let now = text!(
            "{done}/{all} boîtes, {copied}/{planned} messages, {bytes}",
            "{done}/{all} mailboxes, {copied}/{planned} messages, {bytes}"
        );
        if let Ok(mut line) = self.line.lock() {
            line.update(&now);
        }
    }
}
