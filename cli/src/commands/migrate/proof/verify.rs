//! `melouvert migrate proof verify`: a proof against its signature and against itself, offline.

use std::path::PathBuf;

use melouvert_migration::{
    proof::{AccountStatus, Flaw, Inconsistency, inconsistencies},
    seal,
};
use melouvert_pki::{CertInfo, PkiError, document::Signed};
use serde::Serialize;

use super::document::{self, Document};
use crate::{
    errors::{CliError, Kind},
    globals::Context,
    text::{self, Lang, Text, text},
};

/// Verify a proof offline: signature, authority, hash, then its own consistency
///
/// The signature is in FILE.p7s, beside FILE. Needs neither a cluster nor a network. Without --ca,
/// everything else is verified and the exit code is 10: anybody can make an authority.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The proof, as `melouvert migrate proof … --file` wrote it
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The PEM of the region's root authority, which you got by another way
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The signature, when it is not FILE.p7s
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
}

/// What was found.
#[derive(Debug, Serialize)]
struct Finding {
    /// The collectivity, if any.
    collectivity: Option<String>,
    migration: Option<String>,
    issued: String,
    signer: String,
    signer_fingerprint: String,
    /// Whether the signer leads to the authority that was given.
    authority_verified: bool,
    hash: String,
    consistent: bool,
    accounts: usize,
    complete_accounts: usize,
    messages: u64,
    exceptions: usize,
}

impl Args {
    /// Verifies; says what was found.
    pub fn run(&self, context: &Context) -> Result<(), CliError> {
        let document = Document::read(document::load(&self.file)?)?;
        let path = self
            .signature
            .clone()
            .unwrap_or_else(|| document::signature_path(&self.file));
        let signature = document::load(&path).map_err(|error| {
            error.remedy(text!(
                "la signature va avec la preuve : reprenez les deux fichiers (preuve.json et preuve.json.p7s), ou donnez --signature",
                "the signature goes with the proof: fetch both files (preuve.json and preuve.json.p7s), or give --signature"
            ))
        })?;
        let roots = self.ca.as_deref().map(document::load).transpose()?;
        let signed = check(&document, &signature, roots.as_deref())?;
        let finding = finding(&document, &signed);
        context
            .printer
            .one(&finding, &document.proof.hash, |lang| {
                describe(&finding, &document, &signed, lang)
            })?;
        if signed.trusted {
            return Ok(());
        }
        Err(CliError::new(
            Kind::Partial,
            text!(
                "la preuve est intacte, mais rien ne dit encore qui l'a signée",
                "the proof is intact, but nothing says yet who signed it"
            ),
        )
        .remedy(text!(
            "donnez --ca avec l'autorité racine de votre hébergeur (clé ca.crt du ConfigMap melouvert-trust), obtenue par une autre voie que la preuve",
            "give --ca with your hoster's root authority (key ca.crt of ConfigMap melouvert-trust), got by another way than the proof"
        )))
    }
}

/// Signature and authority, hash, consistency; the first that fails is told.
pub fn check(
    document: &Document,
    signature: &str,
    roots: Option<&str>,
) -> Result<Signed, CliError> {
    let issued = document.issued()?;
    let signed =
        melouvert_pki::document::verify(document.text.as_bytes(), signature, roots, issued)
            .map_err(|error| refused(&error))?;
    bound(document, &signed.signer)?;
    content(document)?;
    Ok(signed)
}

/// A proof of a collectivity is signed under that collectivity's own authority: the region's root
/// vouches for many, and one of them signs nothing in another's name. The signer's own name proves
/// nothing, its authority gave it.
fn bound(document: &Document, signer: &CertInfo) -> Result<(), CliError> {
    let Some(collectivity) = &document.proof.collectivity else {
        return Ok(());
    };
    let siren = &collectivity.siren;
    let expected = format!("Melouvert col-{siren}");
    let authority = signer.issuer.rsplit_once("CN=").map(|(_, name)| name);
    if authority == Some(expected.as_str()) {
        return Ok(());
    }
    let issuer = &signer.issuer;
    Err(CliError::failure(text!(
        "la preuve se dit de la collectivité {siren}, mais c'est une autre autorité qui l'a signée : {issuer}",
        "the proof claims to be collectivity {siren}'s, but another authority signed it: {issuer}"
    ))
    .remedy(text!(
        "ne vous fiez pas à cette preuve : attendu une signature sous « {expected} » ; signalez-le à l'hébergeur",
        "do not rely on this proof: expected a signature under \"{expected}\"; report it to the hoster"
    )))
}

/// Hash and consistency.
pub fn content(document: &Document) -> Result<(), CliError> {
    let (told, computed) = (&document.proof.hash, seal::hash(&document.proof.report));
    if *told != computed {
        return Err(not_held(text!(
            "empreinte du contenu : {computed} au lieu de {told}",
            "hash of the content: {computed} instead of {told}"
        )));
    }
    match inconsistencies(&document.report).first() {
        Some(flaw) => Err(not_held(words(flaw))),
        None => Ok(()),
    }
}

