//! Which addresses a migration may be let out to: a legacy server on the Internet, or what the
//! region's operators listed; never the platform's own networks.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Ranges that no legacy server answers from, unless the region lists it: this host, private
/// networks (pods, services and nodes are usually there), link-local (cloud metadata), multicast,
/// reserved (IANA's special-purpose registries, RFC 6890).
const CLOSED_V4: [&str; 13] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
];
/// The same, and every form that carries an IPv4 address: compatible, mapped, translated (RFC 6052,
/// RFC 8215), Teredo, 6to4.
const CLOSED_V6: [&str; 10] = [
    "::/96",
    "::ffff:0:0/96",
    "::ffff:0:0:0/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/32",
    "2002::/16",
    "fc00::/7",
    "fe80::/9",
];
/// Multicast, apart because it lies beside the others.
const MULTICAST_V6: &str = "ff00::/8";

/// A range of addresses in its only spelling, e.g. `203.0.113.7/32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr(IpNet);

/// Why a range was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceRangeError {
    /// Not a CIDR.
    #[error("{found:?} is not a CIDR: expected an address and a length, e.g. 203.0.113.7/32")]
    Shape {
        /// What was given.
        found: String,
    },
    /// Bits beyond the length.
    #[error("{found} has bits beyond its length: write {expected}")]
    Bits {
        /// What was given.
        found: String,
        /// What it stands for.
        expected: Cidr,
    },
    /// An IPv4 address in IPv6 clothes.
    #[error("{found} is an IPv4 address written as IPv6: write it as IPv4")]
    Mapped {
        /// What was given.
        found: String,
    },
    /// It reaches what is not for migrations.
    #[error(
        "{found} reaches {closed}, which is closed to migrations; give the legacy server's own addresses, or have the hoster list them in the region's sourceCidrs"
    )]
    Closed {
        /// What was given.
        found: Cidr,
        /// What it reaches.
        closed: Cidr,
    },
}

impl Cidr {
    /// Reads a range as a network policy does, whatever bits follow its length.
    pub fn covering(text: &str) -> Result<Self, SourceRangeError> {
        match text.parse() {
            Err(SourceRangeError::Bits { expected, .. }) => Ok(expected),
            read => read,
        }
    }

    /// Whether every address of `other` is in it.
    pub fn contains(&self, other: &Self) -> bool {
        self.0.contains(&other.0)
    }

    /// Whether an address is in it; an IPv4 address in IPv6 clothes is taken for what it is.
    pub fn holds(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.contains(other) || other.contains(self)
    }
}

impl FromStr for Cidr {
    type Err = SourceRangeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shape = || SourceRangeError::Shape { found: text.into() };
        // The standard reader of addresses: it takes no octal, no hexadecimal, no leading zero.
        let (address, length) = text.split_once('/').ok_or_else(shape)?;
        let address: IpAddr = address.parse().map_err(|_| shape())?;
        let digits = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
        let length = length.parse().ok().filter(|_| digits).ok_or_else(shape)?;
        let range = IpNet::new(address, length).map_err(|_| shape())?;
        let expected = Self(range.trunc());
        if let IpNet::V6(six) = range
            && six.addr().to_ipv4_mapped().is_some()
        {
            return Err(SourceRangeError::Mapped { found: text.into() });
        }
        if expected.0 != range {
            let found = text.into();
            return Err(SourceRangeError::Bits { found, expected });
        }
        Ok(expected)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<IpAddr> for Cidr {
    fn from(address: IpAddr) -> Self {
        Self(address.to_canonical().into())
    }
}

/// Where migrations of one region may be let out to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceRules {
    /// What the region lists: reached although it is closed otherwise.
    pub open: Vec<Cidr>,
    /// The region's own ranges: API server, nodes, pods, services, name servers, database.
    pub own: Vec<Cidr>,
}

