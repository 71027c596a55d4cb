//! Sizes of storage.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Why a size was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{found:?} is not a size: expected a positive number and a unit among Ki, Mi, Gi, Ti, Ko, Mo, Go, To, e.g. 5Gi"
)]
pub struct StorageSizeError {
    /// What was given.
    pub found: String,
}

/// A size in bytes, written as Kubernetes' binary quantities (`5Gi`) or French decimal units (`5Go`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StorageSize(u64);

const UNITS: [(&str, u64); 12] = [
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("Ko", 1_000),
    ("Mo", 1_000_000),
    ("Go", 1_000_000_000),
    ("To", 1_000_000_000_000),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
];

impl StorageSize {
    /// A size of so many bytes.
    pub fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The size in bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for StorageSize {
    type Err = StorageSizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || StorageSizeError { found: text.into() };
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let factor = match unit.trim() {
            "" => 1,
            unit => {
                UNITS
                    .iter()
                    .find(|(name, _)| *name == unit)
                    .ok_or_else(error)?
                    .1
            }
        };
        let number: u64 = number.parse().map_err(|_| error())?;
        match number.checked_mul(factor) {
            Some(bytes) if bytes > 0 => Ok(Self(bytes)),
            _ => Err(error()),
        }
    }
}

impl TryFrom<String> for StorageSize {
    type Error = StorageSizeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<StorageSize> for String {
    fn from(size: StorageSize) -> Self {
        size.to_string()
    }
}

impl fmt::Display for StorageSize {
    /// The largest binary unit that divides it, as Kubernetes writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match UNITS[..4]
            .iter()
            .rev()
            .find(|(_, factor)| self.0.is_multiple_of(*factor))
        {
            Some((unit, factor)) => write!(f, "{}{unit}", self.0 / factor),
            None => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_back() {
        for (text, bytes, shown) in [
            ("5Gi", 5 << 30, "5Gi"),
            ("5Go", 5_000_000_000, "5000000000"),
            ("1024Mi", 1 << 30, "1Gi"),
        ] {
            let size: StorageSize = text.parse().unwrap();
            assert_eq!((size.bytes(), size.to_string().as_str()), (bytes, shown));
            assert_eq!(size.to_string().parse::<StorageSize>().unwrap(), size);
        }
        for bad in ["", "Gi", "-1Gi", "0", "1.5Gi", "5Xi", "99999999999Ti"] {
            assert!(bad.parse::<StorageSize>().is_err(), "{bad}");
        }
    }
}
