//! Authorities and the leaves that they issue.

use jiff::{SignedDuration, Timestamp};
use rand::CryptoRng;
use rcgen::{Certificate, CertificateParams, Issuer, KeyPair, PublicKeyData};

use crate::{
    CertInfo, PkiError, PrivateKey,
    inspect::{self, pem_blocks},
    life,
    profile::{self, Period},
};

/// How many levels of authorities may stand under a region's root: a platform intermediate, which
/// lets the root go offline, and a tenant's.
const LEVELS_UNDER_ROOT: u8 = 2;

/// A certificate authority with its key: a region's root or a tenant's intermediate.
#[derive(Debug, Clone)]
pub struct Authority {
    certificate_pem: String,
    /// The authorities between this one and the root, nearest first, without the root.
    above_pem: String,
    key: PrivateKey,
    info: CertInfo,
}

/// What a tenant's intermediate is to be.
#[derive(Debug, Clone)]
pub struct IntermediateRequest<'a> {
    /// The common name, e.g. `Melouvert col-211401187`; 1 to 64 characters.
    pub common_name: &'a str,
    /// The DNS subtrees that it may vouch for: each name and all below it. Names outside them, and
    /// every IP address, are refused by verifiers (RFC 5280 4.2.1.10). Unlimited when empty.
    pub permitted_dns: &'a [String],
    /// How long it lives, normally [`life::INTERMEDIATE`]; cut at the end of its issuer.
    pub life: SignedDuration,
}

/// What a leaf may be used for: one thing only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// `serverAuth`.
    Server,
    /// `clientAuth`.
    Client,
}

/// What a leaf is to be.
#[derive(Debug, Clone)]
pub struct LeafRequest<'a> {
    /// The common name, 1 to 64 characters.
    pub common_name: &'a str,
    /// The DNS names, at least one: verifiers check these, never the common name (RFC 9525).
    pub dns_names: &'a [String],
    /// What it may be used for.
    pub usage: Usage,
    /// How long it lives, normally [`life::LEAF`]; cut at [`life::LEAF_MAXIMUM`] and at the end of
    /// its issuer.
    pub life: SignedDuration,
}

/// An issued leaf with its key.
#[derive(Debug, Clone)]
pub struct Leaf {
    /// The leaf and the intermediates up to the root, without the root: what a server sends.
    pub chain_pem: String,
    /// Its key.
    pub key: PrivateKey,
    /// What the certificate says.
    pub info: CertInfo,
}