impl SourceRules {
    /// Checks one range of a migration's source.
    ///
    /// # Examples
    ///
    /// ```
    /// use melouvert_domain::source_range::SourceRules;
    /// let rules = SourceRules::default();
    /// assert!(rules.check("203.0.113.7/32").is_ok());
    /// assert!(rules.check("0.0.0.0/0").is_err());
    /// ```
    pub fn check(&self, text: &str) -> Result<Cidr, SourceRangeError> {
        let found: Cidr = text.parse()?;
        let refuse = |closed| Err(SourceRangeError::Closed { found, closed });
        let listed: Vec<&Cidr> = self
            .open
            .iter()
            .filter(|open| open.contains(&found))
            .collect();
        // A wide line opens what is usually private; the platform's own takes a line of its own.
        let by_itself = |closed: &Cidr| listed.iter().any(|open| closed.contains(open));
        let mut within = self.never().filter(|closed| closed.contains(&found));
        if let Some(closed) = within.find(|closed| !by_itself(closed)) {
            return refuse(closed);
        }
        if !listed.is_empty() {
            return Ok(found);
        }
        let mut closed = closed().chain(self.own.iter().copied());
        match closed.find(|closed| closed.overlaps(&found)) {
            Some(closed) => refuse(closed),
            None => Ok(found),
        }
    }

    /// What must be cut out of a range that was let in: the platform's own addresses inside of it. One
    /// that the region lists by itself is reached by naming it.
    pub fn except(&self, range: &Cidr) -> Vec<Cidr> {
        let inside = |closed: &Cidr| range.contains(closed) && closed != range;
        let all = self.never().filter(inside);
        let all: Vec<Cidr> = all.filter(|closed| !self.open.contains(closed)).collect();
        // One that lies in another is cut out with it.
        let outermost = |one: &&Cidr| !all.iter().any(|other| other != *one && other.contains(one));
        let mut cut: Vec<Cidr> = all.iter().filter(outermost).copied().collect();
        cut.sort_unstable();
        cut.dedup();
        cut
    }

    /// What a wide line of the region does not open.
    fn never(&self) -> impl Iterator<Item = Cidr> {
        never().chain(self.own.iter().copied())
    }
}

fn closed() -> impl Iterator<Item = Cidr> {
    let four = CLOSED_V4
        .iter()
        .filter_map(|text| text.parse::<Ipv4Net>().ok());
    let six = CLOSED_V6
        .iter()
        .chain([&MULTICAST_V6])
        .filter_map(|text| text.parse::<Ipv6Net>().ok());
    four.map(IpNet::V4).chain(six.map(IpNet::V6)).map(Cidr)
}

