//! Figures for Prometheus.

use std::{sync::Mutex, time::Duration};

use melouvert_api::alarm::Alarms;
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

/// What somebody should look at.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct AlarmOf {
    kind: &'static str,
    subject: String,
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
    alarms: Family<AlarmOf, Gauge>,
    ended_sessions: Counter,
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
        let ended_sessions = Counter::default();
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
        let alarms = Family::<AlarmOf, Gauge>::default();
        registry.register(
            "alarm_since_timestamp_seconds",
            "Since when something asks for a look, by kind and by domain, space or object",
            alarms.clone(),
        );
        registry.register(
            "database_sessions_ended",
            "Database sessions of spaces ended for taking too long",
            ended_sessions.clone(),
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
            alarms,
            ended_sessions,
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

    /// Counts database sessions of spaces that were ended.
    pub fn ended_sessions(&self, sessions: u64) {
        self.ended_sessions.inc_by(sessions);
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

    /// Sets what somebody should look at.
    pub fn alarms(&self, standing: &Alarms) {
        self.alarms.clear();
        for alarm in &standing.alarms {
            let label = AlarmOf {
                kind: alarm.kind.as_str(),
                subject: alarm.subject.clone(),
            };
            let since = alarm.since.parse::<jiff::Timestamp>();
            let since = since.map_or(0, jiff::Timestamp::as_second);
            self.alarms.get_or_create(&label).set(since);
        }
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
        let alarm = melouvert_api::alarm::Alarm {
            kind: melouvert_api::alarm::AlarmKind::MailDeferred,
            subject: "caen.example".into(),
            since: "1970-01-01T00:00:07Z".into(),
            detail: "451".into(),
        };
        let gone = melouvert_api::alarm::Alarm {
            subject: "gone.example".into(),
            ..alarm.clone()
        };
        metrics.alarms(&Alarms {
            alarms: vec![alarm.clone(), gone],
        });
        metrics.alarms(&Alarms {
            alarms: vec![alarm],
        });
        metrics.reasons([("ImageNotPulled".to_owned(), 2)]);
        metrics.reasons([("Serving".to_owned(), 3), ("VolumeFull".to_owned(), 1)]);
        let text = metrics.text().unwrap();
        assert!(!text.contains("gone.example"), "{text}");
        for line in [
            r#"melouvert_alarm_since_timestamp_seconds{kind="MailDeferred",subject="caen.example"} 7"#,
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
