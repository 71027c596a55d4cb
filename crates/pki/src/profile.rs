//! What each kind of certificate looks like: RFC 5280 fields, filled in one place.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use rand::CryptoRng;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyUsagePurpose, NameConstraints, SanType,
    SerialNumber, date_time_ymd,
};
use time::OffsetDateTime;

use crate::{PkiError, Usage, life};

/// X.520's upper bound of a common or organization name, in characters.
const NAME_MAXIMUM: usize = 64;
/// 128 random bits; RFC 5280 allows 20 octets, CA/Browser asks for at least 64 random bits.
const SERIAL_BYTES: usize = 16;

/// `id-kp-documentSigning` (RFC 9336).
const DOCUMENT_SIGNING: [u64; 9] = [1, 3, 6, 1, 5, 5, 7, 3, 36];

/// First and last instant of a certificate, in whole seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Period {
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
}

impl Period {
    /// `[now - SKEW, now + life]`, in whole seconds, not beyond `limit`.
    pub(crate) fn starting(
        now: Timestamp,
        span: SignedDuration,
        limit: Option<Timestamp>,
    ) -> Result<Self, PkiError> {
        let now = whole_second(now);
        let not_after = now.checked_add(span).map_err(|_| PkiError::Life)?;
        let not_after = limit.map_or(not_after, |limit| not_after.min(limit));
        let not_before = now.checked_sub(life::SKEW).map_err(|_| PkiError::Life)?;
        if not_after <= now {
            return Err(PkiError::Life);
        }
        Ok(Self {
            not_before,
            not_after: whole_second(not_after),
        })
    }
}

fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// The instant as rcgen takes it.
pub(crate) fn calendar(at: Timestamp) -> Result<OffsetDateTime, PkiError> {
    let seconds = u64::try_from(at.as_second()).map_err(|_| PkiError::Life)?;
    Ok(date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds))
}

/// What every certificate has: subject, dates, random serial, key identifiers.
fn base(
    subject: DistinguishedName,
    period: Period,
    rng: &mut impl CryptoRng,
) -> Result<CertificateParams, PkiError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = subject;
    params.not_before = calendar(period.not_before)?;
    params.not_after = calendar(period.not_after)?;
    params.serial_number = Some(serial(rng));
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// A positive number of 127 random bits; its second-highest bit is set so that its length never
/// varies.
fn serial(rng: &mut impl CryptoRng) -> SerialNumber {
    let mut bytes = [0_u8; SERIAL_BYTES];
    rng.fill_bytes(&mut bytes);
    bytes[0] = bytes[0] & 0x7f | 0x40;
    SerialNumber::from_slice(&bytes)
}

/// A certificate that may sign others, `below` levels of authorities deep.
pub(crate) fn authority(
    subject: DistinguishedName,
    period: Period,
    below: u8,
    permitted_dns: &[String],
    rng: &mut impl CryptoRng,
) -> Result<CertificateParams, PkiError> {
    let mut params = base(subject, period, rng)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(below));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    if !permitted_dns.is_empty() {
        params.name_constraints = Some(constraints(permitted_dns)?);
    }
    Ok(params)
}

/// DNS names at or below `permitted_dns`, and no address at all: a stolen authority vouches for
/// nothing outside its tenant.
fn constraints(permitted_dns: &[String]) -> Result<NameConstraints, PkiError> {
    let permitted = permitted_dns
        .iter()
        .map(|name| ascii(name).map(|()| GeneralSubtree::DnsName(name.clone())));
    Ok(NameConstraints {
        permitted_subtrees: permitted.collect::<Result<_, _>>()?,
        excluded_subtrees: vec![
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(
                Ipv4Addr::UNSPECIFIED.into(),
                0,
            )),
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(
                Ipv6Addr::UNSPECIFIED.into(),
                0,
            )),
        ],
    })
}

/// A certificate of one server or one client.
pub(crate) fn leaf(
    subject: DistinguishedName,
    period: Period,
    dns_names: &[String],
    usage: Usage,
    rng: &mut impl CryptoRng,
) -> Result<CertificateParams, PkiError> {
    let mut params = base(subject, period, rng)?;
    // Written out, so that the subject key identifier is present too.
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![match usage {
        Usage::Server => ExtendedKeyUsagePurpose::ServerAuth,
        Usage::Client => ExtendedKeyUsagePurpose::ClientAuth,
    }];
    params.subject_alt_names = dns_names
        .iter()
        .map(|name| {
            ascii(name)?;
            let text = name.clone().try_into();
            text.map(SanType::DnsName).map_err(|_| PkiError::DnsName {
                found: name.clone(),
            })
        })
        .collect::<Result<_, _>>()?;
    Ok(params)
}

/// A certificate that signs documents, and neither speaks TLS nor signs mail (RFC 9336).
pub(crate) fn signer(
    subject: DistinguishedName,
    period: Period,
    rng: &mut impl CryptoRng,
) -> Result<CertificateParams, PkiError> {
    let mut params = base(subject, period, rng)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Other(DOCUMENT_SIGNING.to_vec())];
    Ok(params)
}

/// Letters, digits, hyphens and dots, with one `*` as the first label at most.
fn ascii(name: &str) -> Result<(), PkiError> {
    let labels = name.strip_prefix("*.").unwrap_or(name);
    let label = |l: &str| {
        (1..=63).contains(&l.len()) && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if name.len() <= 253 && labels.split('.').all(label) {
        Ok(())
    } else {
        Err(PkiError::DnsName { found: name.into() })
    }
}

/// `CN=common_name` alone, or under `O=organization`.
pub(crate) fn subject(
    common_name: &str,
    organization: Option<&str>,
) -> Result<DistinguishedName, PkiError> {
    let mut subject = DistinguishedName::new();
    if let Some(organization) = organization {
        bounded("organization", organization)?;
        subject.push(DnType::OrganizationName, organization);
    }
    bounded("common_name", common_name)?;
    subject.push(DnType::CommonName, common_name);
    Ok(subject)
}

fn bounded(field: &'static str, text: &str) -> Result<(), PkiError> {
    if (1..=NAME_MAXIMUM).contains(&text.chars().count()) {
        Ok(())
    } else {
        Err(PkiError::Name {
            field,
            found: text.into(),
        })
    }
}
