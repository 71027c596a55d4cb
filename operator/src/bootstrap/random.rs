//! Passwords for machines.

use rand::CryptoRng;

/// 256 random bits as 64 hexadecimal digits: nothing to quote in any configuration language.
pub fn hex_secret(rng: &mut impl CryptoRng) -> String {
    let mut bytes = [0_u8; 32];
    rng.fill_bytes(&mut bytes);
    hex::encode(bytes)
}
