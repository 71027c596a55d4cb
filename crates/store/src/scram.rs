//! What PostgreSQL stores for a password (SCRAM-SHA-256, RFC 5802 and RFC 7677), computed here so
//! that the password itself never travels in a statement, where a server's log could keep it.

use std::num::NonZeroU32;

use aws_lc_rs::{digest, hmac, pbkdf2};
use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretString};

/// PostgreSQL's own number of rounds; readers' passwords are random, so that more adds nothing.
const ROUNDS: u32 = 4096;

/// A verifier `SCRAM-SHA-256$4096:salt$stored:server`: only base64 letters and `$:-`, so safe
/// between quotes.
pub(crate) fn verifier(password: &SecretString, salt: &[u8]) -> String {
    let mut salted = [0_u8; digest::SHA256_OUTPUT_LEN];
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        NonZeroU32::new(ROUNDS).expect("the constant is not zero"),
        salt,
        password.expose_secret().as_bytes(),
        &mut salted,
    );
    let key = hmac::Key::new(hmac::HMAC_SHA256, &salted);
    let client = hmac::sign(&key, b"Client Key");
    let stored = digest::digest(&digest::SHA256, client.as_ref());
    let server = hmac::sign(&key, b"Server Key");
    format!(
        "SCRAM-SHA-256${ROUNDS}:{}${}:{}",
        STANDARD.encode(salt),
        STANDARD.encode(stored),
        STANDARD.encode(server)
    )
}

/// Whether `verifier` is this password's.
pub(crate) fn matches(verifier: &str, password: &SecretString) -> bool {
    salt_of(verifier).is_some_and(|salt| self::verifier(password, &salt) == verifier)
}

fn salt_of(verifier: &str) -> Option<Vec<u8>> {
    let (_, rest) = verifier.split_once(':')?;
    STANDARD.decode(rest.split_once('$')?.0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7677, section 3: user `user`, password `pencil`.
    #[test]
    fn the_rfc_example() {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let found = verifier(&"pencil".into(), &salt);
        assert_eq!(
            found,
            "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==\
             $WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
        );
        assert!(matches(&found, &"pencil".into()));
        assert!(!matches(&found, &"crayon".into()));
        assert!(!matches("md5abc", &"pencil".into()));
    }
}
