//! Reading Secrets of one namespace.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::Api;

/// Why a value of a Secret could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The API server refused or did not answer.
    #[error("failed to ask the API server")]
    Read(#[source] Box<kube::Error>),
    /// There is no such Secret.
    #[error("the Secret does not exist")]
    Absent,
    /// A key is missing.
    #[error("the Secret has no key {key}")]
    MissingKey {
        /// Which one.
        key: String,
    },
    /// A value is not UTF-8.
    #[error("key {key} of the Secret is not text")]
    NotText {
        /// Which one.
        key: String,
    },
}

/// The value of `key` in Secret `name`, as text.
pub async fn text(secrets: &Api<Secret>, name: &str, key: &str) -> Result<String, SecretError> {
    let secret = secrets
        .get_opt(name)
        .await
        .map_err(|source| SecretError::Read(Box::new(source)))?
        .ok_or(SecretError::Absent)?;
    value(&secret.data.unwrap_or_default(), key)
}

/// The value of `key` as text.
pub fn value(data: &BTreeMap<String, ByteString>, key: &str) -> Result<String, SecretError> {
    let bytes = data
        .get(key)
        .ok_or_else(|| SecretError::MissingKey { key: key.into() })?;
    String::from_utf8(bytes.0.clone()).map_err(|_| SecretError::NotText { key: key.into() })
}
