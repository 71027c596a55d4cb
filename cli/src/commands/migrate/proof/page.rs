//! The proof as one HTML page: self-contained, printable on A4, readable by a screen reader.

use std::path::Path;

use askama::Template;
use melouvert_migration::{
    Outcome, Report,
    proof::{AccountReport, CollectionProof, Exception, FolderProof},
};
use sha2::{Digest, Sha256};

use super::{
    document::{self, Document},
    words,
};
use crate::{
    errors::CliError,
    harmless::{Shown, harmless},
    text::{self, Lang, text},
};

/// Digits of a hash that a person compares.
const DIGITS: usize = 16;

#[derive(Template)]
#[template(path = "proof.html")]
struct Page {
    lang: &'static str,
    language: Lang,
    of: String,
    complete: bool,
    facts: Vec<(&'static str, String)>,
    accounts: Vec<AccountLine>,
    folders: Vec<FolderLine>,
    exceptions: Vec<ExceptionLine>,
    seals: Vec<(&'static str, String)>,
    signed: bool,
    attime: i64,
    version: &'static str,
}

impl Page {
    /// The text in the page's language.
    fn t<'a>(&self, fr: &'a str, en: &'a str) -> &'a str {
        self.language.pick(fr, en)
    }
}

struct AccountLine {
    source: String,
    target: String,
    folders: usize,
    at_source: u64,
    copied: u64,
    read_back: u64,
    bytes: String,
    exceptions: usize,
    state: &'static str,
}

struct FolderLine {
    account: String,
    path: String,
    at_source: u64,
    copied: u64,
    read_back: u64,
    bytes: String,
    source_hash: String,
    target_hash: String,
    state: &'static str,
}

struct ExceptionLine {
    place: String,
    uid: String,
    size: String,
    date: String,
    why: String,
    detail: String,
    remedy: String,
}

/// Writes the page.
pub fn write(
    path: &Path,
    document: &Document,
    signature: Option<&str>,
    lang: Lang,
) -> Result<(), CliError> {
    document::write(path, &render(document, signature, lang)?)
}

/// The page's text. What others say turns no direction of reading in it.
fn render(document: &Document, signature: Option<&str>, lang: Lang) -> Result<String, CliError> {
    let html = page(document, signature, lang)?.render().map_err(|error| {
        CliError::failure(text!(
            "page impossible à écrire",
            "failed to write the page"
        ))
        .caused_by(&error)
    })?;
    Ok(harmless(&html, Shown::Plainly, false).into_owned())
}

fn page(document: &Document, signature: Option<&str>, lang: Lang) -> Result<Page, CliError> {
    let report = &document.report;
    let issued = document.issued()?;
    let of: Vec<String> = [
        document
            .proof
            .collectivity
            .as_ref()
            .map(|one| one.name.clone()),
        document
            .proof
            .migration
            .as_ref()
            .map(|one| one.name.clone()),
    ]
    .into_iter()
    .flatten()
    .collect();
    Ok(Page {
        lang: lang.pick("fr", "en"),
        language: lang,
        of: of.join(", "),
        complete: report.outcome == Outcome::Complete,
        facts: facts(document, issued, lang),
        accounts: report.accounts.iter().map(|a| account(a, lang)).collect(),
        folders: folders(report, lang),
        exceptions: exceptions(report, lang),
        seals: seals(document, signature, issued, lang)?,
        signed: signature.is_some(),
        attime: issued.as_second(),
        version: env!("CARGO_PKG_VERSION"),
    })
}

fn facts(document: &Document, issued: jiff::Timestamp, lang: Lang) -> Vec<(&'static str, String)> {
    let (proof, report) = (&document.proof, &document.report);
    let mut facts = Vec::new();
    if let Some(one) = &proof.collectivity {
        let (name, siren) = (&one.name, &one.siren);
        let title = lang.pick("Collectivité", "Collectivity");
        facts.push((title, format!("{name} (SIREN {siren})")));
    }
    if let Some(one) = &proof.migration {
        let (name, run) = (&one.name, one.run + 1);
        let said = lang.pick(
            format!("{name}, passage {run}"),
            format!("{name}, run {run}"),
        );
        facts.push(("Migration", said));
    }
    let (from, to) = (
        text::date(lang, report.started),
        text::date(lang, report.finished),
    );
    let said = lang.pick(format!("du {from} au {to}"), format!("from {from} to {to}"));
    facts.push((lang.pick("Dernier passage", "Last run"), said));
    facts.push((lang.pick("Émise le", "Issued"), text::date(lang, issued)));
    if let Some(by) = &proof.by {
        facts.push((lang.pick("Remise par", "Handed over by"), by.clone()));
    }
    facts
}

fn account(account: &AccountReport, lang: Lang) -> AccountLine {
    let sum = |count: fn(&FolderProof) -> u64| account.folders.iter().map(count).sum();
    AccountLine {
        source: account.source_user.clone(),
        target: account.target_user.clone(),
        folders: account.folders.len(),
        at_source: sum(|folder| folder.source_messages),
        copied: sum(|folder| folder.copied_messages),
        read_back: sum(|folder| folder.verified_messages),
        bytes: words::bytes(sum(|folder| folder.copied_bytes), lang),
        exceptions: account.exceptions.len() + usize::from(account.failure.is_some()),
        state: words::state(account, lang),
    }
}

fn folders(report: &Report, lang: Lang) -> Vec<FolderLine> {
    let short = |hash: &str| hash.chars().take(DIGITS).collect();
    let line = |account: &AccountReport, folder: &FolderProof| FolderLine {
        account: account.source_user.clone(),
        path: folder.path.clone(),
        at_source: folder.source_messages,
        copied: folder.copied_messages,
        read_back: folder.verified_messages,
        bytes: words::bytes(folder.copied_bytes, lang),
        source_hash: short(&folder.source_hash),
        target_hash: short(&folder.target_hash),
        state: if folder.complete {
            lang.pick("complet", "complete")
        } else {
            lang.pick("incomplet", "partial")
        },
    };
    let collection = |account: &AccountReport, proof: &CollectionProof| FolderLine {
        account: account.source_user.clone(),
        path: words::collection(proof, lang),
        at_source: proof.items + proof.exceptions,
        copied: proof.items,
        read_back: proof.items,
        bytes: words::bytes(proof.bytes, lang),
        source_hash: short(&proof.source_hash),
        target_hash: short(&proof.stored_hash),
        state: if proof.complete {
            lang.pick("complet", "complete")
        } else {
            lang.pick("incomplet", "partial")
        },
    };
    let mut lines = Vec::new();
    for account in &report.accounts {
        lines.extend(account.folders.iter().map(|folder| line(account, folder)));
        lines.extend(
            account
                .collections
                .iter()
                .map(|one| collection(account, one)),
        );
    }
    lines
}

fn exceptions(report: &Report, lang: Lang) -> Vec<ExceptionLine> {
    let mut lines = Vec::new();
    for account in &report.accounts {
        if let Some(failure) = &account.failure {
            let (why, remedy) = words::failure(&failure.reason);
            lines.push(ExceptionLine {
                place: account.source_user.clone(),
                uid: String::new(),
                size: String::new(),
                date: String::new(),
                why: why.in_lang(lang).to_owned(),
                detail: failure.message.clone(),
                remedy: remedy.in_lang(lang).to_owned(),
            });
        }
        lines.extend(account.exceptions.iter().map(|one| exception(one, lang)));
    }
    lines
}

fn exception(exception: &Exception, lang: Lang) -> ExceptionLine {
    let size = exception.size.map(|size| words::bytes(size, lang));
    ExceptionLine {
        place: format!("{}, {}", exception.account, exception.folder),
        uid: exception.uid.map(|uid| uid.to_string()).unwrap_or_default(),
        size: size.unwrap_or_default(),
        date: exception.date.clone().unwrap_or_default(),
        why: words::why(exception.reason).in_lang(lang).to_owned(),
        detail: exception.detail.clone(),
        remedy: words::remedy(exception.reason).in_lang(lang).to_owned(),
    }
}

fn seals(
    document: &Document,
    signature: Option<&str>,
    issued: jiff::Timestamp,
    lang: Lang,
) -> Result<Vec<(&'static str, String)>, CliError> {
    let sha256 = hex::encode(Sha256::digest(document.text.as_bytes()));
    let mut seals = vec![
        (
            lang.pick("SHA-256 du fichier JSON", "SHA-256 of the JSON file"),
            sha256,
        ),
        (
            lang.pick("BLAKE3 du rapport", "BLAKE3 of the report"),
            document.proof.hash.clone(),
        ),
    ];
    let Some(signature) = signature else {
        return Ok(seals);
    };
    let verified =
        melouvert_pki::document::verify(document.text.as_bytes(), signature, None, issued)
            .map_err(|error| {
                CliError::failure(text!(
                    "la preuve ne va pas avec sa signature",
                    "the proof does not go with its signature"
                ))
                .caused_by(&error)
            })?;
    let signer = verified.signer;
    let (from, to) = (
        text::date(lang, signer.not_before),
        text::date(lang, signer.not_after),
    );
    seals.push((
        lang.pick("Signée par", "Signed by"),
        format!("{} ({})", signer.subject, signer.issuer),
    ));
    seals.push((
        lang.pick("Certificat, SHA-256", "Certificate, SHA-256"),
        signer.fingerprint,
    ));
    seals.push((
        lang.pick("Certificat valable", "Certificate valid"),
        lang.pick(format!("du {from} au {to}"), format!("from {from} to {to}")),
    ));
    Ok(seals)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn html(lang: Lang) -> String {
        let report = serde_json::from_value(json!({
            "format": "melouvert-migration-report/1",
            "started": "2026-11-24T10:00:00Z", "finished": "2026-11-24T10:01:00Z",
            "outcome": "partial",
            "accounts": [{
                "source_url": "imaps://old.example:993", "source_user": "<script>alert(1)</script>",
                "target_url": "imaps://mail:993", "target_user": "jeanne@caen.example",
                "status": "partial", "failure": null, "seconds": 1.5,
                "written_messages": 2, "written_bytes": 10, "matched_messages": 0,
                "flag_changes": 0, "vanished_messages": 0,
                "folders": [{
                    "path": "Été & hiver", "target_name": "x", "source_messages": 3,
                    "copied_messages": 2, "copied_bytes": 1_500_000, "source_hash": "ab".repeat(32),
                    "verified_messages": 2, "target_hash": "ab".repeat(32),
                    "exceptions": 1, "complete": false,
                }],
                "exceptions": [{
                    "account": "jeanne", "folder": "Été & hiver", "uid": 3, "size": 61_200_000,
                    "date": "17-Jul-1996 02:44:25 -0700", "reason": "too_large",
                    "detail": "[TOOBIG] no\u{202e}\u{1b}[2J", "remedy": "",
                }],
            }],
        }))
        .unwrap();
        let document = Document::of_report(&report, jiff::Timestamp::UNIX_EPOCH).unwrap();
        render(&document, None, lang).unwrap()
    }

    #[test]
    fn a_page_reads_as_it_is_written() {
        let html = html(Lang::Fr);
        assert!(html.contains(r"no\u{202e}\u{1b}[2J"), "{html}");
        assert!(!html.contains(['\u{202e}', '\u{1b}']));
    }

    #[test]
    fn a_page_needs_nothing_else_and_runs_nothing() {
        let html = html(Lang::Fr);
        for outside in [
            "http://", "https://", "src=", "<link", "<script", "@import", "url(",
        ] {
            assert!(!html.contains(outside), "{outside} in {html}");
        }
        assert!(html.contains("&#60;script&#62;") && html.contains("Été &#38; hiver"));
    }

    #[test]
    fn a_page_says_all_of_an_exception_in_its_language() {
        let page = html(Lang::Fr);
        for said in [
            "<html lang=\"fr\">",
            "<strong>Incomplète.</strong>",
            "61,2 Mo",
            "17-Jul-1996 02:44:25 -0700",
            "message plus gros que la limite",
            "augmentez la taille maximale",
            "abababababababab<",
            "n&#39;est pas signée",
        ] {
            assert!(page.contains(said), "{said} not in {page}");
        }
        assert!(html(Lang::En).contains("then run again"));
    }

    #[test]
    fn every_table_is_titled_and_every_header_scoped() {
        let html = html(Lang::Fr);
        assert_eq!(
            html.matches("<table").count(),
            html.matches("<caption").count()
        );
        assert_eq!(
            html.matches("<th ").count(),
            html.matches("<th scope=").count()
        );
        assert!(!html.contains("<th>"));
    }
}
