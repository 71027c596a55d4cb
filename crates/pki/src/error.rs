//! What can go wrong with certificates and keys.

use jiff::Timestamp;

/// Why a certificate, key or list could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// AWS-LC gave no key.
    #[error("failed to generate a private key")]
    Generate(#[source] rcgen::Error),
    /// AWS-LC gave no key of this kind.
    #[error("failed to generate a {kind} key")]
    GenerateRaw {
        /// `Ed25519` or `RSA-2048`.
        kind: &'static str,
    },
    /// The key is no PKCS#8 PEM of a supported kind.
    #[error("failed to read a private key: expected PKCS#8 PEM (P-256, Ed25519 or RSA)")]
    ReadKey(#[source] rcgen::Error),
    /// The text is no certificate.
    #[error("failed to read a certificate: {reason}")]
    ReadCertificate {
        /// What is wrong with it.
        reason: String,
    },
    /// The certificate and the key are not of one pair.
    #[error("failed to load an authority: its key is not the one in its certificate")]
    KeyMismatch,
    /// The certificate may not sign others.
    #[error("failed to load an authority: {subject} is no certificate authority")]
    NotAnAuthority {
        /// Its subject.
        subject: String,
    },
    /// A subject is empty or too long for X.520.
    #[error("failed to name a certificate: {field} has 1 to 64 characters, found {found:?}")]
    Name {
        /// `common_name` or `organization`.
        field: &'static str,
        /// What was given.
        found: String,
    },
    /// A DNS name is not plain ASCII, or none was given.
    #[error("failed to name a certificate: {found:?} is no DNS name")]
    DnsName {
        /// What was given.
        found: String,
    },
    /// The authority is no longer valid.
    #[error("failed to issue under {issuer}: it ended at {ended}; renew it first")]
    IssuerEnded {
        /// The authority's subject.
        issuer: String,
        /// When it ended.
        ended: Timestamp,
    },
    /// A life leads out of the representable calendar or is not positive.
    #[error("failed to date a certificate: its life leads out of the calendar")]
    Life,
    /// Encoding or signing failed.
    #[error("failed to sign {what}")]
    Sign {
        /// `certificate` or `revocation list`.
        what: &'static str,
        /// Why.
        #[source]
        source: rcgen::Error,
    },
    /// A serial number is not hexadecimal.
    #[error("failed to revoke {found:?}: a serial number is written in hexadecimal")]
    Serial {
        /// What was given.
        found: String,
    },
    /// A detached signature is not one that this program makes.
    #[error("failed to read a signature: {reason}")]
    ReadSignature {
        /// What was expected.
        reason: String,
    },
    /// The signature is not that of these bytes.
    #[error("failed to verify a signature: the document is not the one that was signed")]
    DocumentAltered,
    /// The signer's certificate does not lead to a trusted authority, or not at that instant, or
    /// not for documents.
    #[error("failed to trust {signer} at {at}: {reason}")]
    Untrusted {
        /// The signer's subject.
        signer: String,
        /// The instant of signing.
        at: Timestamp,
        /// Why.
        reason: String,
    },
    /// The key cannot sign mail.
    #[error("failed to publish a DKIM key: expected Ed25519 or RSA")]
    DkimAlgorithm,
}
