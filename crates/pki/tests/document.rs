//! Signed documents, with `openssl` as an outside judge.
// Helpers of tests: what clippy.toml allows in tests it sees only in `#[test]`.
#![allow(clippy::unwrap_used)]

mod support;

use jiff::{SignedDuration, Timestamp};
use melouvert_pki::{Authority, Leaf, PkiError, Usage, document, life};
use support::{Files, HOST, Region, openssl, region};

const DOCUMENT: &[u8] = "{\n  \"preuve\": \"é\\r\\n\"\n}\r\n".as_bytes();

fn signer(region: &mut Region) -> Leaf {
    region
        .caen
        .issue_signer("Preuves de col-211401187", region.now, &mut region.rng)
        .unwrap()
}

/// `openssl cms -verify`; whether it accepts, and what it said.
fn cms(root: &Authority, document: &[u8], signature: &str, at: Timestamp) -> (bool, String) {
    let files = Files::new();
    let root = files.write("root.pem", root.certificate_pem());
    let signature = files.write("p7s", signature);
    let content = files.write("content", "");
    std::fs::write(&content, document).unwrap();
    let at = at.as_second().to_string();
    let args = [
        "cms",
        "-verify",
        "-binary",
        "-inform",
        "PEM",
        "-purpose",
        "any",
        "-attime",
        &at,
        "-out",
        "/dev/null",
    ];
    let output = openssl(
        args,
        &[
            ("-CAfile", &root),
            ("-in", &signature),
            ("-content", &content),
        ],
    );
    let words = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&words).into(),
    )
}

#[test]
fn openssl_and_this_crate_accept_a_signed_document() {
    let mut region = region();
    let leaf = signer(&mut region);
    let signature = document::sign(DOCUMENT, &leaf.chain_pem, &leaf.key).unwrap();
    let root = region.root.certificate_pem();
    let signed = document::verify(DOCUMENT, &signature, Some(root), region.now).unwrap();
    assert!(signed.trusted);
    assert_eq!(signed.signer, leaf.info);
    assert_eq!(signed.chain.len(), 2);
    let (accepted, words) = cms(&region.root, DOCUMENT, &signature, region.now);
    assert!(accepted, "{words}");
}

#[test]
fn one_byte_more_less_or_other_is_refused_by_both() {
    let mut region = region();
    let leaf = signer(&mut region);
    let signature = document::sign(DOCUMENT, &leaf.chain_pem, &leaf.key).unwrap();
    let root = region.root.certificate_pem();
    for place in 0..DOCUMENT.len() {
        let mut other = DOCUMENT.to_vec();
        other[place] ^= 1;
        let refused = document::verify(&other, &signature, Some(root), region.now);
        assert!(matches!(refused, Err(PkiError::DocumentAltered)), "{place}");
    }
    for other in [&DOCUMENT[1..], &[DOCUMENT, b"\n"].concat()] {
        assert!(document::verify(other, &signature, Some(root), region.now).is_err());
        assert!(!cms(&region.root, other, &signature, region.now).0);
    }
}

#[test]
fn an_altered_signature_is_refused() {
    let mut region = region();
    let leaf = signer(&mut region);
    let signature = document::sign(DOCUMENT, &leaf.chain_pem, &leaf.key).unwrap();
    let root = region.root.certificate_pem();
    let body = signature.find('\n').unwrap() + 1..signature.rfind("-----END").unwrap();
    for place in body.step_by(3) {
        let mut other = signature.clone().into_bytes();
        other[place] = if other[place] == b'A' { b'B' } else { b'A' };
        let other = String::from_utf8(other).unwrap();
        if other.split_whitespace().eq(signature.split_whitespace()) {
            continue;
        }
        let verified = document::verify(DOCUMENT, &other, Some(root), region.now);
        assert!(verified.is_err(), "byte {place}");
    }
}

#[test]
fn another_root_another_time_and_another_purpose_are_refused() {
    let mut region = region();
    let leaf = signer(&mut region);
    let signature = document::sign(DOCUMENT, &leaf.chain_pem, &leaf.key).unwrap();
    let other = Authority::root("Bretagne", life::ROOT, region.now, &mut region.rng).unwrap();
    let root = region.root.certificate_pem().to_owned();
    let verify =
        |signature: &str, root: &str, at| document::verify(DOCUMENT, signature, Some(root), at);
    let stranger = verify(&signature, other.certificate_pem(), region.now);
    assert!(matches!(stranger, Err(PkiError::Untrusted { .. })));
    assert!(!cms(&other, DOCUMENT, &signature, region.now).0);
    for hours in [-24, 24 * 365 * 3] {
        let at = region.now + SignedDuration::from_hours(hours);
        assert!(verify(&signature, &root, at).is_err(), "{hours}");
        assert!(!cms(&region.root, DOCUMENT, &signature, at).0, "{hours}");
    }
    let server = region.leaf(HOST, Usage::Server);
    let abused = document::sign(DOCUMENT, &server.chain_pem, &server.key).unwrap();
    assert!(matches!(
        verify(&abused, &root, region.now),
        Err(PkiError::Untrusted { .. })
    ));
    let unchecked = document::verify(DOCUMENT, &abused, None, region.now).unwrap();
    assert!(!unchecked.trusted);
}

#[test]
fn a_key_of_another_certificate_does_not_sign() {
    let mut region = region();
    let (one, two) = (signer(&mut region), signer(&mut region));
    let refused = document::sign(DOCUMENT, &one.chain_pem, &two.key);
    assert!(matches!(refused, Err(PkiError::KeyMismatch)));
}

#[test]
fn a_signer_is_for_documents_only() {
    let mut region = region();
    let leaf = signer(&mut region);
    let files = Files::new();
    let pem = files.write("leaf.pem", &leaf.chain_pem);
    let output = openssl(["x509", "-noout", "-text"], &[("-in", &pem)]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("1.3.6.1.5.5.7.3.36"), "{text}");
    assert!(!text.contains("TLS Web"), "{text}");
    assert!(text.contains("Digital Signature") && !text.contains("Certificate Sign"));
}
