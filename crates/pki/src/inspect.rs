//! What a certificate says, and when it is due for renewal.

use jiff::Timestamp;
use melouvert_domain::renewal;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use sha2::{Digest, Sha256};
use x509_parser::{
    certificate::X509Certificate, extensions::GeneralName, parse_x509_certificate, time::ASN1Time,
};

use crate::PkiError;

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertInfo {
    /// The subject, e.g. `O=Melouvert, CN=Normandie`.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// The serial number in lower-case hexadecimal, without separators.
    pub serial: String,
    /// First instant of validity.
    pub not_before: Timestamp,
    /// Last instant of validity.
    pub not_after: Timestamp,
    /// When it is due for renewal: about two thirds of its life, earlier by a share that depends on
    /// the serial number alone, so that certificates made together are not renewed together.
    pub renewal_at: Timestamp,
    /// The DNS names that it carries, sorted.
    pub dns_names: Vec<String>,
    /// Whether it may sign others.
    pub is_authority: bool,
    /// SHA-256 of its DER, in lower-case hexadecimal.
    pub fingerprint: String,
    /// The DER of its SubjectPublicKeyInfo.
    pub(crate) public_key: Vec<u8>,
}

impl CertInfo {
    /// Whether subject and issuer are one: a root.
    pub fn self_issued(&self) -> bool {
        self.subject == self.issuer
    }
}

/// Reads the first certificate of a PEM text.
pub fn inspect(pem: &str) -> Result<CertInfo, PkiError> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| {
        PkiError::ReadCertificate {
            reason: error.to_string(),
        }
    })?;
    inspect_der(&der)
}

/// Reads a certificate's DER.
pub(crate) fn inspect_der(der: &[u8]) -> Result<CertInfo, PkiError> {
    let (_, certificate) =
        parse_x509_certificate(der).map_err(|error| PkiError::ReadCertificate {
            reason: error.to_string(),
        })?;
    describe(&certificate, der)
}

/// Whether a certificate is due for renewal, or already over.
pub fn due(info: &CertInfo, now: Timestamp) -> bool {
    now >= info.renewal_at
}

fn describe(certificate: &X509Certificate<'_>, der: &[u8]) -> Result<CertInfo, PkiError> {
    let not_before = instant(certificate.validity().not_before)?;
    let not_after = instant(certificate.validity().not_after)?;
    let serial = certificate.tbs_certificate.raw_serial();
    Ok(CertInfo {
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        serial: hex::encode(serial),
        not_before,
        not_after,
        renewal_at: renewal::due_at(not_before, not_after, jitter(serial)),
        dns_names: dns_names(certificate),
        is_authority: certificate.is_ca(),
        fingerprint: hex::encode(Sha256::digest(der)),
        public_key: certificate.public_key().raw.to_vec(),
    })
}

fn instant(time: ASN1Time) -> Result<Timestamp, PkiError> {
    Timestamp::from_second(time.timestamp()).map_err(|_| PkiError::Life)
}

fn dns_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let names = certificate
        .subject_alternative_name()
        .ok()
        .flatten()
        .map(|extension| extension.value.general_names.as_slice())
        .unwrap_or_default();
    let mut names: Vec<String> = names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        })
        .collect();
    names.sort_unstable();
    names
}

/// A share between 0.0 and 1.0 that looks random but is always the same for one serial number.
fn jitter(serial: &[u8]) -> f64 {
    let digest = Sha256::digest(serial);
    let share = u16::from_be_bytes([digest[0], digest[1]]);
    f64::from(share) / f64::from(u16::MAX)
}

/// The certificates of a PEM text, one text each.
pub(crate) fn pem_blocks(text: &str) -> Vec<String> {
    const END: &str = "-----END CERTIFICATE-----";
    text.split_inclusive(END)
        .filter(|block| block.contains(END))
        .map(|block| format!("{}\n", block.trim()))
        .collect()
}
