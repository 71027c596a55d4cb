//! Mail domains that a collectivity may use.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Why a mail domain was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailDomainError {
    /// Not a domain name (RFC 1035, RFC 5891).
    #[error(
        "{found:?} is not a domain name: expected labels of letters, digits and hyphens joined by dots, e.g. mairie-caen.fr"
    )]
    Shape {
        /// What was given.
        found: String,
    },
    /// Others register their names under it.
    #[error(
        "{found} is a public suffix: whoever registers names under it would be the collectivity's subdomain; give a domain that the collectivity registered, e.g. mairie-caen.fr"
    )]
    PublicSuffix {
        /// What was given.
        found: String,
    },
    /// Only the State may use it.
    #[error(
        "{found} belongs to the State: gouv.fr and names ending in -gouv.fr are closed to collectivities"
    )]
    Reserved {
        /// What was given.
        found: String,
    },
}

/// A domain in its lower-case ASCII form (A-labels, RFC 5891), at least two labels, not the State's.
///
/// `gouv.fr` is the State's and `-gouv.fr` has been closed since 15/09/2021 (AFNIC).
///
/// # Examples
///
/// ```
/// use melouvert_domain::MailDomain;
/// assert!("Mairie-Évreux.fr".parse::<MailDomain>().unwrap().as_str().starts_with("xn--mairie-"));
/// assert!("calvados.gouv.fr".parse::<MailDomain>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MailDomain(String);

impl MailDomain {
    /// The A-label form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MailDomain {
    type Err = MailDomainError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shape = || MailDomainError::Shape { found: text.into() };
        let ascii = idna::domain_to_ascii_strict(text).map_err(|_| shape())?;
        let labels: Vec<&str> = ascii.split('.').collect();
        let last_is_name = labels
            .last()
            .is_some_and(|l| !l.bytes().all(|b| b.is_ascii_digit()));
        if ascii.len() > 253 || labels.len() < 2 || !last_is_name || !labels.iter().all(is_label) {
            return Err(shape());
        }
        if ascii == "gouv.fr" || ascii.ends_with(".gouv.fr") || ascii.ends_with("-gouv.fr") {
            return Err(MailDomainError::Reserved { found: ascii });
        }
        if psl::suffix_str(&ascii) == Some(ascii.as_str()) {
            return Err(MailDomainError::PublicSuffix { found: ascii });
        }
        Ok(Self(ascii))
    }
}

fn is_label(label: &&str) -> bool {
    (1..=63).contains(&label.len())
        && label
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

impl TryFrom<String> for MailDomain {
    type Error = MailDomainError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<MailDomain> for String {
    fn from(domain: MailDomain) -> Self {
        domain.0
    }
}

impl fmt::Display for MailDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_states_names_are_refused() {
        for name in ["gouv.fr", "calvados.gouv.fr", "mairie-gouv.fr", "GOUV.FR"] {
            assert!(
                matches!(
                    name.parse::<MailDomain>(),
                    Err(MailDomainError::Reserved { .. })
                ),
                "{name}"
            );
        }
        assert!("gouv.fr.example".parse::<MailDomain>().is_ok());
    }

    #[test]
    fn public_suffixes_are_refused_and_names_under_them_are_not() {
        for name in ["asso.fr", "com.fr", "co.uk", "github.io", "ASSO.fr"] {
            assert!(
                matches!(
                    name.parse::<MailDomain>(),
                    Err(MailDomainError::PublicSuffix { .. })
                ),
                "{name}"
            );
        }
        for name in [
            "mairie.asso.fr",
            "caen.fr",
            "caen.example",
            "caen.bzh",
            "a.caen.example",
        ] {
            assert!(name.parse::<MailDomain>().is_ok(), "{name}");
        }
    }

    #[test]
    fn what_is_not_a_name_is_refused() {
        for bad in [
            "",
            "caen",
            "caen..fr",
            "-caen.fr",
            "caen-.fr",
            "ca en.fr",
            "caen.fr.",
            "10.0.0.1",
            "caen@fr.fr",
        ] {
            assert!(
                matches!(
                    bad.parse::<MailDomain>(),
                    Err(MailDomainError::Shape { .. })
                ),
                "{bad}"
            );
        }
    }
}
