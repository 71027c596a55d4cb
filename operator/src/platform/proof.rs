//! A migration's proof: the report in a document that says whose it is, signed in the tenant's name.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use melouvert_api::wire::{
    PROOF_FORMAT, Proof, ProofCollectivity, ProofMigration, PutReport, Report,
};
use melouvert_pki::{Authority, PkiError, document};
use melouvert_store::{MigrationReport, NewReport};
use melouvert_tenant_template::certificates::CA_SECRET;
use serde_json::Value;

use super::{error::ApiError, state::Platform, tenant::Tenant};
use crate::cluster::secret;

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
    platform: &Platform,
    tenant: &Tenant,
    migration: ProofMigration,
    report: PutReport,
) -> Result<Sealed, ApiError> {
    let authority = authority(platform, tenant).await?;
    let now = Timestamp::now();
    let text = compose(tenant, migration, report.report, &report.hash, now)?;
    let subject = format!("Preuves de migration de {}", tenant.namespace);
    let (signature, signer) =
        sign(&authority, &subject, &text, now).map_err(|error| ApiError::internal(&error))?;
    Ok(Sealed {
        text,
        hash: report.hash,
        signature,
        signer,
    })
}

/// The detached signature, and the fingerprint of its certificate.
fn sign(
    authority: &Authority,
    subject: &str,
    text: &str,
    now: Timestamp,
) -> Result<(String, String), PkiError> {
    let signer = authority.issue_signer(subject, now, &mut rand::rng())?;
    let signature = document::sign(text.as_bytes(), &signer.chain_pem, &signer.key)?;
    Ok((signature, signer.info.fingerprint))
}

/// The tenant's own authority, from its Secret.
async fn authority(platform: &Platform, tenant: &Tenant) -> Result<Authority, ApiError> {
    let secrets = Api::<Secret>::namespaced(platform.kube.clone(), tenant.namespace.as_str());
    let refused = |error: secret::SecretError| {
        let what = ("l'autorité de l'espace", "the space's authority");
        ApiError::unavailable(what, &error)
    };
    let found = secrets.get_opt(CA_SECRET).await?;
    let data = found
        .ok_or(secret::SecretError::Absent)
        .map_err(refused)?
        .data
        .unwrap_or_default();
    let chain = secret::value(&data, "tls.crt").map_err(refused)?;
    let key = secret::value(&data, "tls.key").map_err(refused)?;
    Authority::from_pem(&chain, &key).map_err(|error| ApiError::internal(&error))
}

/// The document's text: these very bytes are signed, kept and handed over.
fn compose(
    tenant: &Tenant,
    migration: ProofMigration,
    report: Value,
    hash: &str,
    now: Timestamp,
) -> Result<String, ApiError> {
    let proof = Proof {
        format: PROOF_FORMAT.to_owned(),
        // Certificates count in whole seconds.
        issued: Timestamp::from_second(now.as_second())
            .unwrap_or(now)
            .to_string(),
        by: Some(tenant.actor.to_string()),
        collectivity: Some(ProofCollectivity {
            siren: tenant.namespace.siren().to_string(),
            name: tenant.object.spec.legal_name.clone(),
        }),
        migration: Some(migration),
        hash: hash.to_owned(),
        report,
    };
    serde_json::to_string_pretty(&proof)
        .map(|text| text + "\n")
        .map_err(|error| ApiError::internal(&error))
}

/// What was kept, as it is told.
pub fn open(kept: MigrationReport) -> Result<Report, ApiError> {
    let whole: Value =
        serde_json::from_str(&kept.text).map_err(|error| ApiError::internal(&error))?;
    let signed = whole.get("format").and_then(Value::as_str) == Some(PROOF_FORMAT);
    let report = match whole {
        Value::Object(mut proof) if signed => proof.remove("report").unwrap_or_default(),
        // An earlier release kept the report alone.
        report => report,
    };
    Ok(Report {
        migration: kept.migration.to_string(),
        run: kept.run.unsigned_abs().saturating_sub(1),
        at: kept.at.to_string(),
        hash: kept.hash,
        report,
        document: signed.then_some(kept.text),
        signature: kept.signature,
    })
}
