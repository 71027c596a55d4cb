use jiff::SignedDuration;

use super::*;

struct World {
    root: RegionRoot,
    names: CertificateNames,
    now: Timestamp,
}

impl World {
    fn new() -> Self {
        let now: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
        Self {
            root: RegionRoot::whole(
                Authority::root("test", life::ROOT, now, &mut rand::rng()).unwrap(),
            ),
            names: names(&["caen.example"]),
            now,
        }
    }

    fn prepare(&self, existing: &Existing) -> Keys {
        self.prepare_if(existing, Published::default()).unwrap()
    }

    fn prepare_if(&self, existing: &Existing, published: Published) -> Result<Keys, MaterialError> {
        prepare(
            existing,
            &self.names,
            &self.root,
            published,
            self.now,
            &mut rand::rng(),
        )
    }
}

fn names(domains: &[&str]) -> CertificateNames {
    let host = "mail.col-211401187.svc.cluster.local";
    let mut server: Vec<String> = domains
        .iter()
        .map(|domain| format!("imap.{domain}"))
        .collect();
    server.push(host.into());
    server.sort_unstable();
    CertificateNames {
        ca_common_name: "Melouvert col-211401187".into(),
        ca_permitted_dns: domains
            .iter()
            .map(|d| (*d).into())
            .chain([host.into()])
            .collect(),
        server_common_name: host.into(),
        server_dns_names: server,
        client_common_name: "col-211401187".into(),
        client_dns_names: vec![host.into()],
    }
}

/// What the Secrets would hold.
fn stored(keys: &Keys, root: &RegionRoot) -> Existing {
    let bytes = |text: &str| ByteString(text.as_bytes().to_vec());
    let tls = |chain: &str, key: &PrivateKey| {
        [
            ("tls.crt".to_owned(), bytes(chain)),
            ("tls.key".to_owned(), bytes(key.expose_pem())),
            ("ca.crt".to_owned(), bytes(root.certificate_pem())),
        ]
    };
    [
        (
            CA.to_owned(),
            tls(&keys.ca.chain_pem(), keys.ca.key()).into(),
        ),
        (
            MAIL_TLS.to_owned(),
            tls(&keys.mail.chain_pem, &keys.mail.key).into(),
        ),
        (
            CLIENT_TLS.to_owned(),
            tls(&keys.client.chain_pem, &keys.client.key).into(),
        ),
        (
            DKIM.to_owned(),
            [(
                DKIM_ED25519.to_owned(),
                bytes(keys.dkim_ed25519.expose_pem()),
            )]
            .into(),
        ),
        (
            DATABASE.to_owned(),
            [
                (READER_PASSWORD.to_owned(), bytes(&keys.reader_password)),
                (DOVEADM_API_KEY.to_owned(), bytes(&keys.doveadm_api_key)),
                (DOOR_KEY.to_owned(), bytes(&keys.door_key)),
            ]
            .into(),
        ),
    ]
    .into()
}

/// What tells two sets of keys apart.
fn identity(keys: &Keys) -> [String; 7] {
    [
        keys.ca.info().fingerprint.clone(),
        keys.mail.info.fingerprint.clone(),
        keys.client.info.fingerprint.clone(),
        keys.reader_password.clone(),
        keys.doveadm_api_key.clone(),
        keys.door_key.clone(),
        keys.dkim_ed25519.expose_pem().to_owned(),
    ]
}

#[test]
fn what_is_good_is_kept_whole() {
    let world = World::new();
    let first = world.prepare(&Existing::new());
    assert!(first.renewed.is_empty() && first.dkim_rsa.is_none());
    let second = world.prepare(&stored(&first, &world.root));
    assert_eq!(identity(&first), identity(&second));
    assert!(second.renewed.is_empty());
}

#[test]
fn a_due_leaf_is_renewed_alone() {
    let mut world = World::new();
    let first = world.prepare(&Existing::new());
    world.now = first.mail.info.renewal_at.max(first.client.info.renewal_at);
    let second = world.prepare(&stored(&first, &world.root));
    assert_eq!(second.renewed, [MAIL_TLS, CLIENT_TLS]);
    assert_eq!(first.ca.info().fingerprint, second.ca.info().fingerprint);
    assert_eq!(identity(&first)[3..], identity(&second)[3..]);
    world.now = first.first_renewal() - SignedDuration::from_secs(1);
    assert!(
        world
            .prepare(&stored(&first, &world.root))
            .renewed
            .is_empty()
    );
}

#[test]
fn a_new_domain_renews_the_authority_and_its_leaves() {
    let mut world = World::new();
    let first = world.prepare(&Existing::new());
    world.names = names(&["caen.example", "mairie-caen.example"]);
    let second = world.prepare(&stored(&first, &world.root));
    assert_eq!(second.renewed, [CA, MAIL_TLS, CLIENT_TLS]);
    assert!(
        second
            .mail
            .info
            .dns_names
            .contains(&"imap.mairie-caen.example".to_owned())
    );
    assert_eq!(
        identity(&first)[3..],
        identity(&second)[3..],
        "passwords and DKIM stay"
    );
}

