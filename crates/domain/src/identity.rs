//! Who a collectivity is: SIREN, INSEE code and kind.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Why a SIREN was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SirenError {
    /// Not nine digits.
    #[error("a SIREN has 9 digits, found {found:?}")]
    Shape {
        /// What was given.
        found: String,
    },
    /// The check digit is wrong.
    #[error("SIREN {found} fails its check digit (Luhn): a digit is mistyped")]
    Checksum {
        /// What was given.
        found: String,
    },
}

/// A SIREN: nine digits whose Luhn sum is a multiple of ten (INSEE, répertoire Sirene).
///
/// # Examples
///
/// ```
/// use melouvert_domain::Siren;
/// assert_eq!("211 401 187".parse::<Siren>().unwrap().to_string(), "211401187");
/// assert!("211401188".parse::<Siren>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Siren(String);

impl Siren {
    /// The nine digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Siren {
    type Err = SirenError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        if digits.len() != 9 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(SirenError::Shape { found: text.into() });
        }
        if !passes_luhn(&digits) {
            return Err(SirenError::Checksum { found: digits });
        }
        Ok(Self(digits))
    }
}

impl TryFrom<String> for Siren {
    type Error = SirenError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Siren> for String {
    fn from(siren: Siren) -> Self {
        siren.0
    }
}

impl fmt::Display for Siren {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The Luhn rule (ISO/IEC 7812-1) over ASCII digits.
fn passes_luhn(digits: &str) -> bool {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, byte)| {
            let digit = u32::from(byte - b'0');
            let weighted = if place % 2 == 1 { digit * 2 } else { digit };
            weighted / 10 + weighted % 10
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Why an INSEE code was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "an INSEE code has 5 characters, digits or a department 2A/2B followed by digits, found {found:?}"
)]
pub struct InseeCodeError {
    /// What was given.
    pub found: String,
}

/// A commune's INSEE code: five characters, Corsica's departments being `2A` and `2B`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InseeCode(String);

impl InseeCode {
    /// The five characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for InseeCode {
    type Err = InseeCodeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let valid = match text.as_bytes() {
            [b'2', b'A' | b'B', rest @ ..] => {
                rest.len() == 3 && rest.iter().all(u8::is_ascii_digit)
            }
            all => all.len() == 5 && all.iter().all(u8::is_ascii_digit),
        };
        if valid {
            Ok(Self(text.into()))
        } else {
            Err(InseeCodeError { found: text.into() })
        }
    }
}

impl TryFrom<String> for InseeCode {
    type Error = InseeCodeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<InseeCode> for String {
    fn from(code: InseeCode) -> Self {
        code.0
    }
}

impl fmt::Display for InseeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What kind of local authority a tenant is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CollectivityKind {
    /// A commune.
    Commune,
    /// An EPCI (communauté de communes or d'agglomération, communauté urbaine, métropole).
    Epci,
    /// A département.
    Departement,
    /// A région.
    Region,
    /// A syndicat.
    Syndicat,
    /// Any other public body (CCAS, SDIS, office…).
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_sirens_pass() {
        for siren in ["211401187", "217605401", "356000000"] {
            assert_eq!(siren.parse::<Siren>().unwrap().as_str(), siren);
        }
    }

    #[test]
    fn every_single_digit_error_is_caught() {
        let good = "211401187";
        for place in 0..9 {
            for digit in '0'..='9' {
                let mut bad: Vec<char> = good.chars().collect();
                if bad[place] == digit {
                    continue;
                }
                bad[place] = digit;
                let bad: String = bad.into_iter().collect();
                assert_eq!(
                    bad.parse::<Siren>(),
                    Err(SirenError::Checksum { found: bad })
                );
            }
        }
    }

    #[test]
    fn wrong_shapes_are_told_apart_from_wrong_digits() {
        for bad in ["", "21140118", "2114011870", "21140118x"] {
            assert!(
                matches!(bad.parse::<Siren>(), Err(SirenError::Shape { .. })),
                "{bad}"
            );
        }
    }

    #[test]
    fn corsican_codes_are_strings() {
        assert!("2A004".parse::<InseeCode>().is_ok());
        assert!("14118".parse::<InseeCode>().is_ok());
        for bad in ["2C004", "1411", "A2004", "2A0043"] {
            assert!(bad.parse::<InseeCode>().is_err(), "{bad}");
        }
    }
}
