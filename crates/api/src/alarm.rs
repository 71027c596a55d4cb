//! What the operator wants somebody to look at beyond the conditions of one object: a closed list,
//! so that whoever words it misses none.

use serde::{Deserialize, Serialize};

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AlarmKind {
    /// An object cannot be read by this operator: it is left as it is.
    UnreadableObject,
    /// Mail is routed to a space whose object is gone.
    RouteWithoutObject,
    /// A domain's mail has been put off for a while.
    MailDeferred,
    /// The Secret of the region's root is gone, or holds another root.
    RegionRootLost,
    /// The region's root is offline by choice.
    RegionRootOffline,
    /// A journal is not the one whose head is known.
    JournalBroken,
}

impl AlarmKind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::UnreadableObject,
        Self::RouteWithoutObject,
        Self::MailDeferred,
        Self::RegionRootLost,
        Self::RegionRootOffline,
        Self::JournalBroken,
    ];

    /// As metrics and Events spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnreadableObject => "UnreadableObject",
            Self::RouteWithoutObject => "RouteWithoutObject",
            Self::MailDeferred => "MailDeferred",
            Self::RegionRootLost => "RegionRootLost",
            Self::RegionRootOffline => "RegionRootOffline",
            Self::JournalBroken => "JournalBroken",
        }
    }

    /// Whether it is as somebody wanted it: worth knowing, no failure.
    pub const fn is_by_choice(self) -> bool {
        matches!(self, Self::RegionRootOffline)
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// What.
    pub kind: AlarmKind,
    /// With whom: an object, a domain, a space.
    pub subject: String,
    /// Since when, RFC 3339.
    pub since: String,
    /// What was seen.
    pub detail: String,
}

/// All that is wrong, as the operator tells it at `/alarms`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarms {
    /// By kind, then subject.
    pub alarms: Vec<Alarm>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_spelt_as_json_spells_it() {
        for kind in AlarmKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }
}
