//! How long certificates live.
//!
//! A leaf must not exceed 825 days and a shorter life is preferred (ANSSI, TLS guide, R24 to R30):
//! since every leaf is renewed by a program, 90 days cost nothing.

use jiff::SignedDuration;

const DAY_IN_HOURS: i64 = 24;

/// A region's root: 20 years.
pub const ROOT: SignedDuration = SignedDuration::from_hours(20 * 365 * DAY_IN_HOURS);
/// A tenant's intermediate: 2 years.
pub const INTERMEDIATE: SignedDuration = SignedDuration::from_hours(2 * 365 * DAY_IN_HOURS);
/// A leaf: 90 days.
pub const LEAF: SignedDuration = SignedDuration::from_hours(90 * DAY_IN_HOURS);
/// The longest life that a leaf is given, whatever is asked: 825 days.
pub const LEAF_MAXIMUM: SignedDuration = SignedDuration::from_hours(825 * DAY_IN_HOURS);
/// A certificate that signs documents: as long as a leaf may, since a document is checked years after.
pub const SIGNER: SignedDuration = LEAF_MAXIMUM;
/// A revocation list: 7 days.
pub const REVOCATION_LIST: SignedDuration = SignedDuration::from_hours(7 * DAY_IN_HOURS);
/// How far before `now` a certificate starts: clocks of a region may differ by that much.
pub const SKEW: SignedDuration = SignedDuration::from_mins(5);
