//! `melouvert migrate copy`: mailboxes, archives, calendars and contacts to a server or to files,
//! without any cluster.

mod line;
mod planned;
mod sign;
mod watcher;

use std::{path::PathBuf, sync::Arc};

use melouvert_migration::{
    Account, Options, Outcome, Report,
    collection::Kind as CollectionKind,
    engine::Verification,
    proof::{AccountReport, Note},
};
use tokio_util::sync::CancellationToken;

use super::{
    endpoints, limits,
    proof::{
        document::{Document, signature_path},
        words, write_files,
    },
};
use crate::{
    errors::{CliError, Kind},
    globals::Context,
    language::{French, about, arg},
    outputs,
    text::{Lang, Text, text},
};
use line::Line;
use watcher::Watcher;

/// French help.
pub const FRENCH: &[French] = &[
    about(
        "migrate copy",
        "Copie des boîtes d'un serveur IMAP ou d'archives vers un serveur ou des fichiers, sans cluster\n\n\
         Sources : imaps://, imap+starttls://, imap://, maildir:, mbox:, eml:, takeout:, pst:, ical:, \
         vcard:. Cibles : imaps://, imap+starttls://, imap://, maildir:, export:. Agendas et contacts \
         sont contrôlés, comptés et gardés en fichiers à côté du courrier.\n\n\
         La source n'est que lue. Aucun octet n'est modifié, les doublons restent, et ce qui a été \
         copié est relu puis comparé. Interrompue, la copie reprend où elle en était quand la même \
         commande est relancée.",
    ),
    arg(
        "migrate copy",
        "accounts",
        "Fichier CSV : source_url,source_user,source_password,target_url,target_user,target_password ; \
         source_url peut nommer des fichiers (maildir:, mbox:, eml:, takeout:, pst:, ical:, vcard:/chemin), \
         target_url aussi (maildir:, export:/dossier)",
    ),
    arg(
        "migrate copy",
        "state",
        "Dossier des journaux de reprise : le garder jusqu'à la fin de la migration",
    ),
    arg(
        "migrate copy",
        "plan",
        "Plan à exécuter (« melouvert migrate plan --save ») : seules les boîtes « oui » sont copiées, la plus grosse d'abord",
    ),
    arg("migrate copy", "jobs", "Boîtes copiées en même temps"),
    arg(
        "migrate copy",
        "report",
        "Fichier où écrire la preuve, en JSON",
    ),
    arg(
        "migrate copy",
        "html",
        "Fichier où écrire la preuve en une page HTML, à lire et à imprimer",
    ),
    arg(
        "migrate copy",
        "sign_key",
        "Fichier PEM de la clé qui signe la preuve (P-256, PKCS#8) ; signature dans PREUVE.p7s",
    ),
    arg(
        "migrate copy",
        "sign_cert",
        "Fichier PEM du certificat de cette clé, suivi de ses intermédiaires",
    ),
    arg("migrate copy", "allow_cleartext", endpoints::CLEARTEXT),
    arg("migrate copy", "ca_file", endpoints::AUTHORITIES),
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
    arg("migrate copy", "limit_rate", limits::RATE),
    arg("migrate copy", "max_connections", limits::CONNECTIONS),
    arg("migrate copy", "min_rate", limits::LEAST),
    arg("migrate copy", "no_special_use", limits::SPECIAL_USE),
];

/// Copy mailboxes from an IMAP server or from archives to a server or to files, without any cluster
///
/// Sources: imaps://, imap+starttls://, imap://, maildir:, mbox:, eml:, takeout:, pst:, ical:,
/// vcard:. Targets: imaps://, imap+starttls://, imap://, maildir:, export:. Calendars and contacts
/// are checked, counted and kept as files beside the mail.
///
/// The source is only read. No byte is altered, duplicates stay, and what was copied is read back
/// and compared. Interrupted, the copy goes on where it stood when the same command is run again.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// CSV file: source_url,source_user,source_password,target_url,target_user,target_password;
    /// source_url may name files (maildir:, mbox:, eml:, takeout:, pst:, ical:, vcard:/path),
    /// target_url too (maildir:, export:/folder)
    #[arg(long, value_name = "FILE")]
    accounts: PathBuf,
    /// Folder of the journals that make it resumable: keep it until the migration is over
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// Plan to carry out (`melouvert migrate plan --save`): only the mailboxes that are go are copied,
    /// the largest first
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Mailboxes copied at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,
    /// File to write the proof to, as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// File to write the proof to as one HTML page, to read and to print
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    #[command(flatten)]
    sign: sign::SignArgs,
    #[command(flatten)]
    endpoints: endpoints::EndpointArgs,
    /// Stop at the first mailbox that is not complete
    #[arg(long)]
    fail_fast: bool,
    /// Stop at this many exceptions
    #[arg(long, value_name = "N")]
    max_errors: Option<usize>,
    /// Read everything back, even what was before
    #[arg(long)]
    verify_all: bool,
    #[command(flatten)]
    limits: limits::LimitArgs,
    #[command(flatten)]
    names: limits::NameArgs,
}

