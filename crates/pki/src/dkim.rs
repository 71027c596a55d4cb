//! Keys that sign outgoing mail (DKIM, RFC 6376 and RFC 8463).

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::{Engine, engine::general_purpose::STANDARD};
use rand::CryptoRng;
use rcgen::{KeyPair, PKCS_ED25519, PKCS_RSA_SHA256, PublicKeyData, RsaKeySize};
use rustls_pki_types::PrivatePkcs8KeyDer;
use zeroize::Zeroizing;

use crate::{PkiError, PrivateKey};

/// An Ed25519 key (RFC 8463): cheap to make.
pub fn ed25519(rng: &mut impl CryptoRng) -> Result<PrivateKey, PkiError> {
    let failed = PkiError::GenerateRaw { kind: "Ed25519" };
    let mut seed = Zeroizing::new([0_u8; 32]);
    rng.fill_bytes(seed.as_mut());
    // PKCS#8 version 1, without the public key: GnuTLS and OpenSSL read it everywhere.
    let Ok(document) = Ed25519KeyPair::from_seed_unchecked(seed.as_ref())
        .map_err(drop)
        .and_then(|pair| pair.to_pkcs8v1().map_err(drop))
    else {
        return Err(failed);
    };
    let der = PrivatePkcs8KeyDer::from(document.as_ref());
    KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_ED25519)
        .map(|pair| PrivateKey::of(&pair))
        .map_err(PkiError::ReadKey)
}

/// An RSA key of 2,048 bits, for receivers that do not know Ed25519.
///
/// Costs about 135 ms of processor time: never inside a reconcile.
pub fn rsa2048() -> Result<PrivateKey, PkiError> {
    KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)
        .map(|pair| PrivateKey::of(&pair))
        .map_err(PkiError::Generate)
}

/// The TXT record to publish under `<selector>._domainkey.<domain>`, as one string: Ed25519 as its
/// 32 raw bytes (RFC 8463), RSA as SubjectPublicKeyInfo (RFC 6376), both in base64.
pub fn txt_record(key: &PrivateKey) -> Result<String, PkiError> {
    let pair = key.pair()?;
    if pair.algorithm() == &PKCS_ED25519 {
        let public = STANDARD.encode(pair.public_key_raw());
        Ok(format!("v=DKIM1; k=ed25519; p={public}"))
    } else if pair.algorithm() == &PKCS_RSA_SHA256 {
        let public = STANDARD.encode(pair.subject_public_key_info());
        Ok(format!("v=DKIM1; k=rsa; p={public}"))
    } else {
        Err(PkiError::DkimAlgorithm)
    }
}
