//! Ranges of IP addresses.

use std::{fmt, net::IpAddr, str::FromStr};

/// Why a range was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{found:?} is not a range of addresses: expected e.g. 192.0.2.0/24 or 2001:db8::/32, with no bit set behind the prefix"
)]
pub struct CidrError {
    /// What was given.
    pub found: String,
}

/// A range of IP addresses in CIDR notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// How many leading bits all of its addresses share.
    pub fn prefix(self) -> u8 {
        self.prefix
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || CidrError { found: text.into() };
        let (address, prefix) = text.split_once('/').ok_or_else(refused)?;
        let address: IpAddr = address.parse().map_err(|_| refused())?;
        // No sign and no leading zero, as the servers that read it.
        if !prefix.bytes().all(|b| b.is_ascii_digit())
            || (prefix.len() > 1 && prefix.starts_with('0'))
        {
            return Err(refused());
        }
        let prefix: u8 = prefix.parse().map_err(|_| refused())?;
        let (bits, width) = match address {
            IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 32),
            IpAddr::V6(v6) => (v6.to_bits(), 128),
        };
        let behind = bits.checked_shl(prefix.into()).unwrap_or(0);
        if prefix > width || behind != 0 {
            return Err(refused());
        }
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_and_written_alike() {
        for text in [
            "192.0.2.7/32",
            "10.0.0.0/8",
            "0.0.0.0/0",
            "2001:db8::/32",
            "::1/128",
        ] {
            assert_eq!(text.parse::<Cidr>().map(|c| c.to_string()), Ok(text.into()));
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in [
            "",
            "192.0.2.7",
            "192.0.2.7/33",
            "192.0.2.7/24",
            "192.0.2.0/+24",
            "192.0.2.0/024",
            "2001:db8::1/64",
            "::/129",
            "192.0.2.0/24 ",
            "a/8",
            "192.0.2.0/24;x",
            "10.0.0.0/",
        ] {
            assert!(text.parse::<Cidr>().is_err(), "{text:?}");
        }
    }
}
