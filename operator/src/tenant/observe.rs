//! Whether a tenant's servers work, seen from outside.

use jiff::{Timestamp, tz::TimeZone};
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::{Api, Client};
use melouvert_api::{Collectivity, Reason};
use melouvert_domain::Lifecycle;
use melouvert_tenant_template::{ValidatedTenant, certificates::mail_host, mail};

use super::{material::Keys, stuck};
use crate::observe::{
    ObserveError,
    imap::{self, Greeting},
    room,
    smtp::{self, Delivery},
};

/// Port of IMAP over TLS on the tenant's Service.
const IMAPS: u16 = 993;
/// Port of the tenant's Service at which the inbound relay delivers.
pub const INBOUND: u16 = 1025;
/// Port of the inbound relay's Service.
const SMTP: u16 = 26;

/// Why a tenant is not seen to work.
#[derive(Debug, thiserror::Error)]
pub enum NotSeen {
    /// The StatefulSet could not be read.
    #[error("failed to read the mail StatefulSet")]
    Read(#[source] Box<kube::Error>),
    /// The pod is not ready, or an older one still runs.
    #[error("the mail pod is not ready yet")]
    Pod,
    /// The pod is not there or does not start, and why.
    #[error("the mail pod does not start: {text}")]
    Stuck {
        /// Which kind of fault.
        reason: Reason,
        /// The cluster's own words.
        text: String,
    },
    /// The volume has no room for a message.
    #[error("the mail volume has no room left")]
    Full(#[source] ObserveError),
    /// No greeting.
    #[error("the mail server was not heard")]
    Greeting(#[source] ObserveError),
    /// The test message was not accepted.
    #[error("the test delivery was not accepted")]
    Delivery(#[source] ObserveError),
}

impl NotSeen {
    /// A CamelCase word for conditions, Events and metrics.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Read(_) => Reason::ApiServerRefused,
            Self::Pod => Reason::PodNotReady,
            Self::Stuck { reason, .. } => *reason,
            Self::Full(_) => Reason::VolumeFull,
            Self::Greeting(_) => Reason::GreetingNotSeen,
            Self::Delivery(_) => Reason::DeliveryRefused,
        }
    }
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// The space ends: nothing is meant to answer.
    Ended,
    /// Everything answered; the pod template for which a delivery was seen.
    Working {
        /// Hash of what the pod runs.
        template: String,
    },
}

/// What is looked at.
pub struct Subject<'a> {
    /// The object, for what was proven before.
    pub object: &'a Collectivity,
    /// What was rendered.
    pub tenant: &'a ValidatedTenant,
    /// What was issued.
    pub keys: &'a Keys,
    /// The region's root, PEM.
    pub root_pem: &'a str,
    /// Hash of the pod template.
    pub template: &'a str,
}

/// Looks at the pod, reads the greeting, and once per pod template delivers a test message.
pub async fn look(client: &Client, subject: &Subject<'_>) -> Result<Seen, NotSeen> {
    let Subject {
        object,
        tenant,
        keys,
        root_pem,
        template,
    } = *subject;
    if tenant.lifecycle == Lifecycle::Terminating {
        return Ok(Seen::Ended);
    }
    let sets: Api<StatefulSet> = Api::namespaced(client.clone(), tenant.namespace.as_str());
    let set = sets
        .get(mail::NAME)
        .await
        .map_err(|error| NotSeen::Read(Box::new(error)))?;
    if !is_rolled_out(&set) {
        return Err(stuck::why(client, tenant.namespace.as_str(), Timestamp::now()).await);
    }
    let host = mail_host(&tenant.namespace);
    let greeting = Greeting {
        host: &host,
        port: IMAPS,
        root_pem,
        fingerprint: &keys.mail.info.fingerprint,
    };
    imap::greet(&greeting).await.map_err(NotSeen::Greeting)?;
    match room::ask(&format!("{host}:{INBOUND}")).await {
        Err(error) if room::is_full(&error) => return Err(NotSeen::Full(error)),
        // Anything else it says is no word about the volume; a delivery is judged below.
        Err(error) => tracing::debug!(error = crate::errors::chain(&error), "room not told"),
        Ok(()) => {}
    }
    let proven = object
        .status
        .as_ref()
        .and_then(|status| status.proven_template.as_deref());
    if proven != Some(template) {
        deliver(tenant, root_pem, template)
            .await
            .map_err(NotSeen::Delivery)?;
    }
    Ok(Seen::Working {
        template: template.into(),
    })
}

async fn deliver(
    tenant: &ValidatedTenant,
    root_pem: &str,
    template: &str,
) -> Result<(), ObserveError> {
    let now = Timestamp::now();
    let relay = format!("melouvert-relay-in.{}.svc", tenant.system_namespace);
    let date = jiff::fmt::rfc2822::to_string(&now.to_zoned(TimeZone::UTC)).unwrap_or_default();
    let short = template.get(..16).unwrap_or(template);
    smtp::deliver(&Delivery {
        relay: &relay,
        port: SMTP,
        root_pem,
        sender_host: &format!("operator.{}", tenant.region.base_domain),
        recipient: &format!("postmaster@{}", tenant.main_domain),
        id: &format!("{short}.{}", now.as_millisecond()),
        date: &date,
    })
    .await
}

/// Whether the current template runs and is ready, and nothing older does.
fn is_rolled_out(set: &StatefulSet) -> bool {
    let wanted = set
        .spec
        .as_ref()
        .and_then(|spec| spec.replicas)
        .unwrap_or(1);
    set.status.as_ref().is_some_and(|status| {
        status.observed_generation >= set.metadata.generation
            && status.update_revision == status.current_revision
            && status.ready_replicas == Some(wanted)
            && status.updated_replicas == Some(wanted)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(status: &serde_json::Value) -> StatefulSet {
        serde_json::from_value(json!({"metadata": {"generation": 2},
            "spec": {"replicas": 1, "selector": {}, "serviceName": "mail", "template": {}}, "status": status}))
        .unwrap()
    }

    #[test]
    fn only_the_current_template_ready_counts() {
        let good = json!({"observedGeneration": 2, "replicas": 1, "readyReplicas": 1, "updatedReplicas": 1,
            "currentRevision": "b", "updateRevision": "b"});
        assert!(is_rolled_out(&set(&good)));
        for (key, value) in [
            ("observedGeneration", json!(1)),
            ("readyReplicas", json!(0)),
            ("updatedReplicas", json!(0)),
            ("currentRevision", json!("a")),
        ] {
            let mut status = good.clone();
            status[key] = value;
            assert!(!is_rolled_out(&set(&status)), "{key}");
        }
        assert!(!is_rolled_out(&set(&json!({"replicas": 0}))));
    }
}
