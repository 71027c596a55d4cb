//! Signed documents: a detached CMS signature (RFC 5652), which `openssl cms -verify` reads.
//!
//! ECDSA over SHA-256 of the document's very bytes, without signed attributes: the instant of
//! signing is the document's own to tell, and the bare signature is also what
//! `openssl dgst -sha256 -verify` takes. The signer's chain travels inside, without its root.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject};
use std::time::Duration;
use webpki::{EndEntityCert, KeyUsage, aws_lc_rs as algorithms};
use x509_parser::{certificate::X509Certificate, parse_x509_certificate};

use crate::{
    CertInfo, PkiError, PrivateKey,
    der::{self, Reader},
    inspect,
};

/// 1.2.840.113549.1.7.2, `id-signedData`.
const SIGNED_DATA: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
/// 1.2.840.113549.1.7.1, `id-data`.
const DATA: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
/// 2.16.840.1.101.3.4.2.1, `id-sha256`.
const SHA256: [u8; 9] = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
/// 1.2.840.10045.4.3.2, `ecdsa-with-SHA256`.
const ECDSA_SHA256: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
/// 1.3.6.1.5.5.7.3.36, `id-kp-documentSigning`.
const DOCUMENT_SIGNING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x24];

const BEGIN: &str = "-----BEGIN CMS-----";
const END: &str = "-----END CMS-----";

/// What a good signature says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The signer's certificate.
    pub signer: CertInfo,
    /// The certificates that came with the signature, the signer's first.
    pub chain: Vec<CertInfo>,
    /// True when the chain leads to one of the authorities that were given.
    pub trusted: bool,
}

/// Signs a document; the answer is PEM (`BEGIN CMS`). `chain_pem` is the signer's certificate
/// followed by its intermediates; the key must be P-256 and that certificate's.
pub fn sign(document: &[u8], chain_pem: &str, key: &PrivateKey) -> Result<String, PkiError> {
    let chain = certificates(chain_pem)?;
    let unreadable = |reason: &str| PkiError::ReadCertificate {
        reason: reason.to_owned(),
    };
    let signer = chain
        .first()
        .ok_or_else(|| unreadable("expected a PEM certificate"))?;
    let (_, certificate) =
        parse_x509_certificate(signer).map_err(|error| unreadable(&error.to_string()))?;
    let pair = key.pair()?;
    if rcgen::PublicKeyData::subject_public_key_info(&pair) != certificate.public_key().raw {
        return Err(PkiError::KeyMismatch);
    }
    let signature = ecdsa(document, key)?;
    let ders: Vec<&[u8]> = chain.iter().map(AsRef::as_ref).collect();
    Ok(to_pem(&assemble(&ders, &certificate, &signature)))
}

/// The only form of a signature: reading one is writing it again and comparing.
fn assemble(chain: &[&[u8]], signer: &X509Certificate<'_>, signature: &[u8]) -> Vec<u8> {
    let algorithm = |oid: &[u8]| der::value(der::SEQUENCE, &der::value(der::OID, oid));
    let version = der::value(der::INTEGER, &[1]);
    let signer_id = der::values(
        der::SEQUENCE,
        &[
            signer.issuer().as_raw(),
            &der::value(der::INTEGER, signer.tbs_certificate.raw_serial()),
        ],
    );
    let signer_info = der::values(
        der::SEQUENCE,
        &[
            &version,
            &signer_id,
            &algorithm(&SHA256),
            &algorithm(&ECDSA_SHA256),
            &der::value(der::OCTETS, signature),
        ],
    );
    let signed_data = der::values(
        der::SEQUENCE,
        &[
            &version,
            &der::value(der::SET, &algorithm(&SHA256)),
            &der::value(der::SEQUENCE, &der::value(der::OID, &DATA)),
            &der::value(der::CONTEXT_0, &chain.concat()),
            &der::value(der::SET, &signer_info),
        ],
    );
    der::values(
        der::SEQUENCE,
        &[
            &der::value(der::OID, &SIGNED_DATA),
            &der::value(der::CONTEXT_0, &signed_data),
        ],
    )
}

fn ecdsa(document: &[u8], key: &PrivateKey) -> Result<Vec<u8>, PkiError> {
    let der = PrivateKeyDer::from_pem_slice(key.expose_pem().as_bytes())
        .map_err(|_| PkiError::ReadKey(rcgen::Error::CouldNotParseKeyPair))?;
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der.secret_der())
        .map_err(|_| PkiError::ReadKey(rcgen::Error::CouldNotParseKeyPair))?;
    let signature = pair
        .sign(&SystemRandom::new(), document)
        .map_err(|_| PkiError::Sign {
            what: "document",
            source: rcgen::Error::RingUnspecified,
        })?;
    Ok(signature.as_ref().to_vec())
}

