//! Dates that a command may carry.

use std::fmt;

use crate::model::InternalDate;

/// A `date-time` of RFC 9051: a year of four digits, a zone of less than a day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WireDate(InternalDate);

/// First second of the year 1, and of the year 10000.
const YEARS: std::ops::Range<i64> = -62_135_596_800..253_402_300_800;
/// The years 1970 to 2037, which the clocks of all servers can tell.
const USUAL: std::ops::Range<i64> = 0..2_145_916_800;
/// Minutes between UTC and the farthest zone in use.
const FARTHEST: u16 = 14 * 60;

impl WireDate {
    /// The date, when it has such a form; a zone that has none gives way to UTC.
    pub fn of(mut date: InternalDate) -> Option<Self> {
        if date.offset_minutes.unsigned_abs() >= 24 * 60 {
            date.offset_minutes = 0;
        }
        let local = date.unix.checked_add(i64::from(date.offset_minutes) * 60)?;
        YEARS.contains(&local).then_some(Self(date))
    }

    /// True when no server has a reason to refuse it.
    pub fn is_usual(self) -> bool {
        let there = self.0.unix + i64::from(self.0.offset_minutes) * 60;
        let usual = USUAL.contains(&self.0.unix) && USUAL.contains(&there);
        usual && self.0.offset_minutes.unsigned_abs() <= FARTHEST
    }
}

impl fmt::Display for WireDate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.to_imap())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_date_has_one_form(unix in any::<i64>(), offset_minutes in any::<i16>(), near in any::<bool>()) {
            let unix = if near { unix % 400_000_000_000 } else { unix };
            let Some(date) = WireDate::of(InternalDate { unix, offset_minutes }) else {
                return Ok(());
            };
            let text = date.to_string();
            let form: String = text
                .chars()
                .map(|c| if c.is_ascii_digit() { '9' } else if c.is_ascii_alphabetic() { 'a' } else { c })
                .collect();
            prop_assert_eq!(form.replace('-', "+"), "99+aaa+9999 99:99:99 +9999");
            prop_assert_eq!(InternalDate::parse(&text).map(|date| date.unix), Some(unix));
        }
    }

    #[test]
    fn odd_ones_are_told_from_usual_ones() {
        let date = |unix, offset_minutes| {
            WireDate::of(InternalDate {
                unix,
                offset_minutes,
            })
        };
        assert!(date(1_580_000_000, 60).is_some_and(WireDate::is_usual));
        // By either clock, the zone's own included.
        for (unix, offset) in [(-1, 0), (0, -60), (2_145_916_799, 60), (1_580_000_000, 841)] {
            assert!(
                date(unix, offset).is_some_and(|date| !date.is_usual()),
                "{unix}"
            );
        }
        assert_eq!(
            date(0, 6000).map(|date| date.to_string()).as_deref(),
            Some("01-Jan-1970 00:00:00 +0000")
        );
        assert_eq!(date(i64::MAX, 1), None);
    }
}
