//! E-mail addresses of agents.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{MailDomain, mail_domain::MailDomainError};

/// Why an address was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No single `@`.
    #[error("{found:?} is not an address: expected name@domain")]
    Shape {
        /// What was given.
        found: String,
    },
    /// The part before the `@` is outside what Melouvert accepts.
    #[error(
        "{found:?} is not a mailbox name: expected 1 to 64 of a-z, 0-9, '.', '-', '_' or '+', starting and ending with a letter or digit, without two dots in a row"
    )]
    LocalPart {
        /// What was given.
        found: String,
    },
    /// The part after the `@` is no domain.
    #[error("the domain of {found:?} was refused")]
    Domain {
        /// What was given.
        found: String,
        /// Why.
        #[source]
        source: MailDomainError,
    },
}

/// The name of a mailbox, lower-cased: a safe subset of RFC 5321's dot-string, so that it is the
/// same in a path, an SQL value, an IMAP login and a Matrix identifier.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LocalPart(String);

impl LocalPart {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LocalPart {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let lower = text.to_ascii_lowercase();
        let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = lower.as_bytes();
        let valid = bytes.len() <= 64
            && edge(bytes.first())
            && edge(bytes.last())
            && bytes
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || b".-_+".contains(b))
            && !lower.contains("..");
        if valid {
            Ok(Self(lower))
        } else {
            Err(AddressError::LocalPart { found: text.into() })
        }
    }
}

impl TryFrom<String> for LocalPart {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<LocalPart> for String {
    fn from(part: LocalPart) -> Self {
        part.0
    }
}

impl fmt::Display for LocalPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `name@domain`, both checked and lower-cased.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress {
    local: LocalPart,
    domain: MailDomain,
}

impl EmailAddress {
    /// Joins two checked parts.
    pub fn new(local: LocalPart, domain: MailDomain) -> Self {
        Self { local, domain }
    }

    /// The part before the `@`.
    pub fn local(&self) -> &LocalPart {
        &self.local
    }

    /// The part after the `@`.
    pub fn domain(&self) -> &MailDomain {
        &self.domain
    }
}

impl FromStr for EmailAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (local, domain) = text
            .rsplit_once('@')
            .ok_or_else(|| AddressError::Shape { found: text.into() })?;
        let domain = domain.parse().map_err(|source| AddressError::Domain {
            found: text.into(),
            source,
        })?;
        Ok(Self {
            local: local.parse()?,
            domain,
        })
    }
}

impl TryFrom<String> for EmailAddress {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<EmailAddress> for String {
    fn from(address: EmailAddress) -> Self {
        address.to_string()
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn good_and_bad_addresses() {
        let address: EmailAddress = "Jeanne.Martin@Caen.example".parse().unwrap();
        assert_eq!(address.to_string(), "jeanne.martin@caen.example");
        for bad in [
            "jeanne",
            "@caen.example",
            "a..b@caen.example",
            ".a@caen.example",
            "a/b@caen.example",
            "é@caen.example",
            "a@caen",
        ] {
            assert!(bad.parse::<EmailAddress>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn parsing_is_idempotent(text in "[ -~]{0,80}") {
            if let Ok(address) = text.parse::<EmailAddress>() {
                prop_assert_eq!(address.to_string().parse::<EmailAddress>().unwrap(), address);
            }
        }
    }
}
