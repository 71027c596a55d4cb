//! Times of a PST: 100 ns since 1601-01-01 UTC.

use crate::model::InternalDate;

const EPOCH: i64 = 11_644_473_600;

/// Seconds since 1970.
pub(super) fn unix(filetime: u64) -> i64 {
    i64::try_from(filetime / 10_000_000).map_or(0, |seconds| seconds - EPOCH)
}

/// An INTERNALDATE.
pub(super) fn internal(filetime: u64) -> InternalDate {
    InternalDate {
        unix: unix(filetime),
        offset_minutes: 0,
    }
}

fn format(filetime: u64, form: &str) -> String {
    jiff::Timestamp::from_second(unix(filetime))
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .strftime(form)
        .to_string()
}

/// `Tue, 24 Nov 2026 20:00:00 +0000`.
pub(super) fn rfc5322(filetime: u64) -> String {
    format(filetime, "%a, %d %b %Y %H:%M:%S +0000")
}

/// `20261124T200000Z`.
pub(super) fn utc(filetime: u64) -> String {
    format(filetime, "%Y%m%dT%H%M%SZ")
}

/// The day of a local midnight told in UTC, whatever the zone: `20261124`.
pub(super) fn day(filetime: u64) -> String {
    const HALF_DAY: u64 = 12 * 3600 * 10_000_000;
    format(filetime.saturating_add(HALF_DAY), "%Y%m%d")
}
