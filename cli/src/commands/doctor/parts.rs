//! The region's own servers: relays and database, in the cluster's own words.

use jiff::Timestamp;
use k8s_openapi::api::{apps::v1::StatefulSet, core::v1::Pod};
use kube::{Api, Client, ResourceExt};

use super::{Check, Verdict};
use crate::{
    kube::explain,
    text::{Text, text},
};

/// How long a start may take.
const START: i64 = 120;

/// Whether both relays and the embedded database run.
pub async fn checks(client: &Client, namespace: &str) -> Vec<Check> {
    let parts = [
        (
            text!("Relais d'entrée", "Inbound relay"),
            "melouvert-relay-in",
            true,
        ),
        (
            text!("Relais de sortie", "Outbound relay"),
            "melouvert-relay-out",
            true,
        ),
        (
            text!("Serveur PostgreSQL", "PostgreSQL server"),
            "melouvert-postgresql",
            false,
        ),
    ];
    let looks = parts.map(|(subject, name, needed)| part(client, namespace, subject, name, needed));
    futures::future::join_all(looks)
        .await
        .into_iter()
        .flatten()
        .collect()
}

async fn part(
    client: &Client,
    namespace: &str,
    subject: Text,
    name: &str,
    needed: bool,
) -> Option<Check> {
    let doing = text!("lire {namespace}/{name}", "read {namespace}/{name}");
    let sets: Api<StatefulSet> = Api::namespaced(client.clone(), namespace);
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let set = match sets.get_opt(name).await {
        Ok(set) => set,
        Err(error) => return Some(Check::error(subject, explain(&error, &doing))),
    };
    let Some(set) = set else {
        // An external database has no workload here.
        return needed.then(|| {
            Check::new(subject, Verdict::Failed, text!("absent", "absent")).remedy(text!(
                "réinstallez le chart charts/melouvert",
                "install the chart charts/melouvert again"
            ))
        });
    };
    let pod = match pods.get_opt(&format!("{name}-0")).await {
        Ok(pod) => pod,
        Err(error) => return Some(Check::error(subject, explain(&error, &doing))),
    };
    let (verdict, seen) = standing(&set, pod.as_ref(), Timestamp::now());
    let check = Check::new(subject, verdict, seen);
    Some(match verdict {
        Verdict::Ok => check,
        _ => check.remedy(text!(
            "kubectl -n {namespace} describe statefulset/{name} pod/{name}-0",
            "kubectl -n {namespace} describe statefulset/{name} pod/{name}-0"
        )),
    })
}

/// How a part stands: what its pod says of itself, when it is not ready.
fn standing(set: &StatefulSet, pod: Option<&Pod>, now: Timestamp) -> (Verdict, Text) {
    let wanted = set
        .spec
        .as_ref()
        .and_then(|spec| spec.replicas)
        .unwrap_or(1);
    let ready = set.status.as_ref().and_then(|status| status.ready_replicas);
    if wanted == 0 {
        let name = set.name_any();
        return (
            Verdict::Failed,
            text!(
                "{name} est arrêté : 0 réplique demandée",
                "{name} is stopped: 0 replicas asked for"
            ),
        );
    }
    if ready.unwrap_or(0) >= wanted {
        return (Verdict::Ok, text!("prêt", "ready"));
    }
    let Some(pod) = pod else {
        return (
            Verdict::Failed,
            text!("le pod n'existe pas", "the pod does not exist"),
        );
    };
    if let Some(why) = waiting(pod) {
        return (
            Verdict::Failed,
            text!("pas prêt : {why}", "not ready: {why}"),
        );
    }
    let young = pod
        .creation_timestamp()
        .is_some_and(|since| now.as_second() - since.0.as_second() < START);
    if young {
        return (Verdict::Attention, text!("démarre", "is starting"));
    }
    (Verdict::Failed, text!("pas prêt", "not ready"))
}

/// Why a pod waits: a container's reason, or the scheduler's.
fn waiting(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let containers = status.container_statuses.iter().flatten();
    let container = containers
        .filter_map(|c| Some((c, c.state.as_ref()?.waiting.as_ref()?)))
        .find(|(_, waiting)| {
            let reason = waiting.reason.as_deref();
            !matches!(reason, None | Some("ContainerCreating" | "PodInitializing"))
        })
        .map(|(c, waiting)| {
            let reason = waiting.reason.as_deref().unwrap_or_default();
            let said = waiting.message.as_deref().unwrap_or_default();
            format!("{reason} ({}) {said}", c.image)
        });
    let scheduled = || {
        let condition = status
            .conditions
            .iter()
            .flatten()
            .find(|c| c.type_ == "PodScheduled" && c.status == "False")?;
        condition.message.clone()
    };
    container.or_else(scheduled)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn judged(replicas: i32, ready: i32, pod: Option<Value>) -> (Verdict, String) {
        let set: StatefulSet =
            serde_json::from_value(json!({"metadata": {"name": "melouvert-relay-in"},
            "spec": {"replicas": replicas, "selector": {}, "serviceName": "x", "template": {}},
            "status": {"replicas": replicas, "readyReplicas": ready}}))
            .unwrap();
        let pod = pod.map(|pod| serde_json::from_value::<Pod>(pod).unwrap());
        let now = "2026-11-30T10:10:00Z".parse().unwrap();
        let (verdict, seen) = standing(&set, pod.as_ref(), now);
        (verdict, seen.en)
    }

    fn pod(created: &str, waiting: &Value) -> Value {
        json!({"metadata": {"creationTimestamp": created}, "status": {"containerStatuses": [
            {"name": "exim", "image": "exim:typo", "imageID": "", "ready": false, "restartCount": 0,
                "state": {"waiting": waiting}}]}})
    }

    #[test]
    fn a_part_that_does_not_run_fails_with_its_own_reason() {
        assert_eq!(judged(1, 1, None).0, Verdict::Ok);
        let (verdict, seen) = judged(0, 0, None);
        assert!(
            verdict == Verdict::Failed && seen.contains("0 replicas"),
            "{seen}"
        );
        assert_eq!(judged(1, 0, None).0, Verdict::Failed);
        let pull = json!({"reason": "ImagePullBackOff", "message": "not found"});
        let (verdict, seen) = judged(1, 0, Some(pod("2026-11-30T10:09:50Z", &pull)));
        assert!(
            verdict == Verdict::Failed && seen.contains("ImagePullBackOff (exim:typo) not found"),
            "{seen}"
        );
        let creating = json!({"reason": "ContainerCreating"});
        assert_eq!(
            judged(1, 0, Some(pod("2026-11-30T10:09:50Z", &creating))).0,
            Verdict::Attention
        );
        assert_eq!(
            judged(1, 0, Some(pod("2026-11-30T10:00:00Z", &creating))).0,
            Verdict::Failed
        );
    }
}