/// Checks a signature made by [`sign`]: the bytes, then, when authorities are given, that the
/// signer's chain leads to one of them at `at` and may sign documents.
pub fn verify(
    document: &[u8],
    signature_pem: &str,
    roots_pem: Option<&str>,
    at: Timestamp,
) -> Result<Signed, PkiError> {
    let content = from_pem(signature_pem)?;
    let (chain, signature) = read(&content).ok_or_else(not_ours)?;
    let place = signer_of(&content, &chain, signature).ok_or_else(not_ours)?;
    let infos = chain
        .iter()
        .map(|der| inspect::inspect_der(der))
        .collect::<Result<Vec<_>, _>>()?;
    let signer_der = CertificateDer::from(chain[place]);
    let certificate = EndEntityCert::try_from(&signer_der)
        .map_err(|error| unreadable(&format!("the signer's certificate: {error}")))?;
    certificate
        .verify_signature(algorithms::ECDSA_P256_SHA256, document, signature)
        .map_err(|_| PkiError::DocumentAltered)?;
    let signer = infos[place].clone();
    if let Some(roots) = roots_pem {
        trust(&certificate, &chain, roots, at).map_err(|reason| PkiError::Untrusted {
            signer: signer.subject.clone(),
            at,
            reason,
        })?;
    }
    Ok(Signed {
        signer,
        chain: infos,
        trusted: roots_pem.is_some(),
    })
}

fn trust(
    certificate: &EndEntityCert<'_>,
    chain: &[&[u8]],
    roots_pem: &str,
    at: Timestamp,
) -> Result<(), String> {
    let roots = certificates(roots_pem).map_err(|error| error.to_string())?;
    let anchors = roots
        .iter()
        .map(webpki::anchor_from_trusted_cert)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("an authority that was given is unusable: {error}"))?;
    if anchors.is_empty() {
        return Err("no authority was given".to_owned());
    }
    let others: Vec<CertificateDer<'_>> =
        chain.iter().map(|der| CertificateDer::from(*der)).collect();
    let seconds = u64::try_from(at.as_second()).map_err(|_| "it is before 1970".to_owned())?;
    certificate
        .verify_for_usage(
            &[
                algorithms::ECDSA_P256_SHA256,
                algorithms::ECDSA_P384_SHA384,
                algorithms::RSA_PKCS1_2048_8192_SHA256,
            ],
            &anchors,
            &others,
            UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
            KeyUsage::required_if_present(DOCUMENT_SIGNING),
            None,
            None,
        )
        .map(drop)
        .map_err(|error| error.to_string())
}

/// The certificate among these that the signature was made with.
fn signer_of(content: &[u8], chain: &[&[u8]], signature: &[u8]) -> Option<usize> {
    chain.iter().position(|der| {
        parse_x509_certificate(der)
            .is_ok_and(|(_, signer)| assemble(chain, &signer, signature) == content)
    })
}

/// The certificates and the bare signature.
fn read(content: &[u8]) -> Option<(Vec<&[u8]>, &[u8])> {
    let mut info = Reader::new(content).enter(der::SEQUENCE)?;
    info.take(der::OID)?;
    let mut data = info.enter(der::CONTEXT_0)?.enter(der::SEQUENCE)?;
    data.take(der::INTEGER)?;
    data.take(der::SET)?;
    data.take(der::SEQUENCE)?;
    let mut bag = data.enter(der::CONTEXT_0)?;
    let mut certificates = Vec::new();
    while let Some((der::SEQUENCE, _, whole)) = bag.any() {
        certificates.push(whole);
    }
    let mut signer = data.enter(der::SET)?.enter(der::SEQUENCE)?;
    signer.take(der::INTEGER)?;
    for _identity_and_algorithms in 0..3 {
        signer.take(der::SEQUENCE)?;
    }
    Some((certificates, signer.take(der::OCTETS)?))
}

fn not_ours() -> PkiError {
    unreadable("expected a detached CMS signature, ECDSA with SHA-256, without attributes")
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| PkiError::ReadCertificate {
            reason: error.to_string(),
        })
}

fn unreadable(reason: &str) -> PkiError {
    PkiError::ReadSignature {
        reason: reason.to_owned(),
    }
}

fn to_pem(content: &[u8]) -> String {
    let text = STANDARD.encode(content);
    let mut out = format!("{BEGIN}\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = more;
    }
    out + END + "\n"
}

fn from_pem(pem: &str) -> Result<Vec<u8>, PkiError> {
    let body = pem
        .split_once(BEGIN)
        .and_then(|(_, rest)| rest.split_once(END))
        .ok_or_else(|| unreadable(&format!("expected a PEM text between {BEGIN} and {END}")))?
        .0;
    let text: String = body.split_ascii_whitespace().collect();
    STANDARD
        .decode(text)
        .map_err(|error| unreadable(&format!("its base64 is wrong: {error}")))
}
