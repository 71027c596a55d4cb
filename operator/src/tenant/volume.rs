//! The mail volume: what is asked of the storage, and what is told of it.
//!
//! A claim's StorageClass never changes, and a volume never shrinks below what it holds; a growth
//! that the storage has not made can be taken back (KEP-1790).

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use melouvert_api::Reason;
use melouvert_domain::StorageSize;
use melouvert_tenant_template::TenantVolume;

/// The API server takes a request back down to just above the capacity, not to it.
const JUST_ABOVE: u64 = 1 << 20;

/// The claim as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// What was asked for.
    pub requested: StorageSize,
    /// What the volume holds; `None` while none is bound.
    pub capacity: Option<StorageSize>,
    /// Its StorageClass.
    pub class: Option<String>,
}

/// What is asked and told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// What the claim is rendered with.
    pub asks: TenantVolume,
    /// The size that the space has, or will have.
    pub holds: StorageSize,
    /// Why that is not what was wanted.
    pub short: Option<(Reason, String)>,
}

impl Claim {
    /// Reads a live claim; `None` when it asks for no size.
    pub fn of(claim: &PersistentVolumeClaim) -> Option<Self> {
        let spec = claim.spec.as_ref()?;
        let requests = spec.resources.as_ref()?.requests.as_ref()?;
        let status = claim.status.as_ref();
        let bound = status.filter(|status| status.phase.as_deref() == Some("Bound"));
        let capacity = bound.and_then(|status| status.capacity.as_ref());
        Some(Self {
            requested: requests.get("storage")?.0.parse().ok()?,
            capacity: capacity
                .and_then(|all| all.get("storage"))
                .and_then(|size| size.0.parse().ok()),
            class: spec.storage_class_name.clone(),
        })
    }
}

/// What is asked of the storage when `wanted` is to be held.
pub fn decide(claim: Option<&Claim>, wanted: StorageSize, class: Option<&String>) -> Volume {
    let Some(claim) = claim else {
        return Volume {
            asks: TenantVolume {
                size: wanted,
                class: class.cloned(),
            },
            holds: wanted,
            short: None,
        };
    };
    let holds = claim.capacity.unwrap_or(claim.requested);
    let (size, short) = if wanted < holds {
        let text = format!(
            "the volume has {holds} and cannot shrink to {wanted}; it is kept as it is: ask for {holds} or more"
        );
        // A growth that is still to come is not asked for any more.
        let size = claim.requested.min(taken_back(holds, claim));
        (size, Some((Reason::StorageShrinks, text)))
    } else if wanted == holds && claim.requested > holds {
        (claim.requested.min(taken_back(holds, claim)), None)
    } else if claim.capacity.is_some() && wanted > holds {
        let text = format!(
            "the volume has {holds} and {wanted} was asked of the storage, which has not made it larger yet; \
             ask for {holds} to take the growth back"
        );
        (wanted, Some((Reason::StorageNotGrown, text)))
    } else {
        (wanted, None)
    };
    Volume {
        asks: TenantVolume {
            size,
            class: claim.class.clone(),
        },
        holds: if claim.capacity.is_some() {
            holds
        } else {
            size
        },
        short,
    }
}

/// The smallest request that the API server accepts for a volume that holds so much.
fn taken_back(holds: StorageSize, claim: &Claim) -> StorageSize {
    if claim.capacity.is_some() && claim.requested > holds {
        StorageSize::from_bytes(holds.bytes() + JUST_ABOVE)
    } else {
        claim.requested
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn size(text: &str) -> StorageSize {
        text.parse().unwrap()
    }

    fn claim(requested: &str, capacity: Option<&str>) -> Claim {
        let status =
            capacity.map(|capacity| json!({"phase": "Bound", "capacity": {"storage": capacity}}));
        let live: PersistentVolumeClaim = serde_json::from_value(json!({
            "spec": {"storageClassName": "fast", "resources": {"requests": {"storage": requested}}},
            "status": status,
        }))
        .unwrap();
        Claim::of(&live).unwrap()
    }

    fn decided(claim: &Claim, wanted: &str) -> (String, String, Option<Reason>) {
        let volume = decide(Some(claim), size(wanted), Some(&"slow".to_owned()));
        assert_eq!(
            volume.asks.class.as_deref(),
            Some("fast"),
            "never sent anew"
        );
        (
            volume.asks.size.to_string(),
            volume.holds.to_string(),
            volume.short.map(|(reason, _)| reason),
        )
    }

    fn is(ask: &str, holds: &str, short: Option<Reason>) -> (String, String, Option<Reason>) {
        (ask.into(), holds.into(), short)
    }

    #[test]
    fn a_new_claim_takes_the_regions_class() {
        let volume = decide(None, size("2Gi"), Some(&"slow".to_owned()));
        assert_eq!(volume.asks.class.as_deref(), Some("slow"));
        assert_eq!((volume.holds, volume.short), (size("2Gi"), None));
    }

    #[test]
    fn a_volume_keeps_what_it_holds() {
        let grown = claim("2Gi", Some("2Gi"));
        assert_eq!(decided(&grown, "2Gi"), is("2Gi", "2Gi", None));
        let shrinks = Some(Reason::StorageShrinks);
        assert_eq!(decided(&grown, "1Gi"), is("2Gi", "2Gi", shrinks));
        // More than it was asked to hold: rounded up by the storage.
        assert_eq!(
            decided(&claim("2Gi", Some("3Gi")), "3Gi"),
            is("3Gi", "3Gi", None)
        );
        // No volume is bound yet: nothing is told as short, nothing shrinks.
        assert_eq!(decided(&claim("2Gi", None), "4Gi"), is("4Gi", "4Gi", None));
        assert_eq!(
            decided(&claim("2Gi", None), "1Gi"),
            is("2Gi", "2Gi", shrinks)
        );
    }

    #[test]
    fn a_growth_is_told_once_made_and_can_be_taken_back() {
        let pending = claim("4Gi", Some("2Gi"));
        let short = Some(Reason::StorageNotGrown);
        assert_eq!(decided(&pending, "4Gi"), is("4Gi", "2Gi", short));
        assert_eq!(decided(&pending, "3Gi"), is("3Gi", "2Gi", short));
        assert_eq!(decided(&pending, "2Gi"), is("2049Mi", "2Gi", None));
        // Taken back already: nothing more is written.
        let back = claim("2049Mi", Some("2Gi"));
        assert_eq!(decided(&back, "2Gi"), is("2049Mi", "2Gi", None));
        assert_eq!(
            decided(&claim("4Gi", Some("4Gi")), "4Gi"),
            is("4Gi", "4Gi", None)
        );
    }
}
