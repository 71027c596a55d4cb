//! The end of a space: asked, announced 21 days ahead, taken back, due.

use jiff::Timestamp;
use melouvert_api::{
    Collectivity,
    collectivity::{LifecycleSchema, Termination},
};
use melouvert_domain::lifecycle::{TerminationPhase, erasure_after, termination_phase};

/// Where the end of a space stands.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// It was not asked, or was taken back.
    NotAsked,
    /// The notice runs.
    Notice {
        /// What the status records.
        record: Termination,
        /// When data may be erased.
        erasure_after: Timestamp,
    },
    /// The notice is over.
    Due {
        /// What the status records.
        record: Termination,
    },
}

impl End {
    /// What the status records.
    pub fn record(&self) -> Option<&Termination> {
        match self {
            Self::NotAsked => None,
            Self::Notice { record, .. } | Self::Due { record } => Some(record),
        }
    }

    /// Whether data may be erased.
    pub fn is_due(&self) -> bool {
        matches!(self, Self::Due { .. })
    }
}

/// Where the end of `tenant` stands at `now`.
///
/// The recorded date is kept as long as the end stays asked; a record that cannot be read starts
/// the notice again, which is the safe side.
pub fn decide(tenant: &Collectivity, now: Timestamp) -> End {
    if tenant.spec.lifecycle != LifecycleSchema::Terminating {
        return End::NotAsked;
    }
    let recorded = tenant
        .status
        .as_ref()
        .and_then(|status| status.termination.clone())
        .and_then(|record| Some((record.erasure_after.parse::<Timestamp>().ok()?, record)));
    let (after, record) = recorded.unwrap_or_else(|| {
        let after = erasure_after(now);
        let asked = Timestamp::from_second(now.as_second()).unwrap_or(now);
        (
            after,
            Termination {
                requested_at: asked.to_string(),
                erasure_after: after.to_string(),
            },
        )
    });
    match termination_phase(after, now) {
        TerminationPhase::Notice { erasure_after } => End::Notice {
            record,
            erasure_after,
        },
        TerminationPhase::ErasureDue => End::Due { record },
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use melouvert_api::CollectivityStatus;
    use serde_json::json;

    use super::*;

    fn tenant(lifecycle: &str) -> Collectivity {
        serde_json::from_value(json!({
            "apiVersion": "melouvert.fr/v1alpha1", "kind": "Collectivity", "metadata": {"name": "c"},
            "spec": {"siren": "211401187", "legalName": "x", "kind": "Commune", "population": 1,
                "region": "r", "plan": "p", "domains": ["a.example"], "lifecycle": lifecycle},
        }))
        .unwrap()
    }

    fn recorded(mut tenant: Collectivity, record: Option<Termination>) -> Collectivity {
        tenant.status = Some(CollectivityStatus {
            termination: record,
            ..Default::default()
        });
        tenant
    }

    #[test]
    fn the_date_is_set_once_and_comes() {
        let asked: Timestamp = "2026-11-24T16:00:00.5Z".parse().unwrap();
        let first = decide(&tenant("Terminating"), asked);
        let End::Notice {
            record,
            erasure_after,
        } = first.clone()
        else {
            panic!("{first:?}")
        };
        assert_eq!(record.requested_at, "2026-11-24T16:00:00Z");
        assert_eq!(record.erasure_after, "2026-12-15T16:00:00Z");
        let later = recorded(tenant("Terminating"), Some(record.clone()));
        let second = SignedDuration::from_secs(1);
        assert_eq!(decide(&later, erasure_after - second), first);
        assert!(decide(&later, erasure_after).is_due());
        assert_eq!(decide(&later, erasure_after).record(), Some(&record));
    }

    #[test]
    fn asking_back_clears_it() {
        let record = Termination {
            requested_at: "2026-11-01T00:00:00Z".into(),
            erasure_after: "2026-11-22T00:00:00Z".into(),
        };
        let now = "2026-11-24T00:00:00Z".parse().unwrap();
        assert_eq!(
            decide(&recorded(tenant("Active"), Some(record)), now),
            End::NotAsked
        );
    }

    #[test]
    fn an_unreadable_record_starts_the_notice_again() {
        let record = Termination {
            requested_at: "?".into(),
            erasure_after: "yesterday".into(),
        };
        let end = decide(
            &recorded(tenant("Terminating"), Some(record)),
            Timestamp::UNIX_EPOCH,
        );
        assert!(!end.is_due());
    }
}
