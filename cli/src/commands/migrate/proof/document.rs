//! A proof on disk: the signed document, and beside it its detached signature.

use std::path::{Path, PathBuf};

use melouvert_api::wire::{PROOF_FORMAT, Proof};
use melouvert_migration::{Report, seal};

use crate::{
    errors::{CliError, Kind},
    text::text,
};

/// A proof as it was signed, and as the engine reads it.
#[derive(Debug)]
pub struct Document {
    /// The very text.
    pub text: String,
    /// What it says.
    pub proof: Proof,
    /// The report in it.
    pub report: Report,
}

impl Document {
    /// Reads a document's text.
    pub fn read(text: String) -> Result<Self, CliError> {
        let unknown = |error: &dyn std::error::Error| {
            CliError::usage(text!(
                "ce fichier n'est pas une preuve de migration ({PROOF_FORMAT})",
                "this file is no proof of a migration ({PROOF_FORMAT})"
            ))
            .caused_by(error)
            .remedy(text!(
                "donnez le fichier écrit par « melouvert migrate proof … --file » ou par « melouvert migrate copy --report »",
                "give the file written by `melouvert migrate proof … --file` or by `melouvert migrate copy --report`"
            ))
        };
        let proof: Proof = serde_json::from_str(&text).map_err(|error| unknown(&error))?;
        if proof.format != PROOF_FORMAT {
            let found = &proof.format;
            return Err(unknown(&std::io::Error::other(format!(
                "its format is {found}"
            ))));
        }
        let report =
            serde_json::from_value(proof.report.clone()).map_err(|error| unknown(&error))?;
        Ok(Self {
            text,
            proof,
            report,
        })
    }

    /// The document of a report that no platform signs.
    pub fn of_report(report: &Report, now: jiff::Timestamp) -> Result<Self, CliError> {
        let failed = |error: &dyn std::error::Error| {
            CliError::failure(text!(
                "preuve impossible à écrire",
                "failed to write the proof"
            ))
            .caused_by(error)
        };
        let value = serde_json::to_value(report).map_err(|error| failed(&error))?;
        let value = seal::settled(value);
        let issued = jiff::Timestamp::from_second(now.as_second()).unwrap_or(now);
        let proof = Proof {
            format: PROOF_FORMAT.to_owned(),
            issued: issued.to_string(),
            by: None,
            collectivity: None,
            migration: None,
            hash: seal::hash(&value),
            report: value,
        };
        let text = serde_json::to_string_pretty(&proof).map_err(|error| failed(&error))?;
        Self::read(text + "\n")
    }

    /// When it was issued.
    pub fn issued(&self) -> Result<jiff::Timestamp, CliError> {
        self.proof.issued.parse().map_err(|error: jiff::Error| {
            CliError::usage(text!(
                "champ issued de la preuve illisible",
                "the proof's field issued is unreadable"
            ))
            .caused_by(&error)
        })
    }
}

/// Where a document's signature is: the same name with `.p7s` behind.
pub fn signature_path(document: &Path) -> PathBuf {
    let mut name = document.as_os_str().to_owned();
    name.push(".p7s");
    PathBuf::from(name)
}

/// Writes a file.
pub fn write(path: &Path, text: &str) -> Result<(), CliError> {
    std::fs::write(path, text).map_err(|error| {
        let shown = path.display();
        CliError::failure(text!(
            "écriture de {shown} impossible",
            "failed to write {shown}"
        ))
        .caused_by(&error)
    })
}

/// Reads a file.
pub fn load(path: &Path) -> Result<String, CliError> {
    let shown = path.display();
    let bytes = std::fs::read(path).map_err(|error| {
        let kind = if error.kind() == std::io::ErrorKind::NotFound {
            Kind::NotFound
        } else {
            Kind::Usage
        };
        CliError::new(kind, text!("{shown} illisible", "{shown} is unreadable")).caused_by(&error)
    })?;
    String::from_utf8(bytes).map_err(|error| {
        CliError::usage(text!("{shown} n'est pas un texte", "{shown} is no text"))
            .caused_by(&error.utf8_error())
    })
}
