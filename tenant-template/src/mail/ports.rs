//! Ports on which the mail pod listens, and those that it calls; all above 1024.

/// IMAP over TLS.
pub const IMAPS: u16 = 1993;
/// IMAP over TLS behind a proxy that tells the client's address.
pub const IMAPS_PROXIED: u16 = 10993;
/// ManageSieve, TLS first, behind such a proxy.
pub const SIEVE_PROXIED: u16 = 14190;
/// IMAP over TLS for migrations alone: what they write is synced when they ask for it.
pub const DOOR: u16 = 1994;
/// Submission over TLS (RFC 8314).
pub const SUBMISSIONS: u16 = 1465;
/// Submission with STARTTLS (RFC 6409).
pub const SUBMISSION: u16 = 1587;
/// ManageSieve (RFC 5804).
pub const SIEVE: u16 = 4190;
/// Mail from the inbound relay.
pub const SMTP: u16 = 1025;
/// Dovecot's administration interface, for the operator.
pub const DOVEADM: u16 = 8081;
/// The outbound relay's pod.
pub const RELAY_OUT: u16 = 1587;
