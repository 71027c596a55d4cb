//! Kubernetes names that Melouvert derives or accepts.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::Siren;

/// The namespace of one tenant, `col-<siren>`; also the name of its `Collectivity`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamespaceName {
    siren: Siren,
    text: String,
}

impl NamespaceName {
    /// The namespace of the tenant with this SIREN.
    pub fn of(siren: &Siren) -> Self {
        Self {
            siren: siren.clone(),
            text: format!("col-{siren}"),
        }
    }

    /// The name, e.g. `col-211401187`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whose namespace it is.
    pub fn siren(&self) -> &Siren {
        &self.siren
    }

    /// Reads `col-<siren>` back; `None` for a namespace that is no tenant's.
    pub fn parse(text: &str) -> Option<Self> {
        Some(Self::of(&text.strip_prefix("col-")?.parse().ok()?)).filter(|name| name.text == text)
    }
}

impl fmt::Display for NamespaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Why a resource name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{found:?} is not a resource name: expected 1 to 63 lower-case letters, digits or hyphens, not at either end"
)]
pub struct ResourceNameError {
    /// What was given.
    pub found: String,
}

/// The name of a plan, region or migration: a DNS label (RFC 1123), e.g. `normandie`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ResourceName(String);

impl ResourceName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ResourceName {
    type Err = ResourceNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let valid = (1..=63).contains(&text.len())
            && text.bytes().all(inner)
            && !text.starts_with('-')
            && !text.ends_with('-');
        if valid {
            Ok(Self(text.into()))
        } else {
            Err(ResourceNameError { found: text.into() })
        }
    }
}

impl TryFrom<String> for ResourceName {
    type Error = ResourceNameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ResourceName> for String {
    fn from(name: ResourceName) -> Self {
        name.0
    }
}

impl fmt::Display for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_reads_back() {
        let siren: Siren = "211401187".parse().unwrap();
        let name = NamespaceName::of(&siren);
        assert_eq!(name.as_str(), "col-211401187");
        assert_eq!(NamespaceName::parse("col-211401187"), Some(name));
        for other in ["kube-system", "col-", "col-211401188", "col-211 401 187"] {
            assert_eq!(NamespaceName::parse(other), None, "{other}");
        }
    }
}
