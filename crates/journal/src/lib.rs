//! The journal's hash chain: the one form in which an entry is hashed, and the walk that verifies.
//!
//! Each entry's hash is SHA-256 over the canonical JSON ([`canonical`]) of
//! `{seq, at, actor, action, subject, detail, previous}`, where `at` is RFC 3339 in UTC with six
//! decimals and `previous` the hash before it in hexadecimal (64 zeros for the first).
//!
//! Owns: that form and the order of links. The database writes it, the command line verifies it
//! on its own side, `docs/verifier-journal.py` verifies it in another language.
//! Must not know: where entries are kept or come from, the clock.

pub mod canonical;
mod chain;

pub use chain::{Broken, Chain, Flaw, GENESIS, Link};
