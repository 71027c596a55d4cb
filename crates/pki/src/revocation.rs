//! Certificate revocation lists (RFC 5280, section 5).

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    CertificateRevocationListParams, KeyIdMethod, RevocationReason, RevokedCertParams, SerialNumber,
};

use crate::{
    Authority, PkiError,
    profile::{Period, calendar},
};

/// Why a certificate is no longer to be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Its key is known to somebody else.
    KeyCompromise,
    /// Another one replaces it.
    Superseded,
    /// The tenant is gone.
    CessationOfOperation,
}

/// One revoked certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// Its serial number in hexadecimal, as [`crate::CertInfo::serial`].
    pub serial: String,
    /// Since when.
    pub at: Timestamp,
    /// Why.
    pub reason: Reason,
}

impl Authority {
    /// The list of what this authority revoked, as PEM.
    ///
    /// `number` grows with each list; `life` is normally [`crate::life::REVOCATION_LIST`].
    pub fn revocation_list(
        &self,
        number: u64,
        revoked: &[Revoked],
        life: SignedDuration,
        now: Timestamp,
    ) -> Result<String, PkiError> {
        let period = Period::starting(now, life, None)?;
        let params = CertificateRevocationListParams {
            this_update: calendar(period.not_before)?,
            next_update: calendar(period.not_after)?,
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(entry).collect::<Result<_, _>>()?,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params
            .signed_by(&self.issuer()?)
            .and_then(|list| list.pem())
            .map_err(|source| PkiError::Sign {
                what: "revocation list",
                source,
            })
    }
}

fn entry(revoked: &Revoked) -> Result<RevokedCertParams, PkiError> {
    let serial = hex::decode(&revoked.serial).map_err(|_| PkiError::Serial {
        found: revoked.serial.clone(),
    })?;
    Ok(RevokedCertParams {
        serial_number: serial.into(),
        revocation_time: calendar(revoked.at)?,
        reason_code: Some(match revoked.reason {
            Reason::KeyCompromise => RevocationReason::KeyCompromise,
            Reason::Superseded => RevocationReason::Superseded,
            Reason::CessationOfOperation => RevocationReason::CessationOfOperation,
        }),
        invalidity_date: None,
    })
}
