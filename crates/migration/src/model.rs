//! The values every room speaks: folder paths, flags, dates, hashes.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use jiff::civil;
use jiff::tz::Offset;
use serde::{Deserialize, Serialize};

/// A message's number inside one folder, stable while the folder's UIDVALIDITY is.
pub type Uid = u32;

/// BLAKE3 of a message's raw bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MessageHash(pub [u8; 32]);

impl MessageHash {
    /// Hashes bytes that are whole in memory.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

impl fmt::Display for MessageHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for MessageHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// One BLAKE3 over the sorted hashes of a multiset: equal if and only if the multisets are.
pub fn hash_of_hashes(hashes: impl IntoIterator<Item = MessageHash>) -> MessageHash {
    let mut sorted: Vec<MessageHash> = hashes.into_iter().collect();
    sorted.sort_unstable();
    let mut digest = blake3::Hasher::new();
    for hash in &sorted {
        digest.update(&hash.0);
    }
    MessageHash(*digest.finalize().as_bytes())
}

/// A folder's path as a person reads it, one element per level, independent of any separator.
#[derive(Default, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Debug)]
pub struct FolderPath(pub Vec<String>);

impl FolderPath {
    /// True for the one folder every mailbox has.
    pub fn is_inbox(&self) -> bool {
        self.0.len() == 1 && self.0[0] == "INBOX"
    }
}

impl fmt::Display for FolderPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join("/"))
    }
}

/// What a folder is for (RFC 6154).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// `\Archive`.
    Archive,
    /// `\Drafts`.
    Drafts,
    /// `\Junk`.
    Junk,
    /// `\Sent`.
    Sent,
    /// `\Trash`.
    Trash,
}

impl Role {
    /// The role among a LIST response's attributes. `\All` and `\Flagged` name views of other
    /// folders, not places to put mail, so they are none.
    pub fn among<'a>(attributes: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        const ALL: [Role; 5] = [
            Role::Archive,
            Role::Drafts,
            Role::Junk,
            Role::Sent,
            Role::Trash,
        ];
        attributes.into_iter().find_map(|attribute| {
            let known = |role: &&Role| role.attribute().eq_ignore_ascii_case(attribute);
            ALL.iter().find(known).copied()
        })
    }

    /// The attribute that says so in a LIST response.
    pub fn attribute(self) -> &'static str {
        match self {
            Self::Archive => "\\Archive",
            Self::Drafts => "\\Drafts",
            Self::Junk => "\\Junk",
            Self::Sent => "\\Sent",
            Self::Trash => "\\Trash",
        }
    }
}

/// System flags and keywords of a message, sorted, without `\Recent` (which belongs to a session).
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub struct FlagSet(Arc<[Box<str>]>);

impl Default for FlagSet {
    fn default() -> Self {
        Self(Arc::new([]))
    }
}

impl FlagSet {
    /// Builds a set from flag names; `\Recent` is dropped, system flags get their usual case.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut flags: Vec<Box<str>> = names
            .into_iter()
            .filter(|name| !name.eq_ignore_ascii_case("\\Recent") && !name.is_empty())
            .map(|name| canonical_flag(name).into())
            .collect();
        flags.sort_unstable();
        flags.dedup_by(|a, b| a.eq_ignore_ascii_case(b));
        Self(flags.into())
    }

    /// The names, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// Whether a flag is set; keywords compare without case, as servers do.
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|flag| flag.eq_ignore_ascii_case(name))
    }

    /// Flags of `self` that `other` lacks.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        Self::new(self.iter().filter(|name| !other.contains(name)))
    }

    /// True when no flag is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Equality without regard to the case of keywords.
    pub fn same_as(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.iter().all(|name| other.contains(name))
    }
}

impl From<FlagSet> for String {
    fn from(flags: FlagSet) -> Self {
        flags.to_string()
    }
}

impl From<String> for FlagSet {
    fn from(text: String) -> Self {
        Self::new(text.split_ascii_whitespace())
    }
}

impl fmt::Display for FlagSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join(" "))
    }
}

fn canonical_flag(name: &str) -> String {
    const SYSTEM: [&str; 5] = ["\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft"];
    SYSTEM
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(name))
        .unwrap_or(name)
        .to_owned()
}

/// Shares equal flag sets: a folder of 60,000 messages has a few dozen of them.
#[derive(Default, Debug)]
pub struct FlagInterner(HashMap<Vec<u8>, FlagSet>);

impl FlagInterner {
    /// The set written as `\Seen $Label1 …`, without its parentheses.
    pub fn intern(&mut self, raw: &[u8]) -> FlagSet {
        if let Some(known) = self.0.get(raw) {
            return known.clone();
        }
        let text = String::from_utf8_lossy(raw);
        let set = FlagSet::new(text.split_ascii_whitespace());
        self.0.insert(raw.to_vec(), set.clone());
        set
    }
}

