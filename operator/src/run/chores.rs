//! What is done for all tenants at intervals: counting them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::{StreamExt, channel::mpsc, stream};
use kube::{
    ResourceExt,
    runtime::reflector::{ObjectRef, Store},
};
use melouvert_api::{
    Collectivity,
    condition::{READY, STALLED, holds},
};
use melouvert_domain::NamespaceName;
use melouvert_tenant_template::certificates::mail_host;
use tokio_util::sync::CancellationToken;

use crate::{metrics::Metrics, observe::room, tenant::observe::INBOUND};

/// Between two counts for the metrics.
const COUNT: Duration = Duration::from_secs(15);

/// Counts tenants by condition for the metrics.
pub(super) async fn count(
    tenants: Store<Collectivity>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) {
    loop {
        let mut reasons = BTreeMap::new();
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
            let worst = status
                .conditions
                .iter()
                .find(|c| c.type_ == STALLED && c.status == "True");
            if let Some(told) = worst.or(status.conditions.first()) {
                *reasons.entry(told.reason.clone()).or_insert(0) += 1;
            }
            for certificate in &status.certificates {
                if let Ok(end) = certificate.not_after.parse::<jiff::Timestamp>() {
                    first_expiry = first_expiry.min(end.as_second());
                }
            }
        }
        metrics.tenants(ready, reconciling, stalled);
        metrics.reasons(reasons);
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

/// Asks at intervals every space that serves whether its volume has room, and makes the controller look
/// at those that have none: it tells, and looks again until there is.
pub(super) async fn room(
    tenants: Store<Collectivity>,
    waker: mpsc::UnboundedSender<ObjectRef<Collectivity>>,
    stop: CancellationToken,
) {
    /// Spaces asked at once.
    const WIDTH: usize = 8;
    loop {
        tokio::select! {
            () = tokio::time::sleep(room::INTERVAL) => {}
            () = stop.cancelled() => return,
        }
        let serving: Vec<_> = tenants
            .state()
            .into_iter()
            .filter(|tenant| {
                let status = tenant.status.as_ref();
                status.is_some_and(|status| holds(&status.conditions, READY))
            })
            .filter_map(|tenant| Some((NamespaceName::parse(&tenant.name_any())?, tenant)))
            .collect();
        stream::iter(serving)
            .for_each_concurrent(WIDTH, |(namespace, tenant)| {
                let waker = &waker;
                async move {
                    let address = format!("{}:{INBOUND}", mail_host(&namespace));
                    let answer = room::ask(&address).await;
                    if answer.is_err_and(|error| room::is_full(&error)) {
                        // Nobody listens any more only when the process ends.
                        let _ = waker.unbounded_send(ObjectRef::from_obj(tenant.as_ref()));
                    }
                }
            })
            .await;
    }
}
