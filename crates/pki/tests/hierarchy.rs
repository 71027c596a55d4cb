//! Chains as rustls and openssl judge them.
// In helpers outside `#[test]` too, a fixture that is wrong fails the test.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use melouvert_pki::{Authority, LeafRequest, PkiError, Usage, due, inspect, life};
use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
    server::WebPkiClientVerifier,
};
use support::{HOST, region, verify};

fn certificates(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .unwrap()
}

fn roots(root: &Authority) -> Arc<RootCertStore> {
    let mut store = RootCertStore::empty();
    store
        .add(certificates(root.certificate_pem()).remove(0))
        .unwrap();
    Arc::new(store)
}

/// What rustls says of a server's chain.
fn rustls_server(
    root: &Authority,
    chain: &str,
    host: &str,
    now: Timestamp,
) -> Result<(), rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(roots(root), provider)
        .build()
        .unwrap();
    let chain = certificates(chain);
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let seconds = u64::try_from(now.as_second()).unwrap();
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    verifier
        .verify_server_cert(&chain[0], &chain[1..], &name, &[], now)
        .map(drop)
}

#[test]
fn a_server_is_trusted_by_its_name_alone() {
    let mut region = region();
    let leaf = region.leaf(HOST, Usage::Server);
    let (root, now) = (region.root, region.now);
    rustls_server(&root, &leaf.chain_pem, HOST, now).unwrap();
    let (good, words) = verify(&root, &leaf, "sslserver", HOST);
    assert!(good, "{words}");

    let other = "imap.rouen.example";
    assert!(rustls_server(&root, &leaf.chain_pem, other, now).is_err());
    let (good, words) = verify(&root, &leaf, "sslserver", other);
    assert!(!good && words.contains("hostname mismatch"), "{words}");
}

#[test]
fn a_certificate_serves_its_only_usage() {
    let mut region = region();
    let name = "col-211401187.melouvert.internal";
    let client = region.leaf(name, Usage::Client);
    let server = region.leaf(HOST, Usage::Server);
    assert!(verify(&region.root, &client, "sslclient", name).0);
    let (good, words) = verify(&region.root, &client, "sslserver", name);
    assert!(!good && words.contains("unsuitable"), "{words}");
    assert!(rustls_server(&region.root, &client.chain_pem, name, region.now).is_err());

    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots(&region.root), provider)
        .build()
        .unwrap();
    let as_client = |pem: &str| {
        let chain = certificates(pem);
        verifier.verify_client_cert(&chain[0], &chain[1..], UnixTime::now())
    };
    as_client(&client.chain_pem).unwrap();
    assert!(as_client(&server.chain_pem).is_err());
}

#[test]
fn a_stolen_authority_vouches_for_no_other_tenant() {
    let mut region = region();
    let host = "imap.rouen.example";
    let forged = region.leaf(host, Usage::Server);
    let (good, words) = verify(&region.root, &forged, "sslserver", host);
    assert!(
        !good && words.contains("permitted subtree violation"),
        "{words}"
    );
    assert!(rustls_server(&region.root, &forged.chain_pem, host, region.now).is_err());

    let client = "col-217605401.melouvert.internal";
    let forged = region.leaf(client, Usage::Client);
    assert!(!verify(&region.root, &forged, "sslclient", client).0);

    // Nor may it make an authority below itself.
    let request = melouvert_pki::IntermediateRequest {
        common_name: "Forged",
        permitted_dns: &[],
        life: life::LEAF,
    };
    let below = region
        .caen
        .intermediate(&request, region.now, &mut region.rng)
        .unwrap();
    let request = LeafRequest {
        common_name: HOST,
        dns_names: &[HOST.to_owned()],
        usage: Usage::Server,
        life: life::LEAF,
    };
    let leaf = below.issue(&request, region.now, &mut region.rng).unwrap();
    let (good, words) = verify(&region.root, &leaf, "sslserver", HOST);
    assert!(!good && words.contains("path length"), "{words}");
    assert!(rustls_server(&region.root, &leaf.chain_pem, HOST, region.now).is_err());
}