#[test]
fn a_deleted_secret_is_made_again_alone() {
    let world = World::new();
    let first = world.prepare(&Existing::new());
    for (place, secret) in [MAIL_TLS, CLIENT_TLS].into_iter().enumerate() {
        let mut existing = stored(&first, &world.root);
        existing.remove(secret);
        let second = world.prepare(&existing);
        let changed: Vec<usize> = (0..6)
            .filter(|n| identity(&first)[*n] != identity(&second)[*n])
            .collect();
        assert_eq!(changed, [place + 1], "{secret}");
    }
}

#[test]
fn a_broken_value_is_replaced_not_kept() {
    let world = World::new();
    let first = world.prepare(&Existing::new());
    let mut existing = stored(&first, &world.root);
    existing
        .get_mut(MAIL_TLS)
        .unwrap()
        .insert("tls.key".into(), ByteString(b"junk".to_vec()));
    assert_eq!(world.prepare(&existing).renewed, [MAIL_TLS]);
}

#[test]
fn a_leaf_under_another_authority_is_replaced() {
    let world = World::new();
    let (first, other) = (
        world.prepare(&Existing::new()),
        world.prepare(&Existing::new()),
    );
    let mut existing = stored(&first, &world.root);
    existing.insert(
        MAIL_TLS.into(),
        stored(&other, &world.root)[MAIL_TLS].clone(),
    );
    assert_eq!(world.prepare(&existing).renewed, [MAIL_TLS]);
}

#[test]
fn a_published_signing_key_is_never_made_anew() {
    let world = World::new();
    let first = world.prepare(&Existing::new());
    let good = stored(&first, &world.root);
    let ed25519 = Published {
        ed25519: true,
        rsa: false,
    };
    world.prepare_if(&good, ed25519).expect("the control");
    let rsa = Published {
        ed25519: true,
        rsa: true,
    };
    let mut gone = good.clone();
    gone.remove(DKIM);
    let mut garbled = good.clone();
    for junk in [&b"junk"[..], b"", b"\xff"] {
        garbled
            .get_mut(DKIM)
            .unwrap()
            .insert(DKIM_ED25519.into(), ByteString(junk.to_vec()));
        // Unreadable is lost even where nobody remembers a publication.
        for published in [ed25519, Published::default()] {
            let refused = world.prepare_if(&garbled, published).unwrap_err();
            assert!(
                matches!(
                    refused,
                    MaterialError::Lost {
                        key: DKIM_ED25519,
                        ..
                    }
                ),
                "{refused:?}"
            );
        }
    }
    let refused = world.prepare_if(&gone, ed25519).unwrap_err();
    assert!(matches!(
        refused,
        MaterialError::Lost {
            key: DKIM_ED25519,
            ..
        }
    ));
    let refused = world.prepare_if(&good, rsa).unwrap_err();
    assert!(matches!(refused, MaterialError::Lost { key: DKIM_RSA, .. }));
    // What was never published is made, and what somebody answered for too.
    world.prepare_if(&gone, Published::default()).unwrap();
    let answered = without_unreadable(garbled);
    world.prepare_if(&answered, Published::default()).unwrap();
    let kept = without_unreadable(good);
    let kept = world.prepare_if(&kept, ed25519).unwrap();
    assert_eq!(
        kept.dkim_ed25519.expose_pem(),
        first.dkim_ed25519.expose_pem()
    );
}

#[test]
fn without_the_roots_key_an_authority_serves_until_its_end() {
    let mut world = World::new();
    let first = world.prepare(&Existing::new());
    let existing = stored(&first, &world.root);
    let root = world.root.clone();
    let away = RootAway::Offline;
    world.root = RegionRoot::without_key(root.certificate_pem().to_owned(), away.clone());
    let none = Published::default();
    world.now = first.ca.info().renewal_at;
    let second = world.prepare_if(&existing, none).unwrap();
    assert_eq!(second.ca.info().serial, first.ca.info().serial);
    // A new space, or another domain, needs the root.
    let needed = |outcome: Result<Keys, MaterialError>| {
        assert!(matches!(outcome, Err(MaterialError::Root { source, .. }) if source == away));
    };
    needed(world.prepare_if(&Existing::new(), none));
    world.names = names(&["caen.example", "autre.example"]);
    needed(world.prepare_if(&existing, none));
    world.names = names(&["caen.example"]);
    world.now = first.ca.info().not_after;
    needed(world.prepare_if(&existing, none));
}

#[test]
fn the_operator_may_list_a_spaces_secrets_by_these_names_alone() {
    let rights = include_str!("../../../../charts/melouvert/templates/rbac-operator.yaml");
    let names = format!("resourceNames: [{}]", SECRETS.join(", "));
    assert!(rights.contains(&names), "expected {names}");
    let config = format!(
        "resourceNames: [{}]",
        melouvert_tenant_template::mail::CONFIG_MAP
    );
    assert!(rights.contains(&config), "expected {config}");
}
