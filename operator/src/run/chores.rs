//! What is done for all tenants at intervals: counting them, anchoring their journals.

use std::{sync::Arc, time::Duration};

use kube::{ResourceExt, runtime::reflector::Store};
use melouvert_api::Collectivity;
use melouvert_domain::NamespaceName;
use melouvert_store::{Actor, StoreError};
use tokio_util::sync::CancellationToken;

use crate::{database::Database, errors, metrics::Metrics};

/// Between two counts for the metrics.
const COUNT: Duration = Duration::from_secs(15);
/// Between two anchors of a tenant's journal.
const ANCHOR: Duration = Duration::from_hours(24);

/// Counts tenants by condition for the metrics.
pub(super) async fn count(
    tenants: Store<Collectivity>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) {
    use melouvert_api::condition::{READY, STALLED, holds};
    loop {
        let (mut ready, mut reconciling, mut stalled) = (0, 0, 0);
        let mut first_expiry = i64::MAX;
        for tenant in tenants.state() {
            let status = tenant.status.clone().unwrap_or_default();
            let place = if holds(&status.conditions, READY) {
                &mut ready
            } else if holds(&status.conditions, STALLED) {
                &mut stalled
            } else {
                &mut reconciling
            };
            *place += 1;
            for certificate in &status.certificates {
                if let Ok(end) = certificate.not_after.parse::<jiff::Timestamp>() {
                    first_expiry = first_expiry.min(end.as_second());
                }
            }
        }
        metrics.tenants(ready, reconciling, stalled);
        metrics.first_expiry(if first_expiry == i64::MAX {
            0
        } else {
            first_expiry
        });
        tokio::select! {
            () = tokio::time::sleep(COUNT) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Records daily the head of each tenant's journal in the platform's, so that a tail cut off from a
/// tenant's chain shows. Nothing is written for a chain that did not move.
pub(super) async fn anchor(
    tenants: Store<Collectivity>,
    database: Database,
    actor: Actor,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(ANCHOR) => {}
            () = stop.cancelled() => return,
        }
        for tenant in tenants.state() {
            let Some(namespace) = NamespaceName::parse(&tenant.name_any()) else {
                continue;
            };
            let Ok(store) = database.get() else { break };
            match store.anchor_tenant(namespace.siren(), &actor).await {
                // A refused tenant has no database.
                Ok(()) | Err(StoreError::NotFound { .. }) => {}
                Err(error) => {
                    tracing::warn!(%namespace, error = errors::chain(&error), "journal not anchored");
                }
            }
        }
    }
}
