//! What the servers are told, as whole files, and the rules that must hold in them.

use melouvert_domain::Cidr;
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
        trusted_proxies: vec![],
        default_quota_bytes: 1 << 30,
        max_connections_per_user: 20,
        tls: TlsPolicy,
    }
}

fn exim_tenant() -> String {
    exim_tenant_behind(vec![])
}

fn exim_tenant_behind(trusted_proxies: Vec<Cidr>) -> String {
    EximTenantConfig {
        trusted_proxies,
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
            port: 26,
        },
        smarthost,
        message_size_limit: LIMIT,
        tls: TlsPolicy,
    }
    .render()
}

fn relay_in() -> String {
    relay_in_behind(vec![])
}

fn relay_in_behind(trusted_proxies: Vec<Cidr>) -> String {
    EximRelayInConfig {
        relay_out_client: "melouvert-relay-out.melouvert-system.svc".into(),
        trusted_proxies,
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
    for text in [exim_tenant(), relay_out(None)] {
        for decoded in ["$h_from", "$h_sender", "$header_from", "$bh_from"] {
            assert!(!text.contains(decoded), "{decoded} in {text}");
        }
    }
    let text = exim_tenant();
    for header in ["from", "sender", "resent-from", "resent-sender"] {
        let read = format!("\"${{listcount:<: $lh_{header}:}}\" $rh_{header}:");
        assert!(text.contains(&read), "{header} is not read: {text}");
        let relayed = relay_out(None);
        assert!(relayed.contains(&read), "{header} is not read: {relayed}");
    }
    assert!(text.contains("dkim_domain = ${if def:acl_m_signs{$acl_m_signs}"));
    let dovecot = dovecot(Logins::Allowed);
    assert!(dovecot.contains("sieve_vacation_send_from_recipient = yes"));
}

/// Two proxies, as the region names them.
fn proxies() -> Vec<Cidr> {
    ["192.0.2.0/24", "2001:db8::7/128"]
        .map(|text| text.parse().expect("a valid range"))
        .to_vec()
}

#[test]
fn nobody_is_believed_about_addresses_unless_named() {
    for text in [
        exim_tenant(),
        relay_in(),
        relay_out(None),
        dovecot(Logins::Allowed),
    ] {
        for setting in [
            "hosts_proxy",
            "haproxy",
            "proxy_local_address}\n          ratelimit",
        ] {
            assert!(!text.contains(setting), "{setting} in {text}");
        }
    }
    let hosts = |doors: &str| {
        format!("hosts_proxy = <; ${{if or{{ {doors} }}{{192.0.2.0/24 ; 2001:db8::7/128}}{{}}}}\n")
    };
    let text = exim_tenant_behind(proxies());
    let doors = "{={$received_port}{1465}} {={$received_port}{1587}}";
    assert!(text.contains(&hosts(doors)), "{text}");
    let text = relay_in_behind(proxies());
    assert!(text.contains(&hosts("{={$received_port}{1025}}")), "{text}");
    insta::assert_snapshot!("exim_relay_in_proxied", text);
}

#[test]
fn a_proxied_door_of_dovecot_starts_with_tls() {
    let mut config = dovecot_config(Logins::Allowed, false);
    config.trusted_proxies = proxies();
    let text = config.render();
    assert!(
        text.contains("haproxy_trusted_networks = 192.0.2.0/24 2001:db8::7/128\n"),
        "{text}"
    );
    let doors: Vec<_> = text
        .split("inet_listener ")
        .filter(|door| door.contains("haproxy = yes"))
        .collect();
    assert_eq!(doors.len(), 2, "{text}");
    for door in doors {
        assert!(door.contains("ssl = yes"), "{door}");
    }
}
