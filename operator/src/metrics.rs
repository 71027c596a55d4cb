//! Figures for Prometheus.

use std::{sync::Mutex, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

/// Whose reconciliation it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Controller {
    controller: &'static str,
}

/// A failure by cause.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Failure {
    controller: &'static str,
    reason: &'static str,
}

/// Tenants by their state.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct TenantState {
    condition: &'static str,
}

/// Tenants by what their conditions say first.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct TenantReason {
    reason: String,
}

/// The operator's figures; shared behind an `Arc`.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    reconciliations: Family<Controller, Counter>,
    failures: Family<Failure, Counter>,
    durations: Family<Controller, Histogram, fn() -> Histogram>,
    tenants: Family<TenantState, Gauge>,
    reasons: Family<TenantReason, Gauge>,
    applied: Counter,
    first_expiry: Gauge,
}

fn buckets() -> Histogram {
    // 5 ms to 40 s.
    Histogram::new(exponential_buckets(0.005, 2.0, 14))
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("melouvert");
        let reconciliations = Family::<Controller, Counter>::default();
        let failures = Family::<Failure, Counter>::default();
        let durations = Family::new_with_constructor(buckets as fn() -> Histogram);
        let tenants = Family::<TenantState, Gauge>::default();
        let reasons = Family::<TenantReason, Gauge>::default();
        let applied = Counter::default();
        let first_expiry = Gauge::default();
        registry.register(
            "reconciliations",
            "Reconciliations started",
            reconciliations.clone(),
        );
        registry.register(
            "reconciliation_failures",
            "Reconciliations failed",
            failures.clone(),
        );
        registry.register(
            "reconciliation_seconds",
            "How long one took",
            durations.clone(),
        );
        registry.register("tenants", "Tenants by condition", tenants.clone());
        registry.register(
            "tenant_reasons",
            "Tenants by the reason that their Stalled condition gives, else Ready",
            reasons.clone(),
        );
        registry.register(
            "objects_applied",
            "Objects written to the API server",
            applied.clone(),
        );
        registry.register(
            "certificate_first_expiry_timestamp_seconds",
            "When the first certificate in use expires",
            first_expiry.clone(),
        );
        Self {
            registry: Mutex::new(registry),
            reconciliations,
            failures,
            durations,
            tenants,
            reasons,
            applied,
            first_expiry,
        }
    }
}

impl Metrics {
    /// Counts one reconciliation.
    pub fn reconciled(&self, controller: &'static str, took: Duration) {
        let label = Controller { controller };
        self.reconciliations.get_or_create(&label).inc();
        self.durations
            .get_or_create(&label)
            .observe(took.as_secs_f64());
    }

    /// Counts one failure.
    pub fn failed(&self, controller: &'static str, reason: &'static str) {
        self.failures
            .get_or_create(&Failure { controller, reason })
            .inc();
    }

    /// Counts objects written.
    pub fn wrote(&self, objects: u64) {
        self.applied.inc_by(objects);
    }

    /// Sets how many tenants are ready, reconciling and stalled.
    pub fn tenants(&self, ready: i64, reconciling: i64, stalled: i64) {
        let states = [
            ("Ready", ready),
            ("Reconciling", reconciling),
            ("Stalled", stalled),
        ];
        for (condition, count) in states {
            self.tenants
                .get_or_create(&TenantState { condition })
                .set(count);
        }
    }

    /// Sets how many tenants give each reason; those that none gives any more are gone.
    pub fn reasons(&self, counts: impl IntoIterator<Item = (String, i64)>) {
        self.reasons.clear();
        for (reason, count) in counts {
            self.reasons
                .get_or_create(&TenantReason { reason })
                .set(count);
        }
    }

    /// Sets when the first certificate expires, in Unix seconds; 0 when there is none.
    pub fn first_expiry(&self, second: i64) {
        self.first_expiry.set(second);
    }

    /// The exposition in OpenMetrics text.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        let registry = self
            .registry
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        encode(&mut text, &registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_exposed() {
        let metrics = Metrics::default();
        metrics.reconciled("tenant", Duration::from_millis(20));
        metrics.failed("tenant", "PodNotReady");
        metrics.tenants(3, 1, 0);
        metrics.reasons([("ImageNotPulled".to_owned(), 2)]);
        metrics.reasons([("Serving".to_owned(), 3), ("VolumeFull".to_owned(), 1)]);
        let text = metrics.text().unwrap();
        for line in [
            r#"melouvert_reconciliations_total{controller="tenant"} 1"#,
            r#"melouvert_reconciliation_failures_total{controller="tenant",reason="PodNotReady"} 1"#,
            r#"melouvert_tenants{condition="Ready"} 3"#,
            r#"melouvert_tenant_reasons{reason="VolumeFull"} 1"#,
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
        assert!(!text.contains("ImageNotPulled"), "no longer told: {text}");
    }
}
