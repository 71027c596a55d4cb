//! Mail-signing keys as openssl reads them.
// In helpers outside `#[test]` too, a fixture that is wrong fails the test.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use base64::{Engine, engine::general_purpose::STANDARD};
use melouvert_pki::{PkiError, PrivateKey, dkim};
use rand::{SeedableRng, rngs::StdRng};
use support::{Files, openssl, region};

/// The public key of a TXT record, decoded.
fn published(record: &str, kind: &str) -> Vec<u8> {
    let prefix = format!("v=DKIM1; k={kind}; p=");
    let text = record.strip_prefix(&prefix).expect(record);
    STANDARD.decode(text).unwrap()
}

/// SubjectPublicKeyInfo of a private key, as openssl derives it.
fn public_der(key: &PrivateKey) -> Vec<u8> {
    let files = Files::new();
    let path = files.write("key.pem", key.expose_pem());
    let output = openssl(["pkey", "-pubout", "-outform", "DER"], &[("-in", &path)]);
    assert!(output.status.success());
    output.stdout
}

#[test]
fn ed25519_is_published_as_32_raw_bytes() {
    let key = dkim::ed25519(&mut StdRng::seed_from_u64(1)).unwrap();
    let published = published(&dkim::txt_record(&key).unwrap(), "ed25519");
    assert_eq!(published.len(), 32);
    assert!(public_der(&key).ends_with(&published));
    let again = dkim::ed25519(&mut StdRng::seed_from_u64(1)).unwrap();
    assert_eq!(again.expose_pem(), key.expose_pem());
    let other = dkim::ed25519(&mut StdRng::seed_from_u64(2)).unwrap();
    assert_ne!(other.expose_pem(), key.expose_pem());
}

#[test]
fn rsa_is_published_as_subject_public_key_info() {
    let key = dkim::rsa2048().unwrap();
    assert!(key.expose_pem().starts_with("-----BEGIN PRIVATE KEY-----"));
    let published = published(&dkim::txt_record(&key).unwrap(), "rsa");
    assert_eq!(published, public_der(&key));
}

#[test]
fn a_key_that_cannot_sign_mail_is_refused() {
    let region = region();
    let refused = dkim::txt_record(region.caen.key());
    assert!(matches!(refused, Err(PkiError::DkimAlgorithm)));
    assert!(PrivateKey::from_pem("no key").is_err());
}