/// When a message arrived (IMAP INTERNALDATE): an instant and the zone it was told in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InternalDate {
    /// Seconds since 1970-01-01 UTC.
    pub unix: i64,
    /// Minutes east of UTC.
    pub offset_minutes: i16,
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

impl InternalDate {
    /// Whether servers keep such a date: what lies before 1970 they refuse, or give back as another.
    pub fn is_keepable(self) -> bool {
        self.unix >= 0
    }

    /// Reads `17-Jul-1996 02:44:25 -0700` (RFC 9051 `date-time`; a leading space is allowed).
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split_ascii_whitespace();
        let (date, time, zone) = (parts.next()?, parts.next()?, parts.next()?);
        let mut date = date.splitn(3, '-');
        let day: i8 = date.next()?.parse().ok()?;
        let month = date.next()?;
        let year: i16 = date.next()?.parse().ok()?;
        let month = month_number(month)?;
        let mut time = time.splitn(3, ':');
        let (hour, minute, second): (i8, i8, i8) = (
            time.next()?.parse().ok()?,
            time.next()?.parse().ok()?,
            time.next()?.parse().ok()?,
        );
        let civil = civil::DateTime::new(year, month, day, hour, minute, second.min(59), 0).ok()?;
        Self::of_civil(civil, parse_zone(zone)?)
    }

    /// The instant that a clock showed so many minutes east of UTC.
    pub(crate) fn of_civil(civil: civil::DateTime, offset_minutes: i16) -> Option<Self> {
        let utc = Offset::UTC.to_timestamp(civil).ok()?.as_second();
        Some(Self {
            unix: utc - i64::from(offset_minutes) * 60,
            offset_minutes,
        })
    }

    /// Writes the form that [`InternalDate::parse`] reads.
    pub fn to_imap(self) -> String {
        let local = self.unix + i64::from(self.offset_minutes) * 60;
        let civil = jiff::Timestamp::from_second(local)
            .map_or(civil::DateTime::default(), |instant| {
                Offset::UTC.to_datetime(instant)
            });
        let sign = if self.offset_minutes < 0 { '-' } else { '+' };
        let minutes = self.offset_minutes.unsigned_abs();
        let month = MONTHS[usize::try_from(civil.month() - 1).unwrap_or(0)];
        format!(
            "{:02}-{month}-{:04} {:02}:{:02}:{:02} {sign}{:02}{:02}",
            civil.day(),
            civil.year(),
            civil.hour(),
            civil.minute(),
            civil.second(),
            minutes / 60,
            minutes % 60
        )
    }
}

/// The number of a month from its English short name, in any case of letters.
pub(crate) fn month_number(name: &str) -> Option<i8> {
    let place = MONTHS
        .iter()
        .position(|known| known.eq_ignore_ascii_case(name))?;
    i8::try_from(place + 1).ok()
}

/// Minutes east of UTC from `+0100`.
pub(crate) fn parse_zone(zone: &str) -> Option<i16> {
    let (sign, digits) = match zone.as_bytes().first()? {
        b'+' => (1, &zone[1..]),
        b'-' => (-1, &zone[1..]),
        _ => return None,
    };
    if digits.len() != 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: i16 = digits.parse().ok()?;
    Some(sign * (number / 100 * 60 + number % 100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_keep_instant_and_zone() {
        for text in ["17-Jul-1996 02:44:25 -0700", "29-Feb-2024 23:59:59 +0545"] {
            assert_eq!(InternalDate::parse(text).expect(text).to_imap(), text);
        }
        let spaced = InternalDate::parse(" 1-Jan-1970 01:00:00 +0100").expect("date");
        assert_eq!(
            spaced,
            InternalDate {
                unix: 0,
                offset_minutes: 60
            }
        );
        for bad in [
            "",
            "1-Foo-2020 00:00:00 +0000",
            "31-Feb-2020 00:00:00 +0000",
            "x y z",
        ] {
            assert_eq!(InternalDate::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn flags_ignore_order_case_and_recent() {
        let set = FlagSet::new(["$Work", "\\seen", "\\Recent", "\\Seen"]);
        assert_eq!(set.to_string(), "$Work \\Seen");
        assert!(set.same_as(&FlagSet::new(["\\Seen", "$work"])));
        assert_eq!(set.minus(&FlagSet::new(["\\Seen"])).to_string(), "$Work");
    }

    #[test]
    fn hash_of_hashes_sees_a_multiset() {
        let (a, b) = (MessageHash::of(b"a"), MessageHash::of(b"b"));
        assert_eq!(hash_of_hashes([a, b]), hash_of_hashes([b, a]));
        assert_ne!(hash_of_hashes([a, b]), hash_of_hashes([a, a, b]));
    }
}