#[test]
fn an_authority_reads_back_and_goes_on_issuing() {
    let mut region = region();
    let caen = &region.caen;
    let read = Authority::from_pem(&caen.chain_pem(), caen.key().expose_pem()).unwrap();
    assert_eq!(read.info(), caen.info());
    region.caen = read;
    let leaf = region.leaf(HOST, Usage::Server);
    assert!(verify(&region.root, &leaf, "sslserver", HOST).0);
    assert_eq!(
        certificates(&leaf.chain_pem).len(),
        2,
        "leaf and intermediate, no root"
    );

    let swapped = Authority::from_pem(&region.caen.chain_pem(), region.root.key().expose_pem());
    assert!(matches!(swapped, Err(PkiError::KeyMismatch)));
    let no_authority = Authority::from_pem(&leaf.chain_pem, leaf.key.expose_pem());
    assert!(matches!(no_authority, Err(PkiError::NotAnAuthority { .. })));
}

#[test]
fn lives_are_whole_seconds_and_end_with_their_issuer() {
    let mut region = region();
    let leaf = region.leaf(HOST, Usage::Server);
    let days = |info: &melouvert_pki::CertInfo| {
        (info.not_after.as_second() - info.not_before.as_second()) / 86_400
    };
    assert_eq!(days(&leaf.info), 90);
    assert_eq!(days(region.caen.info()), 730);
    assert_eq!(leaf.info.not_before.subsec_nanosecond(), 0);
    let skew = region.now.as_second() - leaf.info.not_before.as_second();
    assert_eq!(skew, life::SKEW.as_secs());

    let end = region.caen.info().not_after;
    region.now = end - SignedDuration::from_hours(24);
    assert_eq!(region.leaf(HOST, Usage::Server).info.not_after, end);
    let late = region.caen.issue(
        &LeafRequest {
            common_name: HOST,
            dns_names: &[HOST.to_owned()],
            usage: Usage::Server,
            life: life::LEAF,
        },
        end,
        &mut region.rng,
    );
    assert!(matches!(late, Err(PkiError::IssuerEnded { ended, .. }) if ended == end));
}

#[test]
fn renewal_is_due_at_a_fixed_instant_near_two_thirds() {
    let mut region = region();
    let leaf = region.leaf(HOST, Usage::Server);
    let info = inspect(&leaf.chain_pem).unwrap();
    assert_eq!(info, leaf.info);
    let day = |n: i64| info.not_before + SignedDuration::from_hours(24 * n);
    assert!(!due(&info, day(50)));
    assert!(due(&info, day(61)));
    assert!(!due(&info, info.renewal_at - SignedDuration::from_secs(1)));
    assert!(due(&info, info.renewal_at));
    let other = region.leaf(HOST, Usage::Server).info;
    assert_ne!(other.serial, info.serial);
    assert_ne!(
        other.renewal_at, info.renewal_at,
        "made together, renewed apart"
    );

    assert!(rustls_server(&region.root, &leaf.chain_pem, HOST, day(89)).is_ok());
    assert!(rustls_server(&region.root, &leaf.chain_pem, HOST, day(91)).is_err());
}

#[test]
fn every_certificate_is_named_and_numbered_by_us() {
    let mut region = region();
    let leaf = region.leaf(HOST, Usage::Server);
    for info in [region.root.info(), region.caen.info(), &leaf.info] {
        let names = format!("{} {}", info.subject, info.issuer);
        assert!(!names.contains("rcgen"), "{names}");
        assert_eq!(info.serial.len(), 32, "{}", info.serial);
    }
    assert_eq!(leaf.info.dns_names, [HOST]);
    let mut refused = |name: &str, dns: &str| {
        let request = LeafRequest {
            common_name: name,
            dns_names: &[dns.to_owned()],
            usage: Usage::Server,
            life: life::LEAF,
        };
        region.caen.issue(&request, region.now, &mut region.rng)
    };
    assert!(matches!(refused("", HOST), Err(PkiError::Name { .. })));
    assert!(matches!(
        refused(&"x".repeat(65), HOST),
        Err(PkiError::Name { .. })
    ));
    assert!(matches!(
        refused("x", "é.example"),
        Err(PkiError::DnsName { .. })
    ));
    assert!(matches!(refused("x", ""), Err(PkiError::DnsName { .. })));
}

#[test]
fn debug_shows_no_key() {
    let region = region();
    let shown = format!("{:?}", region.caen);
    assert!(!shown.contains("PRIVATE KEY"), "{shown}");
}
