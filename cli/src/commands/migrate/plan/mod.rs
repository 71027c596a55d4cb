//! `melouvert migrate plan`: what would be copied, whether it fits, how long it takes.

mod line;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use melouvert_migration::preflight::{self, AccountPlan, Decision, Plan, Settings, Severity};

use super::{
    endpoints, limits,
    proof::{document, words},
};
use crate::{
    errors::{CliError, Kind},
    globals::Context,
    language::{French, about, arg},
    outputs,
    printer::{Format, table},
    text::{Lang, text},
};
use line::Line;

/// French help.
pub const FRENCH: &[French] = &[
    about(
        "migrate plan",
        "Examine les boîtes avant de copier : volumes, durée, quotas, noms, droits, identifiants\n\n\
         N'écrit rien, ni à la source ni à la cible. Chaque boîte est « oui » ou « non », avec la \
         raison et le remède. Avec --save, le plan s'enregistre ; « melouvert migrate copy --plan » \
         l'exécute. Code de sortie 10 si une boîte est « non », 1 si toutes le sont.",
    ),
    arg(
        "migrate plan",
        "accounts",
        "Fichier CSV des comptes, le même que pour « migrate copy »",
    ),
    arg(
        "migrate plan",
        "state",
        "Dossier des journaux de passages précédents : compte ce qui est déjà copié",
    ),
    arg(
        "migrate plan",
        "plan_file",
        "Fichier où enregistrer le plan, en JSON",
    ),
    arg("migrate plan", "jobs", "Boîtes copiées en même temps"),
    arg(
        "migrate plan",
        "max_message_size",
        "Taille maximale d'un message à la cible, p. ex. 50MB, si elle ne l'annonce pas",
    ),
    arg("migrate plan", "allow_cleartext", endpoints::CLEARTEXT),
    arg("migrate plan", "ca_file", endpoints::AUTHORITIES),
    arg("migrate plan", "limit_rate", limits::RATE),
    arg("migrate plan", "max_connections", limits::CONNECTIONS),
    arg("migrate plan", "min_rate", limits::LEAST),
    arg("migrate plan", "no_special_use", limits::SPECIAL_USE),
];

/// Examine the mailboxes before copying: volumes, time, quotas, names, rights, logins
///
/// Writes nothing, neither at the source nor at the target. Each mailbox is go or no-go, with the
/// reason and the remedy. With --save, the plan is kept; `melouvert migrate copy --plan` carries it
/// out. Exit code 10 when a mailbox is no-go, 1 when all are.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// CSV file of the accounts, the same as for `migrate copy`
    #[arg(long, value_name = "FILE")]
    accounts: PathBuf,
    /// Folder of the journals of earlier runs: counts what is copied already
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// File to keep the plan in, as JSON
    #[arg(id = "plan_file", long = "save", value_name = "FILE")]
    save: Option<PathBuf>,
    /// Mailboxes copied at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,
    /// The largest message that the target takes, e.g. 50MB, when it does not tell
    #[arg(long, value_name = "SIZE")]
    max_message_size: Option<bytesize::ByteSize>,
    #[command(flatten)]
    endpoints: endpoints::EndpointArgs,
    #[command(flatten)]
    limits: limits::LimitArgs,
    #[command(flatten)]
    names: limits::NameArgs,
}

impl Args {
    /// Scans, shows, keeps.
    pub async fn run(&self, context: &Context) -> Result<(), CliError> {
        let accounts = self.endpoints.read(&self.accounts)?;
        outputs::check(&[("--save", self.save.as_deref())])?;
        let settings = Settings {
            jobs: usize::from(self.jobs),
            max_message_size: self.max_message_size.map(|size| size.as_u64()),
            limits: self.limits.limits(),
            timeouts: self.limits.timeouts(),
            special_use: !self.names.no_special_use,
            ..Settings::default()
        };
        let all = accounts.len();
        let line = Mutex::new(context.progress());
        let on = Arc::new(move |done: usize| {
            if let Ok(mut line) = line.lock() {
                line.update(&text!(
                    "{done}/{all} boîtes examinées",
                    "{done}/{all} mailboxes examined"
                ));
            }
        });
        let plan = preflight::run(&accounts, self.state.as_deref(), &settings, on).await;
        show(context, &plan)?;
        if let Some(path) = &self.save {
            save(context, &plan, path)?;
        }
        outcome(&plan)
    }
}

