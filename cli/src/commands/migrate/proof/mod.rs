//! `melouvert migrate proof`: shows a proof, writes it for the collectivity, verifies it offline.

pub mod document;
mod failures;
mod page;
mod verify;
pub mod words;

use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

use clap::Subcommand;
use melouvert_api::wire;
use melouvert_domain::Siren;
use melouvert_migration::{
    Report,
    proof::{AccountReport, CollectionProof, FolderProof},
};

use crate::{
    errors::CliError,
    globals::Context,
    input,
    language::{French, about, arg},
    outputs,
    platform::PlatformClient,
    printer::table,
    text::{self, Lang, text},
};
use document::Document;
pub use page::write as write_page;
pub use verify::check;
use words::state;

/// French help.
pub const FRENCH: &[French] = &[
    about(
        "migrate proof",
        "Montre la preuve d'une migration, dossier par dossier, ou l'écrit pour la collectivité\n\nAvec --file, écrit aussi la signature dans FICHIER.p7s. « melouvert migrate proof verify » et openssl la vérifient, sans réseau.",
    ),
    arg("migrate proof", "siren", "SIREN de la collectivité"),
    arg("migrate proof", "name", "Nom de la migration"),
    arg(
        "migrate proof",
        "file",
        "Écrit la preuve signée (JSON) dans ce fichier, et sa signature dans FICHIER.p7s",
    ),
    arg(
        "migrate proof",
        "html",
        "Écrit la preuve en une page HTML à lire et à imprimer",
    ),
    about(
        "migrate proof verify",
        "Vérifie une preuve sans réseau : signature, autorité, empreinte, puis cohérence\n\nLa signature est dans FICHIER.p7s, à côté de FICHIER. Ni cluster ni réseau. Sans --ca, tout le reste est vérifié et le code de sortie est 10 : n'importe qui peut se faire une autorité.",
    ),
    arg(
        "migrate proof verify",
        "file",
        "La preuve, telle que « melouvert migrate proof … --file » l'a écrite",
    ),
    arg(
        "migrate proof verify",
        "ca",
        "PEM de l'autorité racine de la région, obtenue par une autre voie",
    ),
    arg(
        "migrate proof verify",
        "signature",
        "La signature, si ce n'est pas FICHIER.p7s",
    ),
];

/// Arguments of `melouvert migrate proof`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Args {
    /// The SIREN of the collectivity
    #[arg(value_name = "SIREN", required = true)]
    siren: Option<String>,
    /// The name of the migration
    #[arg(value_name = "MIGRATION", required = true)]
    name: Option<String>,
    /// Write the signed proof (JSON) to this file, and its signature to FILE.p7s
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Write the proof as one HTML page, to read and to print
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

/// `melouvert migrate proof …`
#[derive(Debug, Subcommand)]
enum Command {
    Verify(verify::Args),
}

impl Args {
    /// Shows it, or writes it, or verifies one.
    pub async fn run(&self, context: &Context) -> Result<(), CliError> {
        if let Some(Command::Verify(args)) = &self.command {
            return args.run(context);
        }
        let (siren, name) = (
            self.siren.as_deref().unwrap_or_default(),
            self.name.as_deref().unwrap_or_default(),
        );
        let siren = input::siren(siren)?;
        let signature = self.file.as_deref().map(document::signature_path);
        outputs::check(&[
            ("--file", self.file.as_deref()),
            ("--file", signature.as_deref()),
            ("--html", self.html.as_deref()),
        ])?;
        let (mut kept, report) = fetch(context, &siren, name).await?;
        let (text, signature) = (kept.document.take(), kept.signature.take());
        if self.file.is_none() && self.html.is_none() {
            return context
                .printer
                .one(&kept, &kept.hash, |lang| describe(&kept, &report, lang));
        }
        let document = match text {
            Some(text) => Document::read(text)?,
            // A proof of an earlier release, which nobody signed.
            None => Document::of_report(&report, report.finished)?,
        };
        write_files(
            context,
            &document,
            signature.as_deref(),
            self.file.as_deref(),
            self.html.as_deref(),
        )
    }
}

/// Writes a proof, its signature beside it, and its page.
pub fn write_files(
    context: &Context,
    document: &Document,
    signature: Option<&str>,
    file: Option<&Path>,
    html: Option<&Path>,
) -> Result<(), CliError> {
    if let Some(path) = file {
        document::write(path, &document.text)?;
        let shown = path.display();
        if let Some(signature) = signature {
            let beside = document::signature_path(path);
            document::write(&beside, signature)?;
            let beside = beside.display();
            context.note(&text!(
                "Preuve écrite dans {shown}, signature dans {beside} : les deux vont ensemble.",
                "The proof is in {shown}, its signature in {beside}: keep both together."
            ));
        } else {
            context.note(&text!(
                "Preuve écrite dans {shown}, sans signature.",
                "The proof is in {shown}, unsigned."
            ));
        }
    }
    if let Some(path) = html {
        write_page(path, document, signature, context.lang)?;
        let shown = path.display();
        context.note(&text!(
            "Page écrite dans {shown}.",
            "The page is in {shown}."
        ));
    }
    Ok(())
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
    if account.folders.is_empty() && account.collections.is_empty() {
        let mut empty = vec![account.target_user.clone()];
        empty.extend(std::iter::repeat_n("-".to_owned(), 6));
        empty.push(state(account, lang).to_owned());
        return vec![empty];
    }
    let folders = account.folders.iter().map(line);
    let collections = account
        .collections
        .iter()
        .map(|one| collection(account, one, lang));
    folders.chain(collections).collect()
}

/// A calendar or an address book, among the folders.
fn collection(account: &AccountReport, proof: &CollectionProof, lang: Lang) -> Vec<String> {
    let state = if proof.complete {
        lang.pick("complet", "complete")
    } else {
        lang.pick("incomplet", "partial")
    };
    vec![
        account.target_user.clone(),
        words::collection(proof, lang),
        (proof.items + proof.exceptions).to_string(),
        proof.items.to_string(),
        proof.bytes.to_string(),
        proof.items.to_string(),
        proof.exceptions.to_string(),
        state.to_owned(),
    ]
}

fn exceptions(report: &Report, lang: Lang) -> String {
    let mut out = String::new();
    for account in &report.accounts {
        if let Some(failure) = &account.failure {
            let (why, remedy) = words::failure(&failure.reason);
            let _ = writeln!(
                out,
                "  {}{} {} ({})\n    → {}",
                account.source_user,
                lang.pick(" :", ":"),
                why.in_lang(lang),
                failure.message,
                remedy.in_lang(lang),
            );
        }
        for exception in &account.exceptions {
            let _ = writeln!(
                out,
                "  {}\n    → {}",
                words::exception(exception, lang),
                words::remedy(exception.reason).in_lang(lang),
            );
        }
    }
    out
}
