//! `melouvert migrate proof`.

use std::{fmt::Write, path::PathBuf};

use melouvert_api::wire;
use melouvert_domain::Siren;
use melouvert_migration::{
    Report,
    proof::{AccountReport, AccountStatus, FolderProof, Reason},
};

use crate::{
    errors::CliError,
    globals::Context,
    input,
    platform::PlatformClient,
    printer::table,
    text::{self, Lang, text},
};

/// Arguments of `melouvert migrate proof`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The SIREN of the collectivity
    #[arg(value_name = "SIREN")]
    siren: String,
    /// The name of the migration
    #[arg(value_name = "MIGRATION")]
    name: String,
    /// Write the whole proof (JSON) to this file
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

impl Args {
    /// Shows it, or writes it.
    pub async fn run(&self, context: &Context) -> Result<(), CliError> {
        let siren = input::siren(&self.siren)?;
        let (kept, report) = fetch(context, &siren, &self.name).await?;
        let Some(path) = &self.file else {
            return context
                .printer
                .one(&kept, &kept.hash, |lang| describe(&kept, &report, lang));
        };
        let shown = path.display();
        let failed = |error: &dyn std::error::Error| {
            CliError::failure(text!(
                "écriture de {shown} impossible",
                "failed to write {shown}"
            ))
            .caused_by(error)
        };
        let text = serde_json::to_string_pretty(&kept).map_err(|error| failed(&error))?;
        std::fs::write(path, text + "\n").map_err(|error| failed(&error))?;
        context.note(&text!(
            "Preuve écrite dans {shown}.",
            "The proof is in {shown}."
        ));
        Ok(())
    }
}

/// The proof as the platform keeps it, and as the engine reads it.
pub async fn fetch(
    context: &Context,
    siren: &Siren,
    name: &str,
) -> Result<(wire::Report, Report), CliError> {
    let name = input::name("MIGRATION", name)?;
    let doing = text!("lire la preuve de {name}", "read the proof of {name}");
    let path = format!("/v1/tenants/{siren}/migrations/{name}/report");
    let mut platform = PlatformClient::connect(context).await?;
    let kept: wire::Report = platform.get(&path, &doing).await?;
    let report = serde_json::from_value(kept.report.clone()).map_err(|error| {
        CliError::failure(text!(
            "la preuve de {name} a une forme inconnue",
            "the proof of {name} has an unknown form"
        ))
        .caused_by(&error)
        .remedy(text!(
            "vérifiez que cette version de melouvert est celle du cluster",
            "check that this melouvert has the cluster's version"
        ))
    })?;
    Ok((kept, report))
}

/// An account's state in words.
pub fn state(account: &AccountReport, lang: Lang) -> &'static str {
    match account.status {
        AccountStatus::Complete => lang.pick("complet", "complete"),
        AccountStatus::Partial => lang.pick("incomplet", "partial"),
        AccountStatus::Failed => lang.pick("en échec", "failed"),
        AccountStatus::Stopped => lang.pick("arrêté", "stopped"),
    }
}

/// What a support team can do, in the person's language.
pub fn remedy(reason: Reason, lang: Lang) -> &'static str {
    if lang == Lang::En {
        return reason.remedy();
    }
    match reason {
        Reason::SourceUndeliverable => {
            "ouvrez ce message sur l'ancien serveur, réparez-le ou exportez-le, puis relancez"
        }
        Reason::SourceFolderUnavailable => {
            "vérifiez les droits du dossier sur l'ancien serveur, puis relancez"
        }
        Reason::SourceValidityChanged | Reason::NotReached | Reason::AbsentAtTarget => {
            "relancez : la copie reprend où elle s'est arrêtée"
        }
        Reason::OverQuota => {
            "augmentez le quota de la boîte, puis relancez : seul l'absent est copié"
        }
        Reason::TooLarge => "augmentez la taille maximale des messages, puis relancez",
        Reason::TargetRefused => "lisez la réponse du serveur, ôtez la cause, puis relancez",
        Reason::TargetFolderRefused => "renommez le dossier sur l'ancien serveur, puis relancez",
        Reason::TargetBreaks => "cherchez ce message dans les journaux de la cible, puis relancez",
        Reason::BytesDiffer => {
            "gardez l'ancien serveur : la cible a altéré ce message ; signalez-le"
        }
        Reason::DateDiffers => "la cible garde une autre date ; le message est intact",
        Reason::FlagsDiffer => {
            "la cible garde d'autres marques, ou l'agent les a changées ; le message est intact"
        }
    }
}

fn describe(kept: &wire::Report, report: &Report, lang: Lang) -> String {
    let (migration, run, hash) = (&kept.migration, kept.run, &kept.hash);
    let (from, to) = (
        text::date(lang, report.started),
        text::date(lang, report.finished),
    );
    let mut out = lang.pick(
        format!(
            "Migration {migration}, passage {run}, du {from} au {to}\nEmpreinte BLAKE3 : {hash}"
        ),
        format!("Migration {migration}, run {run}, from {from} to {to}\nBLAKE3: {hash}"),
    );
    let titles = lang.pick(
        vec![
            "COMPTE",
            "DOSSIER",
            "SOURCE",
            "COPIÉS",
            "OCTETS",
            "RELUS",
            "EXCEPTIONS",
            "ÉTAT",
        ],
        vec![
            "ACCOUNT",
            "FOLDER",
            "SOURCE",
            "COPIED",
            "BYTES",
            "READ BACK",
            "EXCEPTIONS",
            "STATE",
        ],
    );
    let rows = report
        .accounts
        .iter()
        .flat_map(|account| rows(account, lang));
    let _ = write!(out, "\n\n{}", table(titles, rows));
    let exceptions = exceptions(report, lang);
    if !exceptions.is_empty() {
        let title = lang.pick("Exceptions", "Exceptions");
        let _ = write!(out, "\n\n{title}\n{exceptions}");
    }
    out
}

fn rows(account: &AccountReport, lang: Lang) -> Vec<Vec<String>> {
    let line = |folder: &FolderProof| {
        vec![
            account.target_user.clone(),
            folder.path.clone(),
            folder.source_messages.to_string(),
            folder.copied_messages.to_string(),
            folder.copied_bytes.to_string(),
            folder.verified_messages.to_string(),
            folder.exceptions.to_string(),
            if folder.complete {
                lang.pick("complet", "complete")
            } else {
                lang.pick("incomplet", "partial")
            }
            .to_owned(),
        ]
    };
    if account.folders.is_empty() {
        let mut empty = vec![account.target_user.clone()];
        empty.extend(std::iter::repeat_n("-".to_owned(), 6));
        empty.push(state(account, lang).to_owned());
        return vec![empty];
    }
    account.folders.iter().map(line).collect()
}

fn exceptions(report: &Report, lang: Lang) -> String {
    let mut out = String::new();
    for account in &report.accounts {
        if let Some(failure) = &account.failure {
            let _ = writeln!(out, "  {} : {}", account.target_user, failure.message);
        }
        for exception in &account.exceptions {
            let uid = exception
                .uid
                .as_ref()
                .and_then(|uid| serde_json::to_value(uid).ok());
            let uid = uid.map(|uid| format!(", UID {uid}")).unwrap_or_default();
            let _ = writeln!(
                out,
                "  {}, {}{uid} : {}\n    → {}",
                account.target_user,
                exception.folder,
                exception.detail,
                remedy(exception.reason, lang),
            );
        }
    }
    out
}
