//! What the servers are told, as whole files, and the rules that must hold in them.

use secrecy::SecretString;

use super::*;

const LIMIT: u64 = 52_428_800;

fn domain(name: &str) -> melouvert_domain::MailDomain {
    name.parse().expect("a valid domain")
}

fn database() -> Database {
    Database {
        host: "postgresql.melouvert-system.svc.cluster.local".into(),
        port: 5432,
        name: "col_211401187".into(),
        user: "col_211401187_reader".into(),
    }
}

fn dovecot(logins: Logins) -> String {
    dovecot_config(logins, false).render()
}

fn dovecot_config(logins: Logins, door: bool) -> DovecotConfig {
    DovecotConfig {
        hostname: "mail.col-211401187.svc.cluster.local".into(),
        main_domain: domain("caen.example"),
        database: database(),
        logins,
        door,
        default_quota_bytes: 1 << 30,
        max_connections_per_user: 20,
        tls: TlsPolicy,
    }
}

fn exim_tenant() -> String {
    EximTenantConfig {
        hostname: "mail.col-211401187.svc.cluster.local".into(),
        main_domain: domain("caen.example"),
        relay_out: Endpoint {
            host: "relay-out.melouvert-system.svc.cluster.local".into(),
            port: 1587,
        },
        message_size_limit: LIMIT,
        tls: TlsPolicy,
    }
    .render()
}

fn relay_out(smarthost: Option<Endpoint>) -> String {
    EximRelayOutConfig {
        hostname: "relay-out.melouvert-system.svc.cluster.local".into(),
        relay_in: Endpoint {
            host: "relay-in.melouvert-system.svc.cluster.local".into(),
            port: 25,
        },
        smarthost,
        message_size_limit: LIMIT,
        tls: TlsPolicy,
    }
    .render()
}

fn relay_in() -> String {
    EximRelayInConfig {
        hostname: "relay-in.melouvert-system.svc.cluster.local".into(),
        message_size_limit: LIMIT,
        tls: TlsPolicy,
    }
    .render()
}

#[test]
fn whole_files() {
    let postgres = PostgresConfig {
        max_connections: 400,
        shared_buffers_mb: 64,
        tls: TlsPolicy,
    };
    insta::assert_snapshot!("dovecot", dovecot(Logins::Allowed));
    let door = dovecot_config(Logins::Allowed, true);
    insta::assert_snapshot!("dovecot_with_door", door.render());
    insta::assert_snapshot!("exim_tenant", exim_tenant());
    insta::assert_snapshot!("exim_relay_in", relay_in());
    insta::assert_snapshot!("exim_relay_out", relay_out(None));
    insta::assert_snapshot!("postgresql", postgres.render());
    insta::assert_snapshot!("pg_hba", PostgresConfig::render_hba());
}

#[test]
fn a_refused_login_names_the_reason_and_keeps_receiving() {
    let text = dovecot(Logins::Refused {
        reason: "L'espace est suspendu".into(),
    });
    assert!(
        text.contains("'yes' AS nologin, 'L’espace est suspendu' AS reason"),
        "{text}"
    );
    assert!(text.contains("userdb sql {"), "{text}");
}

#[test]
fn secrets_are_in_their_own_files_only() {
    let secrets = DovecotSecrets {
        database_host: database().host,
        database_password: SecretString::from("pw-of-reader"),
        doveadm_api_key: SecretString::from("key-of-doveadm"),
        door_key: Some(SecretString::from("key-of-door")),
    };
    let exim = EximSecrets {
        database: database(),
        database_password: SecretString::from("pw-of-reader"),
    };
    insta::assert_snapshot!("dovecot_secrets", secrets.render());
    insta::assert_snapshot!("exim_secrets", exim.render());
    assert!(!format!("{secrets:?} {exim:?}").contains("pw-of-reader"));
}

#[test]
fn every_connection_to_a_peer_of_the_region_is_verified() {
    for text in [exim_tenant(), relay_in(), relay_out(None)] {
        let verified = text.matches("  tls_verify_cert_hostnames = *").count();
        let required = text.matches("  hosts_require_tls = *").count();
        assert_eq!((verified, required), (1, 1), "{text}");
    }
}

#[test]
fn a_smarthost_replaces_the_internet() {
    let host = Endpoint {
        host: "smtp.example.org".into(),
        port: 587,
    };
    let text = relay_out(Some(host));
    assert!(
        text.contains("route_list = * smtp.example.org::587 byname"),
        "{text}"
    );
    assert!(!text.contains("dnslookup"), "{text}");
}

#[test]
fn a_domain_map_has_one_line_a_domain() {
    let (caen, rouen) = (domain("caen.example"), domain("rouen.example"));
    assert_eq!(
        domain_map([(&caen, "col-1"), (&rouen, "col-2")]),
        "caen.example: col-1\nrouen.example: col-2\n"
    );
}

#[test]
fn no_decoded_header_decides_who_writes() {
    for text in [exim_tenant(), relay_in(), relay_out(None)] {
        for decoded in ["$h_from", "$h_sender", "$header_from", "$bh_from"] {
            assert!(!text.contains(decoded), "{decoded} in {text}");
        }
    }
    let text = exim_tenant();
    for header in ["from", "sender", "resent-from", "resent-sender"] {
        let read = format!("!acl = acl_mine ${{listcount:$lh_{header}:}} $rh_{header}:");
        assert!(text.contains(&read), "{header} is not read: {text}");
    }
    assert!(text.contains("dkim_domain = ${if def:acl_m_signs{$acl_m_signs}"));
    let dovecot = dovecot(Logins::Allowed);
    assert!(dovecot.contains("sieve_vacation_send_from_recipient = yes"));
}