fn save(context: &Context, plan: &Plan, path: &Path) -> Result<(), CliError> {
    let json = serde_json::to_string_pretty(plan).map_err(|error| {
        CliError::failure(text!(
            "plan impossible à écrire",
            "failed to write the plan"
        ))
        .caused_by(&error)
    })?;
    document::write(path, &(json + "\n"))?;
    let shown = path.display();
    context.note(&text!(
        "Plan enregistré dans {shown}. Pour l'exécuter : melouvert migrate copy … --plan {shown}",
        "The plan is in {shown}. To carry it out: melouvert migrate copy … --plan {shown}"
    ));
    Ok(())
}

fn show(context: &Context, plan: &Plan) -> Result<(), CliError> {
    let names: Vec<&str> = plan
        .accounts
        .iter()
        .filter(|one| one.decision == Decision::Go)
        .map(|one| one.source_user.as_str())
        .collect();
    if context.printer.format() == Format::Name {
        return context.printer.raw(&names.join("\n"));
    }
    context.printer.one(plan, "", |lang| describe(plan, lang))
}

fn describe(plan: &Plan, lang: Lang) -> String {
    let lines = plan
        .accounts
        .iter()
        .map(|account| Line(account).cells(lang));
    let mut out = table(Line::titles(lang), lines);
    for account in &plan.accounts {
        out += &findings(account, lang);
    }
    let go = plan.go().len();
    let all = plan.accounts.len();
    let bytes: u64 = plan.accounts.iter().map(|one| one.pending_bytes).sum();
    let bytes = words::bytes(bytes, lang);
    let time = plan.eta_seconds.map_or_else(
        || lang.pick("durée inconnue", "unknown time").to_owned(),
        |seconds| line::time(seconds, lang),
    );
    let jobs = plan.jobs;
    out + &lang.pick(
        format!(
            "\n\n{go}/{all} boîtes « oui », {bytes} à copier, environ {time} à {jobs} de front"
        ),
        format!("\n\n{go}/{all} mailboxes go, {bytes} to copy, about {time}, {jobs} at once"),
    )
}

/// The findings of one account, the gravest first.
fn findings(account: &AccountPlan, lang: Lang) -> String {
    let mut out = String::new();
    for finding in &account.findings {
        let (what, _) = lang.pick(finding.concern.french(), finding.concern.english());
        let mark = match finding.severity {
            Severity::Blocking => lang.pick("NON", "NO"),
            Severity::Warning => lang.pick("attention", "warning"),
            Severity::Info => "info",
        };
        let folder = finding.folder.as_ref().map(|folder| format!(", {folder}"));
        let detail = if finding.detail.is_empty() {
            String::new()
        } else {
            format!(" ({})", finding.detail)
        };
        let remedy = lang.pick(&finding.remedy_fr, &finding.remedy_en);
        let line = format!(
            "\n\n{}{} [{mark}]{} {what}{detail}\n    → {remedy}",
            account.source_user,
            folder.unwrap_or_default(),
            lang.pick(" :", ":"),
        );
        out.push_str(&line);
    }
    out
}

fn outcome(plan: &Plan) -> Result<(), CliError> {
    let (go, all) = (plan.go().len(), plan.accounts.len());
    if go == all {
        return Ok(());
    }
    let no = all - go;
    let kind = if go == 0 {
        Kind::Failure
    } else {
        Kind::Partial
    };
    Err(CliError::new(
        kind,
        text!(
            "{no} boîte(s) sur {all} ne peuvent pas être copiées",
            "{no} of {all} mailboxes cannot be copied"
        ),
    )
    .remedy(text!(
        "suivez le remède de chacune, puis refaites le plan",
        "follow each one's remedy, then make the plan again"
    )))
}