impl Authority {
    /// A self-signed root of a region.
    pub fn root(
        common_name: &str,
        span: SignedDuration,
        now: Timestamp,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, PkiError> {
        let subject = profile::subject(common_name, Some("Melouvert"))?;
        let period = Period::starting(now, span, None)?;
        let params = profile::authority(subject, period, LEVELS_UNDER_ROOT, &[], rng)?;
        let (key, pair) = PrivateKey::generate_p256()?;
        let certificate = params.self_signed(&pair).map_err(sign_error)?;
        Self::assembled(&certificate, String::new(), key)
    }

    /// An authority as it was stored: `chain_pem` is its certificate followed by the intermediates
    /// above it, as [`Authority::chain_pem`] gave it; `key_pem` is PKCS#8.
    pub fn from_pem(chain_pem: &str, key_pem: &str) -> Result<Self, PkiError> {
        let info = inspect::inspect(chain_pem)?;
        if !info.is_authority {
            return Err(PkiError::NotAnAuthority {
                subject: info.subject,
            });
        }
        let key = PrivateKey::from_pem(key_pem)?;
        if key.pair()?.subject_public_key_info() != info.public_key {
            return Err(PkiError::KeyMismatch);
        }
        let mut blocks = pem_blocks(chain_pem).into_iter();
        Ok(Self {
            certificate_pem: blocks.next().unwrap_or_default(),
            above_pem: blocks.collect(),
            key,
            info,
        })
    }

    /// An authority under this one that may sign leaves only.
    pub fn intermediate(
        &self,
        request: &IntermediateRequest<'_>,
        now: Timestamp,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, PkiError> {
        let subject = profile::subject(request.common_name, Some("Melouvert"))?;
        let period = self.period(request.life, now)?;
        let params = profile::authority(subject, period, 0, request.permitted_dns, rng)?;
        let (key, pair) = PrivateKey::generate_p256()?;
        let certificate = self.sign(&params, &pair)?;
        Self::assembled(&certificate, self.sent_above(), key)
    }

    /// A leaf under this authority, with a new key.
    pub fn issue(
        &self,
        request: &LeafRequest<'_>,
        now: Timestamp,
        rng: &mut impl CryptoRng,
    ) -> Result<Leaf, PkiError> {
        if request.dns_names.is_empty() {
            return Err(PkiError::DnsName {
                found: String::new(),
            });
        }
        let subject = profile::subject(request.common_name, None)?;
        let period = self.period(request.life.min(life::LEAF_MAXIMUM), now)?;
        let params = profile::leaf(subject, period, request.dns_names, request.usage, rng)?;
        let (key, pair) = PrivateKey::generate_p256()?;
        let certificate = self.sign(&params, &pair)?.pem();
        Ok(Leaf {
            info: inspect::inspect(&certificate)?,
            chain_pem: certificate + &self.sent_above(),
            key,
        })
    }

    /// A certificate that signs documents, with a new key.
    ///
    /// Its common name must not look like a DNS name, which an authority's constraints would then
    /// be applied to.
    pub fn issue_signer(
        &self,
        common_name: &str,
        now: Timestamp,
        rng: &mut impl CryptoRng,
    ) -> Result<Leaf, PkiError> {
        let subject = profile::subject(common_name, Some("Melouvert"))?;
        let period = self.period(life::SIGNER, now)?;
        let params = profile::signer(subject, period, rng)?;
        let (key, pair) = PrivateKey::generate_p256()?;
        let certificate = self.sign(&params, &pair)?.pem();
        Ok(Leaf {
            info: inspect::inspect(&certificate)?,
            chain_pem: certificate + &self.sent_above(),
            key,
        })
    }

    /// Its own certificate as PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Its certificate, then the intermediates up to the root without the root: for a Secret's
    /// `tls.crt`.
    pub fn chain_pem(&self) -> String {
        format!("{}{}", self.certificate_pem, self.above_pem)
    }

    /// Its key: for a Secret's `tls.key`.
    pub fn key(&self) -> &PrivateKey {
        &self.key
    }

    /// What its certificate says.
    pub fn info(&self) -> &CertInfo {
        &self.info
    }

    pub(crate) fn issuer(&self) -> Result<Issuer<'static, KeyPair>, PkiError> {
        Issuer::from_ca_cert_pem(&self.certificate_pem, self.key.pair()?).map_err(sign_error)
    }

    fn assembled(
        certificate: &Certificate,
        above_pem: String,
        key: PrivateKey,
    ) -> Result<Self, PkiError> {
        let certificate_pem = certificate.pem();
        Ok(Self {
            info: inspect::inspect(&certificate_pem)?,
            certificate_pem,
            above_pem,
            key,
        })
    }

    /// What a certificate issued by this authority is sent with: nothing under a root, which
    /// verifiers have.
    fn sent_above(&self) -> String {
        if self.info.self_issued() {
            String::new()
        } else {
            self.chain_pem()
        }
    }

    fn period(&self, span: SignedDuration, now: Timestamp) -> Result<Period, PkiError> {
        let ended = self.info.not_after;
        if now >= ended {
            return Err(PkiError::IssuerEnded {
                issuer: self.info.subject.clone(),
                ended,
            });
        }
        Period::starting(now, span, Some(ended))
    }

    fn sign(&self, params: &CertificateParams, key: &KeyPair) -> Result<Certificate, PkiError> {
        params.signed_by(key, &self.issuer()?).map_err(sign_error)
    }
}

fn sign_error(source: rcgen::Error) -> PkiError {
    PkiError::Sign {
        what: "certificate",
        source,
    }
}
