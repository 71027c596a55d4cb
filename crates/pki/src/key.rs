//! Private keys in memory.

use std::fmt;

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use zeroize::{Zeroize, Zeroizing};

use crate::PkiError;

/// A private key as PKCS#8 PEM, wiped when dropped and never shown by `Debug`.
#[derive(Clone)]
pub struct PrivateKey(Zeroizing<String>);

impl PrivateKey {
    /// Takes a PKCS#8 PEM after reading it once.
    pub fn from_pem(pem: &str) -> Result<Self, PkiError> {
        let mut pair = KeyPair::from_pem(pem).map_err(PkiError::ReadKey)?;
        pair.zeroize();
        Ok(Self(Zeroizing::new(pem.to_owned())))
    }

    /// The PKCS#8 PEM: the secret itself.
    pub fn expose_pem(&self) -> &str {
        &self.0
    }

    pub(crate) fn generate_p256() -> Result<(Self, KeyPair), PkiError> {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(PkiError::Generate)?;
        Ok((Self::of(&pair), pair))
    }

    pub(crate) fn of(pair: &KeyPair) -> Self {
        Self(Zeroizing::new(pair.serialize_pem()))
    }

    pub(crate) fn pair(&self) -> Result<KeyPair, PkiError> {
        KeyPair::from_pem(&self.0).map_err(PkiError::ReadKey)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(redacted)")
    }
}
