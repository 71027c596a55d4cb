//! The one TLS policy of every server.

/// What the ANSSI recommends for TLS (guide SDE-NT-035, version 1.2): version 1.3, 1.2 accepted,
/// nothing older; ephemeral elliptic-curve key exchange; authenticated encryption; SHA-2; the
/// server's order. The same lists in the words of OpenSSL, GnuTLS and the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TlsPolicy;

/// TLS 1.2 suites by their OpenSSL names, preferred first.
const SUITES_1_2: [&str; 6] = [
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
];

/// TLS 1.3 suites.
const SUITES_1_3: [&str; 3] = [
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_AES_128_GCM_SHA256",
];

/// `(OpenSSL's name, GnuTLS' name)`.
const GROUPS: [(&str, &str); 4] = [
    ("X25519", "GROUP-X25519"),
    ("prime256v1", "GROUP-SECP256R1"),
    ("secp384r1", "GROUP-SECP384R1"),
    ("secp521r1", "GROUP-SECP521R1"),
];

/// Everything else of a GnuTLS priority string, in the order of preference.
const GNUTLS: [&str; 19] = [
    "VERS-TLS1.3",
    "VERS-TLS1.2",
    "AES-256-GCM",
    "CHACHA20-POLY1305",
    "AES-128-GCM",
    "AEAD",
    "ECDHE-ECDSA",
    "ECDHE-RSA",
    "SIGN-ECDSA-SHA256",
    "SIGN-ECDSA-SHA384",
    "SIGN-ECDSA-SHA512",
    "SIGN-ECDSA-SECP256R1-SHA256",
    "SIGN-ECDSA-SECP384R1-SHA384",
    "SIGN-RSA-PSS-RSAE-SHA256",
    "SIGN-RSA-PSS-RSAE-SHA384",
    "SIGN-RSA-SHA256",
    "SIGN-RSA-SHA384",
    "COMP-NULL",
    "CTYPE-X509",
];

impl TlsPolicy {
    /// Dovecot's `ssl_*` settings, one a line.
    pub fn dovecot(self) -> String {
        let curves: Vec<_> = GROUPS.iter().map(|(openssl, _)| *openssl).collect();
        format!(
            "ssl_min_protocol = TLSv1.2\nssl_cipher_list = {}\nssl_cipher_suites = {}\n\
             ssl_curve_list = {}\nssl_server_prefer_ciphers = server",
            SUITES_1_2.join(":"),
            SUITES_1_3.join(":"),
            curves.join(":"),
        )
    }

    /// A GnuTLS priority string, for Exim.
    pub fn gnutls(self) -> String {
        let groups = GROUPS.iter().map(|(_, gnutls)| *gnutls);
        let all: Vec<_> = GNUTLS.into_iter().chain(groups).collect();
        format!("NONE:+{}:%SERVER_PRECEDENCE", all.join(":+"))
    }

    /// PostgreSQL's `ssl_*` settings, one a line. PostgreSQL 17 leaves TLS 1.3's suites to
    /// OpenSSL, whose three defaults are those of this policy, and takes a single curve.
    pub fn postgresql(self) -> String {
        format!(
            "ssl_min_protocol_version = 'TLSv1.2'\nssl_ciphers = '{}'\n\
             ssl_prefer_server_ciphers = on\nssl_ecdh_curve = 'prime256v1'",
            SUITES_1_2.join(":"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_weak_is_named() {
        let policy = TlsPolicy;
        let all = [policy.dovecot(), policy.gnutls(), policy.postgresql()].join("\n");
        for weak in [
            "CBC", "SHA1", "3DES", "RC4", "MD5", "DHE-RSA", "TLS1.0", "TLS1.1", "kRSA",
        ] {
            let alone = all.replace("ECDHE-RSA", "");
            assert!(!alone.contains(weak), "{weak} in {alone}");
        }
    }

    #[test]
    fn every_suite_has_forward_secrecy_and_authenticated_encryption() {
        for suite in SUITES_1_2 {
            assert!(suite.starts_with("ECDHE-"), "{suite}");
            assert!(
                suite.contains("GCM") || suite.contains("POLY1305"),
                "{suite}"
            );
        }
    }

    #[test]
    fn the_newest_version_comes_first() {
        assert!(
            TlsPolicy
                .gnutls()
                .starts_with("NONE:+VERS-TLS1.3:+VERS-TLS1.2:")
        );
        assert!(
            TlsPolicy
                .dovecot()
                .starts_with("ssl_min_protocol = TLSv1.2\n")
        );
        assert!(
            TlsPolicy
                .postgresql()
                .contains("ssl_min_protocol_version = 'TLSv1.2'")
        );
    }
}