/// Of the closed ranges, those where no server of anybody stands: this host, link-local, multicast.
fn never() -> impl Iterator<Item = Cidr> {
    const NEVER: [&str; 6] = [
        "127.0.0.0/8",
        "169.254.0.0/16",
        "224.0.0.0/4",
        "::1/128",
        "fe80::/10",
        "ff00::/8",
    ];
    NEVER
        .iter()
        .filter_map(|text| text.parse::<IpNet>().ok())
        .map(Cidr)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn ranges(texts: &[&str]) -> Vec<Cidr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn the_closed_ranges_are_ranges() {
        assert_eq!(closed().count(), CLOSED_V4.len() + CLOSED_V6.len() + 1);
        assert_eq!(never().count(), 6);
    }

    #[rstest]
    #[case("203.0.113.7/32")]
    #[case("40.96.0.0/13")]
    #[case("2001:db8::1/128")]
    #[case("2a01:111:f400::/48")]
    fn servers_on_the_internet_are_reached(#[case] text: &str) {
        assert_eq!(
            SourceRules::default().check(text).unwrap().to_string(),
            text
        );
    }

    #[rstest]
    #[case("0.0.0.0/0")]
    #[case("::/0")]
    #[case("128.0.0.0/1")]
    #[case("0.0.0.0/1")]
    #[case("10.96.0.1/32")]
    #[case("172.16.0.0/12")]
    #[case("172.0.0.0/8")]
    #[case("192.168.1.0/24")]
    #[case("100.100.0.0/16")]
    #[case("127.0.0.1/32")]
    #[case("169.254.169.254/32")]
    #[case("168.63.129.16/32")]
    #[case("224.0.0.1/32")]
    #[case("255.255.255.255/32")]
    #[case("::1/128")]
    #[case("fe80::1/128")]
    #[case("fd00:ec2::254/128")]
    #[case("ff02::1/128")]
    #[case("64:ff9b::a00:1/128")]
    #[case("2002:a00:1::/48")]
    #[case("2001::/32")]
    #[case("::a00:1/128")]
    #[case("2000::/3")]
    fn what_is_no_legacy_server_is_closed(#[case] text: &str) {
        let refusal = SourceRules::default().check(text).unwrap_err();
        assert!(
            matches!(refusal, SourceRangeError::Closed { .. }),
            "{refusal}"
        );
        assert!(refusal.to_string().contains("sourceCidrs"));
    }

    #[rstest]
    #[case("::ffff:10.0.0.1/128")]
    #[case("::ffff:a00:1/128")]
    #[case("0:0:0:0:0:ffff:a00:0/104")]
    fn ipv4_in_ipv6_clothes_is_named(#[case] text: &str) {
        let refusal = SourceRules::default().check(text).unwrap_err();
        assert!(
            matches!(refusal, SourceRangeError::Mapped { .. }),
            "{refusal}"
        );
    }

    #[test]
    fn only_one_spelling_is_taken() {
        for (text, says) in [
            ("203.0.113.7", "is not a CIDR"),
            ("203.0.113.7/33", "is not a CIDR"),
            ("203.0.113.07/32", "is not a CIDR"),
            ("0xcb.0.113.7/32", "is not a CIDR"),
            ("203.0.113.7/24", "write 203.0.113.0/24"),
        ] {
            let refusal = text.parse::<Cidr>().unwrap_err().to_string();
            assert!(refusal.contains(says), "{text}: {refusal}");
        }
    }

    #[test]
    fn what_the_region_lists_is_open_and_its_own_is_closed() {
        let rules = SourceRules {
            open: ranges(&["10.0.0.0/8", "192.0.2.53/32", "10.96.0.10/32"]),
            own: ranges(&[
                "203.0.113.0/24",
                "192.0.2.53/32",
                "10.96.0.0/12",
                "10.244.0.0/16",
            ]),
        };
        for open in [
            "10.0.0.0/8",
            "10.20.1.7/32",
            "192.0.2.53/32",
            "198.51.100.1/32",
            "10.96.0.10/32",
        ] {
            assert!(rules.check(open).is_ok(), "{open}");
        }
        for closed in [
            "10.96.0.1/32",
            "10.96.0.0/12",
            "10.244.1.0/24",
            "11.0.0.0/8, 10.0.0.0/7",
            "192.168.0.0/16",
            "203.0.113.7/32",
            "203.0.0.0/16",
        ] {
            assert!(rules.check(closed).is_err(), "{closed}");
        }
    }

    #[test]
    fn the_platforms_own_is_cut_out_of_what_is_listed() {
        let own = [
            "10.96.0.0/12",
            "10.96.0.0/16",
            "10.244.0.0/16",
            "10.77.0.1/32",
            "192.0.2.0/24",
        ];
        let rules = SourceRules {
            open: ranges(&["10.0.0.0/8", "10.96.0.10/32"]),
            own: ranges(&own),
        };
        let cut = |rules: &SourceRules, text: &str| rules.except(&rules.check(text).unwrap());
        let expected = ranges(&["10.77.0.1/32", "10.96.0.0/12", "10.244.0.0/16"]);
        assert_eq!(cut(&rules, "10.0.0.0/8"), expected);
        assert!(cut(&rules, "10.96.0.10/32").is_empty());
        let all = SourceRules {
            open: ranges(&["0.0.0.0/0", "10.77.0.1/32"]),
            own: ranges(&own),
        };
        let expected = ranges(&[
            "10.96.0.0/12",
            "10.244.0.0/16",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "192.0.2.0/24",
            "224.0.0.0/4",
        ]);
        assert_eq!(cut(&all, "0.0.0.0/0"), expected);
    }

    #[test]
    fn an_address_is_judged_as_what_it_is() {
        let range: Cidr = "203.0.113.0/24".parse().unwrap();
        for (address, inside) in [
            ("203.0.113.7", true),
            ("::ffff:203.0.113.7", true),
            ("10.0.0.1", false),
            ("::ffff:10.0.0.1", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(range.holds(address.parse().unwrap()), inside, "{address}");
        }
    }
}
