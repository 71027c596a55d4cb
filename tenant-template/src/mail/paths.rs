//! Where the mail pod's volumes are mounted; the servers' configuration names the same places.

/// The ConfigMap with `dovecot.conf`, `exim.conf`, `domains` and `database-ca.pem`.
pub const CONFIG: &str = "/etc/melouvert";
/// The authorities of the database's certificate, which may be a hoster's own.
pub const DATABASE_CA: &str = "/etc/melouvert/database-ca.pem";
/// The Secret with what the servers must not show: database password, administration key.
pub const SECRETS: &str = "/etc/melouvert-secrets";
/// The servers' certificate: `tls.crt`, `tls.key`, `ca.crt`.
pub const TLS: &str = "/tls";
/// The certificate shown to the outbound relay: `tls.crt`, `tls.key`, `ca.crt`.
pub const CLIENT_TLS: &str = "/client-tls";
/// Mail-signing keys: `ed25519.pem` and, later, `rsa.pem`.
pub const DKIM: &str = "/dkim";
/// The folder of the one socket that Dovecot shares with Exim.
pub const AUTH_RUN: &str = "/run/auth";
/// Where Exim has agents' passwords checked.
pub const AUTH_CLIENT: &str = "/run/auth/client";
/// Sockets of Dovecot, its administration's among them.
pub const DOVECOT_RUN: &str = "/run/dovecot";
/// Dovecot's state that a restart may lose.
pub const DOVECOT_STATE: &str = "/run/dovecot-state";
/// Mailboxes, on the tenant's volume.
pub const MAIL: &str = "/srv/mail";
/// The program of Dovecot's image that has [`MAIL`] synced before a login is answered.
pub const SYNC_LOGIN: &str = "/usr/local/bin/sync-login";
/// Exim's queue, on the tenant's volume: an accepted message survives its pod.
pub const SPOOL: &str = "/srv/exim";
/// Scratch.
pub const TMP: &str = "/tmp";
