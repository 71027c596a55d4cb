//! What must hold of every object, whatever it is.
// In helpers outside `#[test]` too, a fixture that is wrong fails the test.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use base64::{Engine, engine::general_purpose::STANDARD};
use melouvert_domain::Lifecycle;
use melouvert_tenant_template::{Object, render, render_migration, render_pass, render_platform};
use serde_json::Value;
use support::{
    SECRET, find, material, migration, pass, platform, pod_spec, secret, tenant, tenant_with_door,
};

fn everything() -> Vec<Object> {
    let mut all: Vec<Object> = [
        Lifecycle::Active,
        Lifecycle::Suspended,
        Lifecycle::Terminating,
    ]
    .into_iter()
    .flat_map(|lifecycle| [tenant(lifecycle), tenant_with_door(lifecycle)])
    .flat_map(|tenant| render(&tenant, &material()).waves)
    .chain(render_migration(&migration()))
    .flat_map(|wave| wave.objects)
    .collect();
    all.extend(render_pass(&migration(), &pass(), Some(&secret("door"))));
    let (settings, secrets) = platform();
    all.extend(render_platform(&settings, &secrets));
    all
}

#[test]
fn secrets_are_in_secrets_alone() {
    for object in everything() {
        let text = object.value.to_string();
        let shown = text.contains(SECRET) || text.contains(&STANDARD.encode(SECRET)[..6]);
        if object.resource.kind != "Secret" {
            assert!(!shown, "{object:?} shows a secret");
        }
        assert!(!format!("{object:?}").contains(SECRET));
    }
    let debug = format!("{:?} {:?}", material(), platform());
    assert!(!debug.contains(SECRET), "{debug}");
}

#[test]
fn every_secret_given_reaches_a_secret() {
    let rendered = render(&tenant(Lifecycle::Active), &material());
    let content: String = rendered
        .objects()
        .filter(|object| object.resource.kind == "Secret")
        .flat_map(|object| object.value["data"].as_object().unwrap().values())
        .map(|value| String::from_utf8(STANDARD.decode(value.as_str().unwrap()).unwrap()).unwrap())
        .collect();
    for of in [
        "tenant-ca",
        "mail",
        "client",
        "reader",
        "doveadm",
        "door",
        "ed25519",
        "rsa",
    ] {
        assert!(content.contains(&format!("{SECRET}-{of}")), "{of}");
    }
}

#[test]
fn nobody_comes_through_the_door_of_a_space_that_is_not_active() {
    let key = |tenant| {
        let rendered = render(&tenant, &material());
        let servers = find(rendered.objects(), "Secret", "mail-db");
        let file = servers.value["data"]["dovecot-secrets.conf"]
            .as_str()
            .unwrap();
        let text = String::from_utf8(STANDARD.decode(file).unwrap()).unwrap();
        text.contains(&format!("{SECRET}-door"))
    };
    assert!(key(tenant_with_door(Lifecycle::Active)));
    assert!(!key(tenant(Lifecycle::Active)));
    assert!(!key(tenant_with_door(Lifecycle::Suspended)));
}

#[test]
fn every_object_says_whose_it_is() {
    for object in everything() {
        let labels = &object.value["metadata"]["labels"];
        assert_eq!(
            labels["app.kubernetes.io/managed-by"], "melouvert",
            "{object:?}"
        );
        assert!(
            labels["app.kubernetes.io/component"].is_string(),
            "{object:?}"
        );
        if object.namespace.as_deref() != Some("melouvert-system") {
            assert_eq!(labels["melouvert.fr/siren"], "211401187", "{object:?}");
        }
    }
}

/// Pod Security Standard "restricted", and our own: read-only root, a fixed user, no token.
fn restricted(pod: &Value) {
    for host in ["hostNetwork", "hostPID", "hostIPC"] {
        assert!(pod.get(host).is_none_or(|value| value == false), "{host}");
    }
    assert_eq!(pod["automountServiceAccountToken"], false);
    let security = &pod["securityContext"];
    assert_eq!(security["runAsNonRoot"], true);
    assert_eq!(security["runAsUser"], 10_001);
    assert_eq!(security["seccompProfile"]["type"], "RuntimeDefault");
    let allowed = [
        "configMap",
        "emptyDir",
        "persistentVolumeClaim",
        "projected",
        "secret",
    ];
    for volume in pod["volumes"].as_array().unwrap() {
        let kinds: Vec<_> = volume
            .as_object()
            .unwrap()
            .keys()
            .filter(|k| *k != "name")
            .collect();
        assert!(
            kinds.len() == 1 && allowed.contains(&kinds[0].as_str()),
            "{volume}"
        );
        if let Some(scratch) = volume.get("emptyDir") {
            assert!(scratch["sizeLimit"].is_string(), "{volume}");
        }
    }
    for container in pod["containers"].as_array().unwrap() {
        let security = &container["securityContext"];
        assert_eq!(security["allowPrivilegeEscalation"], false);
        assert_eq!(security["readOnlyRootFilesystem"], true);
        assert_eq!(security["capabilities"]["drop"], serde_json::json!(["ALL"]));
        assert!(security["capabilities"].get("add").is_none());
        assert!(
            container["ports"]
                .as_array()
                .into_iter()
                .flatten()
                .all(|port| {
                    port.get("hostPort").is_none() && port["containerPort"].as_i64().unwrap() > 1024
                })
        );
        for side in ["requests", "limits"] {
            for what in ["cpu", "memory", "ephemeral-storage"] {
                let value = &container["resources"][side][what];
                assert!(value.is_string(), "{} {side} {what}", container["name"]);
            }
        }
        mounts_exist(pod, container);
    }
}

fn mounts_exist(pod: &Value, container: &Value) {
    let volumes: Vec<_> = pod["volumes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| &v["name"])
        .collect();
    let mut paths = Vec::new();
    for mount in container["volumeMounts"].as_array().unwrap() {
        assert!(volumes.contains(&&mount["name"]), "{mount}");
        assert!(
            !paths.contains(&&mount["mountPath"]),
            "{mount} hides another"
        );
        paths.push(&mount["mountPath"]);
    }
}

#[test]
fn every_pod_is_restricted() {
    let all = everything();
    let pods: Vec<_> = all.iter().filter_map(pod_spec).collect();
    assert_eq!(pods.len(), 7, "six mail pods and a Job");
    pods.into_iter().for_each(restricted);
}

#[test]
fn limits_share_the_plan_and_requests_stay_below() {
    let mut small = tenant(Lifecycle::Active);
    small.resources.cpu_millis = 1;
    small.resources.memory = "1Mi".parse().unwrap();
    for tenant in [tenant(Lifecycle::Active), small] {
        let rendered = render(&tenant, &material());
        let pod = support::find(rendered.objects(), "StatefulSet", "mail");
        let mut memory = 0;
        for container in pod_spec(pod).unwrap()["containers"].as_array().unwrap() {
            let number = |side: &str, what: &str| -> u64 {
                let text = container["resources"][side][what].as_str().unwrap();
                text.trim_end_matches(|c: char| c.is_alphabetic())
                    .parse()
                    .unwrap()
            };
            for what in ["cpu", "memory", "ephemeral-storage"] {
                assert!(0 < number("requests", what), "{what}");
                assert!(number("requests", what) <= number("limits", what), "{what}");
            }
            memory += number("limits", "memory");
        }
        let plan = tenant.resources.memory.bytes() >> 20;
        assert!(memory <= plan.max(2), "{memory} of {plan}");
    }
}
