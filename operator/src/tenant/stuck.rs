//! Why a mail pod is not there or does not start, in the cluster's own words.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ContainerStatus, Event, Pod};
use kube::{Api, Client, ResourceExt, api::ListParams};
use melouvert_api::Reason;
use melouvert_tenant_template::mail;

use super::observe::NotSeen;

/// The mail pod: the only one of its StatefulSet.
const POD: &str = "mail-0";
/// How long scheduling, mounting and pulling are a normal start.
const START: SignedDuration = SignedDuration::from_secs(30);
/// What the kubelet says of an image that cannot be had.
const IMAGE: [&str; 6] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
];

/// Looks at the pod, and at the Events about it when it says nothing itself.
pub(super) async fn why(client: &Client, namespace: &str, now: Timestamp) -> NotSeen {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let pod = match pods.get_opt(POD).await {
        Ok(pod) => pod,
        Err(error) => return NotSeen::Read(Box::new(error)),
    };
    if let Some((reason, text)) = pod.as_ref().and_then(|pod| of_pod(pod, now)) {
        return NotSeen::Stuck { reason, text };
    }
    let about = match &pod {
        Some(pod) if !waits_long(pod, now) => return NotSeen::Pod,
        Some(_) => POD,
        None => mail::NAME,
    };
    let events: Api<Event> = Api::namespaced(client.clone(), namespace);
    let selector = format!("involvedObject.name={about},type=Warning");
    match events.list(&ListParams::default().fields(&selector)).await {
        Ok(found) => of_events(pod.is_some(), &found.items),
        Err(error) => NotSeen::Read(Box::new(error)),
    }
}

/// What the pod's own status says, when it is more than a normal start.
fn of_pod(pod: &Pod, now: Timestamp) -> Option<(Reason, String)> {
    let status = pod.status.as_ref()?;
    let containers = || {
        let init = status.init_container_statuses.iter().flatten();
        init.chain(status.container_statuses.iter().flatten())
    };
    if let Some(told) = containers().find_map(of_container) {
        return Some(told);
    }
    let scheduled = status
        .conditions
        .iter()
        .flatten()
        .find(|c| c.type_ == "PodScheduled")?;
    let unschedulable = scheduled.status == "False" && waits_long(pod, now);
    unschedulable.then(|| {
        let said = scheduled.message.as_deref().unwrap_or_default();
        (
            Reason::PodUnschedulable,
            format!("no node takes the mail pod: {said}"),
        )
    })
}

fn of_container(container: &ContainerStatus) -> Option<(Reason, String)> {
    let name = &container.name;
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.as_deref().unwrap_or_default();
    let said = waiting.message.as_deref().unwrap_or_default();
    if IMAGE.contains(&reason) {
        let image = &container.image;
        return Some((
            Reason::ImageNotPulled,
            format!("container {name}: image {image}: {reason}: {said}"),
        ));
    }
    let last = container
        .last_state
        .as_ref()
        .and_then(|last| last.terminated.as_ref());
    match reason {
        "CrashLoopBackOff" => {
            let how = last.map_or_else(String::new, |last| {
                let why = last.reason.as_deref().unwrap_or("it ended");
                format!(": {why}, exit code {}", last.exit_code)
            });
            let times = container.restart_count;
            Some((
                Reason::PodCrashes,
                format!("container {name} was started {times} times again{how}"),
            ))
        }
        "" | "ContainerCreating" | "PodInitializing" => None,
        other => Some((
            Reason::PodStuck,
            format!("container {name}: {other}: {said}"),
        )),
    }
}

/// Whether the pod exists for longer than a normal start takes.
fn waits_long(pod: &Pod, now: Timestamp) -> bool {
    pod.creation_timestamp()
        .is_some_and(|since| now.as_second() - since.0.as_second() > START.as_secs())
}