fn refused(error: &PkiError) -> CliError {
    let message = match error {
        PkiError::DocumentAltered => text!(
            "la preuve a été altérée : ce n'est pas le document qui a été signé",
            "the proof was altered: it is not the document that was signed"
        ),
        PkiError::Untrusted { .. } => text!(
            "la signature ne remonte pas à cette autorité, à la date de la preuve",
            "the signature does not lead to this authority at the proof's date"
        ),
        _ => text!("signature illisible", "unreadable signature"),
    };
    CliError::failure(message).caused_by(error).remedy(text!(
        "ne vous fiez pas à cette preuve ; demandez-en un exemplaire à l'hébergeur, et vérifiez --ca",
        "do not rely on this proof; ask the hoster for a copy, and check --ca"
    ))
}

fn not_held(what: Text) -> CliError {
    let (fr, en) = (what.fr, what.en);
    CliError::failure(text!(
        "la preuve se contredit : {fr}",
        "the proof contradicts itself: {en}"
    ))
    .remedy(text!(
        "ne vous fiez pas à cette preuve ; relancez la migration pour en faire une autre, et signalez-le",
        "do not rely on this proof; run the migration again to make another, and report it"
    ))
}

fn words(found: &Inconsistency) -> Text {
    let place = [&found.account, &found.folder]
        .into_iter()
        .flatten()
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    let what = match &found.flaw {
        Flaw::Format => text!("forme du rapport inconnue", "unknown form of the report"),
        Flaw::ExceptionCount { told, listed } => text!(
            "{told} exceptions annoncées, {listed} listées",
            "{told} exceptions told, {listed} listed"
        ),
        Flaw::FolderVerdict => text!(
            "verdict du dossier contraire à ses empreintes et exceptions",
            "the folder's verdict against its hashes and exceptions"
        ),
        Flaw::FolderHash => text!(
            "empreinte incompatible avec le nombre de messages",
            "a hash that does not fit the count of messages"
        ),
        Flaw::ReadBack => text!(
            "nombre de messages relus impossible",
            "an impossible count of messages read back"
        ),
        Flaw::Missing { messages } => text!(
            "{messages} messages de la source sans copie ni exception",
            "{messages} messages of the source with neither copy nor exception"
        ),
        Flaw::AccountVerdict => text!(
            "état du compte contraire à ses dossiers",
            "the account's state against its folders"
        ),
        Flaw::Outcome => text!(
            "issue contraire à l'état des comptes",
            "the outcome against the accounts' states"
        ),
    };
    if place.is_empty() {
        return what;
    }
    let (fr, en) = (what.fr, what.en);
    text!("{place} : {fr}", "{place}: {en}")
}

fn finding(document: &Document, signed: &Signed) -> Finding {
    let accounts = &document.report.accounts;
    let complete = |account: &&melouvert_migration::proof::AccountReport| {
        account.status == AccountStatus::Complete
    };
    Finding {
        collectivity: document
            .proof
            .collectivity
            .as_ref()
            .map(|one| one.siren.clone()),
        migration: document
            .proof
            .migration
            .as_ref()
            .map(|one| one.name.clone()),
        issued: document.proof.issued.clone(),
        signer: signed.signer.subject.clone(),
        signer_fingerprint: signed.signer.fingerprint.clone(),
        authority_verified: signed.trusted,
        hash: document.proof.hash.clone(),
        consistent: true,
        accounts: accounts.len(),
        complete_accounts: accounts.iter().filter(complete).count(),
        messages: accounts
            .iter()
            .flat_map(|account| &account.folders)
            .map(|folder| folder.verified_messages)
            .sum(),
        exceptions: accounts
            .iter()
            .map(|account| account.exceptions.len())
            .sum(),
    }
}

fn describe(finding: &Finding, document: &Document, signed: &Signed, lang: Lang) -> String {
    let issued = document
        .issued()
        .map_or_else(|_| finding.issued.clone(), |at| text::date(lang, at));
    let of = [
        document
            .proof
            .collectivity
            .as_ref()
            .map(|one| one.name.clone()),
        finding.collectivity.clone(),
        finding.migration.clone(),
    ];
    let of = of.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let of = if of.is_empty() {
        lang.pick("copie sans plateforme", "copy without a platform")
            .to_owned()
    } else {
        of
    };
    let authority = if signed.trusted {
        lang.pick("vérifiée", "verified")
    } else {
        lang.pick("NON VÉRIFIÉE (--ca)", "NOT VERIFIED (--ca)")
    };
    let (by, print) = (&finding.signer, &finding.signer_fingerprint);
    let (hash, messages, exceptions) = (&finding.hash, finding.messages, finding.exceptions);
    let (complete, accounts) = (finding.complete_accounts, finding.accounts);
    lang.pick(
        format!(
            "Preuve      {of}\nÉmise       {issued}\nSignature   bonne, par {by}\n\
             Certificat  SHA-256 {print}\nAutorité    {authority}\nEmpreinte   BLAKE3 {hash}, bonne\n\
             Contenu     cohérent : {complete}/{accounts} comptes complets, {messages} messages relus, \
             {exceptions} exceptions"
        ),
        format!(
            "Proof        {of}\nIssued       {issued}\nSignature    good, by {by}\n\
             Certificate  SHA-256 {print}\nAuthority    {authority}\nHash         BLAKE3 {hash}, good\n\
             Content      consistent: {complete}/{accounts} accounts complete, {messages} messages \
             read back, {exceptions} exceptions"
        ),
    )
}
