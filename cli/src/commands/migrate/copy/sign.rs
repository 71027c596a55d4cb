//! The key with which the proof of a copy is signed, when there is one.

use std::path::{Path, PathBuf};

use melouvert_pki::PrivateKey;

use super::super::proof::document::{self, Document};
use crate::{errors::CliError, text::text};

/// With what a proof is signed.
#[derive(Debug, Clone, clap::Args)]
pub struct SignArgs {
    /// PEM file of the key that signs the proof: P-256, PKCS#8
    #[arg(long, value_name = "FILE", requires_all = ["sign_cert", "report"])]
    sign_key: Option<PathBuf>,
    /// PEM file of that key's certificate, followed by its intermediates
    #[arg(long, value_name = "FILE", requires = "sign_key")]
    sign_cert: Option<PathBuf>,
}

/// A key with its certificate.
#[derive(Debug)]
pub struct Signer {
    key: PrivateKey,
    chain: String,
}

impl SignArgs {
    /// The key, if one is given; refused before anything is copied when it cannot sign.
    pub fn signer(&self) -> Result<Option<Signer>, CliError> {
        let (Some(key), Some(chain)) = (&self.sign_key, &self.sign_cert) else {
            return Ok(None);
        };
        let signer = Signer {
            key: PrivateKey::from_pem(&document::load(key)?)
                .map_err(|error| unusable(&error, key))?,
            chain: document::load(chain)?,
        };
        signer.sign(b"", key).map(|_| Some(signer))
    }
}

impl Signer {
    /// The detached signature of a document.
    pub fn sign_document(&self, document: &Document) -> Result<String, CliError> {
        self.sign(document.text.as_bytes(), Path::new("--sign-key"))
    }

    fn sign(&self, bytes: &[u8], shown: &Path) -> Result<String, CliError> {
        melouvert_pki::document::sign(bytes, &self.chain, &self.key)
            .map_err(|error| unusable(&error, shown))
    }
}

fn unusable(error: &dyn std::error::Error, path: &Path) -> CliError {
    let path = path.display();
    CliError::usage(text!(
        "{path} ne peut pas signer la preuve",
        "{path} cannot sign the proof"
    ))
    .caused_by(error)
    .remedy(text!(
        "donnez une clé P-256 en PKCS#8 PEM (--sign-key) et le certificat de cette même clé (--sign-cert)",
        "give a P-256 key as PKCS#8 PEM (--sign-key) and the certificate of that very key (--sign-cert)"
    ))
}
