//! Revocation lists as openssl judges them.
// In helpers outside `#[test]` too, a fixture that is wrong fails the test.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use melouvert_pki::{Leaf, PkiError, Reason, Revoked, Usage, life};
use support::{Files, HOST, Region, openssl, region};

fn check(region: &Region, leaf: &Leaf, revoked: &[Revoked]) -> (bool, String) {
    let list = region
        .caen
        .revocation_list(7, revoked, life::REVOCATION_LIST, region.now)
        .unwrap();
    let files = Files::new();
    let root = files.write("root.pem", region.root.certificate_pem());
    let chain = files.write("chain.pem", &leaf.chain_pem);
    let list = files.write("list.pem", &list);
    let output = openssl(
        ["verify", "-x509_strict", "-crl_check"],
        &[
            ("-CAfile", &root),
            ("-untrusted", &chain),
            ("-CRLfile", &list),
            ("", &chain),
        ],
    );
    let words = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&words).into(),
    )
}

#[test]
fn a_revoked_leaf_is_refused_and_the_others_are_not() {
    let mut region = region();
    let [lost, kept] = [(); 2].map(|()| region.leaf(HOST, Usage::Server));
    let revoked = [Revoked {
        serial: lost.info.serial.clone(),
        at: region.now,
        reason: Reason::KeyCompromise,
    }];
    let (good, words) = check(&region, &kept, &revoked);
    assert!(good, "{words}");
    let (good, words) = check(&region, &lost, &revoked);
    assert!(!good && words.contains("certificate revoked"), "{words}");
    assert!(
        check(&region, &lost, &[]).0,
        "an empty list revokes nothing"
    );
}

#[test]
fn a_serial_that_is_not_hexadecimal_is_refused() {
    let region = region();
    let revoked = [Revoked {
        serial: "42:xx".into(),
        at: region.now,
        reason: Reason::Superseded,
    }];
    let list = region
        .caen
        .revocation_list(1, &revoked, life::REVOCATION_LIST, region.now);
    assert!(matches!(list, Err(PkiError::Serial { .. })));
}
