//! A migration's proof: the report in a document that says whose it is, signed in the tenant's name.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use melouvert_api::wire::{PROOF_FORMAT, Proof, ProofCollectivity, ProofMigration};
use melouvert_domain::NamespaceName;
use melouvert_pki::{Authority, PkiError, document};
use melouvert_store::NewReport;
use melouvert_tenant_template::certificates::CA_SECRET;

use super::prove::Merged;
use crate::cluster::secret::{self, SecretError};

/// Why a proof could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The tenant's authority could not be read.
    #[error("failed to read the space's authority")]
    Authority(#[from] SecretError),
    /// Nothing could be signed with it.
    #[error("failed to sign with the space's authority")]
    Pki(#[from] PkiError),
    /// The document could not be written.
    #[error("failed to write the proof's document")]
    Document(#[from] serde_json::Error),
}

/// Whose proof it is.
pub struct Issuer<'a> {
    /// The API.
    pub client: &'a Client,
    /// The tenant's namespace.
    pub namespace: &'a NamespaceName,
    /// The collectivity's legal name.
    pub legal_name: &'a str,
    /// Who issues it, as the journal names them.
    pub by: &'a str,
}

/// A signed proof.
pub struct Sealed {
    text: String,
    hash: String,
    signature: String,
    signer: String,
}

impl Sealed {
    /// What the database is to keep.
    pub fn as_new(&self) -> NewReport<'_> {
        NewReport {
            text: &self.text,
            hash: &self.hash,
            signature: &self.signature,
            signer: &self.signer,
        }
    }
}

/// Signs a report with a key made for it alone, which the tenant's authority vouches for and which
/// ends with this call: there is nothing to keep, to steal or to renew.
pub async fn seal(
    issuer: &Issuer<'_>,
    migration: ProofMigration,
    merged: Merged,
) -> Result<Sealed, SignError> {
    let authority = authority(issuer).await?;
    let now = Timestamp::now();
    let proof = Proof {
        format: PROOF_FORMAT.to_owned(),
        // Certificates count in whole seconds.
        issued: Timestamp::from_second(now.as_second())
            .unwrap_or(now)
            .to_string(),
        by: Some(issuer.by.to_owned()),
        collectivity: Some(ProofCollectivity {
            siren: issuer.namespace.siren().to_string(),
            name: issuer.legal_name.to_owned(),
        }),
        migration: Some(migration),
        hash: merged.hash.clone(),
        report: merged.report,
    };
    // These very bytes are signed, kept and handed over.
    let text = serde_json::to_string_pretty(&proof)? + "\n";
    let subject = format!("Preuves de migration de {}", issuer.namespace);
    let signer = authority.issue_signer(&subject, now, &mut rand::rng())?;
    let signature = document::sign(text.as_bytes(), &signer.chain_pem, &signer.key)?;
    Ok(Sealed {
        text,
        hash: merged.hash,
        signature,
        signer: signer.info.fingerprint,
    })
}

/// The tenant's own authority, from its Secret.
async fn authority(issuer: &Issuer<'_>) -> Result<Authority, SignError> {
    let secrets = Api::<Secret>::namespaced(issuer.client.clone(), issuer.namespace.as_str());
    let chain = secret::text(&secrets, CA_SECRET, "tls.crt").await?;
    let key = secret::text(&secrets, CA_SECRET, "tls.key").await?;
    Ok(Authority::from_pem(&chain, &key)?)
}