/// The newest warning; without one the pod is starting.
fn of_events(exists: bool, events: &[Event]) -> NotSeen {
    let at = |event: &&Event| {
        let last = event.last_timestamp.as_ref().map(|time| time.0.as_second());
        let micro = event.event_time.as_ref().map(|time| time.0.as_second());
        last.max(micro)
            .max(event.creation_timestamp().map(|time| time.0.as_second()))
    };
    let wanted = |event: &&Event| exists || event.reason.as_deref() == Some("FailedCreate");
    let Some(newest) = events.iter().filter(wanted).max_by_key(at) else {
        return NotSeen::Pod;
    };
    let said = newest.message.as_deref().unwrap_or_default();
    let (reason, text) = if exists {
        (Reason::PodStuck, format!("the mail pod waits: {said}"))
    } else {
        (
            Reason::PodForbidden,
            format!("the mail pod is not made: {said}"),
        )
    };
    NotSeen::Stuck { reason, text }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn now() -> Timestamp {
        "2026-11-30T10:10:00Z".parse().unwrap()
    }

    fn pod(created: &str, status: &Value) -> Pod {
        serde_json::from_value(
            json!({"metadata": {"name": "mail-0", "creationTimestamp": created},
            "status": status}),
        )
        .unwrap()
    }

    fn container(state: &Value, restarts: i32) -> Value {
        json!({"containerStatuses": [
            {"name": "dovecot", "image": "d", "imageID": "", "ready": true, "restartCount": 0, "state": {"running": {}}},
            {"name": "exim", "image": "localhost/exim:typo", "imageID": "", "ready": false,
                "restartCount": restarts, "state": state,
                "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}]})
    }

    fn told(status: &Value) -> Option<(Reason, String)> {
        of_pod(&pod("2026-11-30T10:00:00Z", status), now())
    }

    #[test]
    fn a_container_that_cannot_start_says_why() {
        let waiting = |reason: &str| json!({"waiting": {"reason": reason, "message": "not found"}});
        let (reason, text) = told(&container(&waiting("ImagePullBackOff"), 0)).unwrap();
        assert_eq!(reason, Reason::ImageNotPulled);
        assert!(
            text.contains("exim")
                && text.contains("localhost/exim:typo")
                && text.contains("not found")
        );
        let (reason, text) = told(&container(&waiting("CrashLoopBackOff"), 5)).unwrap();
        assert_eq!(reason, Reason::PodCrashes);
        assert!(
            text.contains("5 times") && text.contains("OOMKilled, exit code 137"),
            "{text}"
        );
        let (reason, _) = told(&container(&waiting("CreateContainerConfigError"), 0)).unwrap();
        assert_eq!(reason, Reason::PodStuck);
        assert_eq!(told(&container(&waiting("ContainerCreating"), 0)), None);
        assert_eq!(told(&container(&json!({"running": {}}), 0)), None);
    }

    #[test]
    fn scheduling_is_a_fault_only_after_a_while() {
        let status = json!({"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "message": "0/1 nodes are available: 1 Insufficient memory."}]});
        let young = of_pod(&pod("2026-11-30T10:09:55Z", &status), now());
        assert_eq!(young, None);
        let (reason, text) = told(&status).unwrap();
        assert_eq!(reason, Reason::PodUnschedulable);
        assert!(text.contains("Insufficient memory"));
    }

    #[test]
    fn events_speak_for_a_pod_that_is_not_made() {
        let event = |reason: &str, at: &str, message: &str| -> Event {
            serde_json::from_value(
                json!({"metadata": {"name": "e"}, "involvedObject": {}, "reason": reason,
                "message": message, "lastTimestamp": at}),
            )
            .unwrap()
        };
        let events = [
            event("FailedCreate", "2026-11-30T10:00:00Z", "older"),
            event(
                "FailedCreate",
                "2026-11-30T10:05:00Z",
                "maximum memory usage per Container is 64Mi",
            ),
            event("Other", "2026-11-30T10:06:00Z", "something else"),
        ];
        let NotSeen::Stuck { reason, text } = of_events(false, &events) else {
            panic!("nothing told")
        };
        assert_eq!(reason, Reason::PodForbidden);
        assert!(text.contains("maximum memory usage"), "{text}");
        assert!(matches!(of_events(false, &events[2..]), NotSeen::Pod));
        assert!(matches!(of_events(true, &[]), NotSeen::Pod));
        assert!(matches!(
            of_events(true, &events),
            NotSeen::Stuck {
                reason: Reason::PodStuck,
                ..
            }
        ));
    }
}