impl Args {
    /// Copies, prints one line per mailbox, writes the proof.
    pub async fn run(&self, context: &Context) -> Result<(), CliError> {
        let accounts = self.endpoints.read(&self.accounts)?;
        let signer = self.sign.signer()?;
        let planned = planned::Planned::read(self.plan.as_deref(), &accounts)?;
        self.check_outputs(signer.is_some())?;
        let options = Options {
            jobs: usize::from(self.jobs),
            verification: if self.verify_all {
                Verification::All
            } else {
                Verification::New
            },
            fail_fast: self.fail_fast,
            max_errors: self.max_errors,
            limits: self.limits.limits(),
            timeouts: self.limits.timeouts(),
            special_use: !self.names.no_special_use,
            planned_bytes: planned.sizes(),
            ..Options::default()
        };
        let (go, aside) = planned.split(accounts);
        let mut report = self.copy(go, &options, context).await;
        aside.into_report(&mut report);
        let proven = self.prove(&report, signer.as_ref(), context);
        let lines: Vec<Line> = report.accounts.iter().cloned().map(Line).collect();
        context.printer.rows(&lines)?;
        say_collections(context, &report);
        say_notes(context, &report);
        say_exceptions(context, &report);
        proven.and_then(|()| outcome(&report))
    }

    /// Whatever is written at the end can be written.
    fn check_outputs(&self, signed: bool) -> Result<(), CliError> {
        let signature = self.report.as_deref().filter(|_| signed);
        let signature = signature.map(signature_path);
        outputs::check(&[
            ("--report", self.report.as_deref()),
            ("--report", signature.as_deref()),
            ("--html", self.html.as_deref()),
        ])?;
        outputs::check_folder("--state", &self.state)
    }

    /// Writes the proof.
    fn prove(
        &self,
        report: &Report,
        signer: Option<&sign::Signer>,
        context: &Context,
    ) -> Result<(), CliError> {
        let (file, html) = (self.report.as_deref(), self.html.as_deref());
        if file.is_none() && html.is_none() {
            return Ok(());
        }
        let document = Document::of_report(report, jiff::Timestamp::now())?;
        let signature = signer.map(|signer| signer.sign_document(&document));
        let signature = signature.transpose()?;
        write_files(context, &document, signature.as_deref(), file, html)
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

/// Exceptions shown; the proof has them all.
const SHOWN: usize = 20;

fn say_collections(context: &Context, report: &Report) {
    for account in &report.accounts {
        let count = |kind| {
            let of_kind = account.collections.iter().filter(|one| one.kind == kind);
            of_kind.map(|one| one.items).sum::<u64>()
        };
        let (entries, contacts) = (
            count(CollectionKind::Calendar),
            count(CollectionKind::Contacts),
        );
        if entries + contacts > 0 {
            let user = &account.source_user;
            context.note(&text!(
                "{user} : {entries} entrées d'agenda et {contacts} contacts gardés en fichiers, \
                 dans le dossier collections",
                "{user}: {entries} calendar entries and {contacts} contacts kept as files, in the \
                 folder collections"
            ));
        }
    }
}

/// What is no fault and worth knowing; the proof has them all.
fn say_notes(context: &Context, report: &Report) {
    let of = |account: &AccountReport| {
        let user = account.source_user.clone();
        let told = |note: &Note| words::note(&user, note);
        account.notes.iter().map(told).collect::<Vec<_>>()
    };
    let all: Vec<Text> = report.accounts.iter().flat_map(of).collect();
    for note in all.iter().take(SHOWN) {
        context.note(note);
    }
    if all.len() > SHOWN {
        let more = all.len() - SHOWN;
        context.note(&text!(
            "… et {more} autres remarques, voir la preuve (--report)",
            "… and {more} more notes, see the proof (--report)"
        ));
    }
}

fn say_exceptions(context: &Context, report: &Report) {
    for account in &report.accounts {
        if let Some(failure) = &account.failure {
            let (user, said) = (&account.source_user, &failure.message);
            let (why, remedy) = words::failure(&failure.reason);
            context.note(&Text {
                fr: format!("{user} : {} ({said})\n    → {}", why.fr, remedy.fr),
                en: format!("{user}: {} ({said})\n    → {}", why.en, remedy.en),
            });
        }
    }
    let all: Vec<_> = report
        .accounts
        .iter()
        .flat_map(|account| &account.exceptions)
        .collect();
    for exception in all.iter().take(SHOWN) {
        let line = |lang| {
            let remedy = words::remedy(exception.reason);
            let what = words::exception(exception, lang);
            format!("{what}\n    → {}", remedy.in_lang(lang))
        };
        context.note(&Text {
            fr: line(Lang::Fr),
            en: line(Lang::En),
        });
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
