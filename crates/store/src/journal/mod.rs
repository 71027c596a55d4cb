//! The journal: append-only, hash-chained, one chain per database.
//!
//! [`melouvert_journal`] has the form that is hashed. An entry is written in the transaction of the
//! change that it describes; writers of one chain wait for one another, so that the chain never
//! forks.

mod chain;
mod write;

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) use chain::verify;
pub use chain::{Anchor, BreakReason, BrokenLink, Verified};
pub(crate) use write::{append, append_once, confirm, head, lock, page, says, timestamp};

use crate::StoreError;

/// Who did it: the authenticated user, or the component that acted by itself. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Actor(String);

impl Actor {
    /// Checks that somebody is named: 1 to 256 characters, no control character.
    pub fn new(name: impl Into<String>) -> Result<Self, StoreError> {
        let name = name.into();
        let good = !name.trim().is_empty()
            && name.chars().count() <= 256
            && !name.chars().any(char::is_control);
        if good {
            Ok(Self(name))
        } else {
            Err(StoreError::Invalid {
                field: "actor",
                expected: "1 to 256 characters, none of them a control character",
            })
        }
    }

    /// The operator's own doing.
    pub fn operator() -> Self {
        Self("melouvert-operator".into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Actor {
    type Error = StoreError;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(name)
    }
}

impl From<Actor> for String {
    fn from(actor: Actor) -> Self {
        actor.0
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What to write down.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Who did it.
    pub actor: Actor,
    /// What was done, e.g. `agent.added`.
    pub action: String,
    /// To whom or what, e.g. an address or a SIREN.
    pub subject: String,
    /// The rest: integers, strings, booleans, lists and objects of them; no fraction (PostgreSQL
    /// rewrites them), no NUL, no password, no content of a message.
    pub detail: Value,
}

impl Entry {
    /// An entry by its parts.
    pub fn new(
        actor: &Actor,
        action: impl Into<String>,
        subject: impl Into<String>,
        detail: Value,
    ) -> Self {
        Self {
            actor: actor.clone(),
            action: action.into(),
            subject: subject.into(),
            detail,
        }
    }
}

/// An entry in its chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sealed {
    /// Its place, from 1 without gaps.
    pub seq: i64,
    /// When, by the database's clock, in whole microseconds; JSON has [`Sealed::at_text`].
    #[serde(serialize_with = "chain::six_decimals")]
    pub at: Timestamp,
    /// Who did it.
    pub actor: String,
    /// What was done.
    pub action: String,
    /// To whom or what.
    pub subject: String,
    /// The rest.
    pub detail: Value,
    /// The hash of the entry before, 64 hexadecimal digits; zeros for the first.
    pub previous: String,
    /// This entry's hash, 64 hexadecimal digits.
    pub hash: String,
}

impl Sealed {
    /// `at` as the hash covers it: RFC 3339 in UTC, always with six decimals, e.g.
    /// `2026-11-24T16:47:18.500000Z`.
    pub fn at_text(&self) -> String {
        chain::instant(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_has_a_name() {
        for bad in ["", "  ", "a\nb", &"x".repeat(257)] {
            assert!(Actor::new(bad).is_err(), "{bad:?}");
        }
        assert_eq!(Actor::new("jeanne").unwrap().as_str(), "jeanne");
        assert!(serde_json::from_str::<Actor>("\"\"").is_err());
    }
}
