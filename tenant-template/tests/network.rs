//! Exactly the flows that are meant, read back from the policies.
// In helpers outside `#[test]` too, a fixture that is wrong fails the test.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use melouvert_domain::Lifecycle;
use melouvert_tenant_template::{Object, render, render_migration};
use serde_json::Value;
use support::{find, material, migration, tenant, tenant_with_door};

/// `in|out peer ports` of each rule of a policy.
fn flows(policy: &Object) -> Vec<String> {
    let spec = &policy.value["spec"];
    assert_eq!(
        spec["policyTypes"],
        serde_json::json!(["Ingress", "Egress"])
    );
    let mut flows = Vec::new();
    for (side, peers) in [("ingress", "from"), ("egress", "to")] {
        for rule in spec[side].as_array().into_iter().flatten() {
            let ports = rule["ports"].as_array().expect("a rule names its ports");
            let ports: Vec<_> = ports.iter().map(port).collect();
            let peers = rule[peers].as_array().expect("a rule names its peers");
            assert!(
                !ports.is_empty() && !peers.is_empty(),
                "an empty list means everything"
            );
            for peer in peers {
                flows.push(format!("{side} {} {}", self::peer(peer), ports.join(",")));
            }
        }
    }
    flows
}

fn port(port: &Value) -> String {
    format!("{}/{}", port["port"], port["protocol"].as_str().unwrap())
}

fn peer(peer: &Value) -> String {
    if let Some(block) = peer.get("ipBlock") {
        return block["cidr"].as_str().unwrap().into();
    }
    let namespace = peer.pointer("/namespaceSelector/matchLabels/kubernetes.io~1metadata.name");
    let pods = peer["podSelector"]["matchLabels"].as_object().unwrap();
    assert_eq!(pods.len(), 1, "{peer}");
    let (key, value) = pods.iter().next().unwrap();
    let namespace = namespace.map_or("own", |name| name.as_str().unwrap());
    let key = key.rsplit('/').next().unwrap();
    format!("{namespace}/{key}={}", value.as_str().unwrap())
}

#[test]
fn everything_is_refused_first() {
    let rendered = render(&tenant(Lifecycle::Active), &material());
    let policy = find(rendered.objects(), "NetworkPolicy", "default-deny");
    assert_eq!(policy.value["spec"]["podSelector"], serde_json::json!({}));
    assert_eq!(flows(policy), [""; 0]);
}

#[test]
fn the_mail_pods_flows() {
    let rendered = render(&tenant(Lifecycle::Active), &material());
    let policy = find(rendered.objects(), "NetworkPolicy", "mail");
    assert_eq!(
        flows(policy),
        [
            "ingress melouvert-system/edge=true 1993/TCP,1465/TCP,1587/TCP,4190/TCP",
            "ingress melouvert-system/component=operator 1993/TCP,1025/TCP,8081/TCP",
            "ingress melouvert-system/component=relay-in 1025/TCP",
            "ingress own/component=migration 1993/TCP",
            "egress kube-system/k8s-app=kube-dns 53/UDP,53/TCP",
            "egress melouvert-system/component=postgresql 5432/TCP",
            "egress melouvert-system/component=relay-out 1587/TCP",
        ]
    );
}

#[test]
fn an_outside_database_and_name_servers_are_reached_by_address() {
    let mut tenant = tenant(Lifecycle::Active);
    tenant.region.dns_cidrs = vec!["10.0.0.2/32".into(), "10.0.0.3/32".into()];
    tenant.region.database.cidr = Some("10.1.0.0/28".into());
    tenant.region.database.port = 6432;
    let rendered = render(&tenant, &material());
    assert_eq!(
        flows(find(rendered.objects(), "NetworkPolicy", "mail"))[4..],
        [
            "egress 10.0.0.2/32 53/UDP,53/TCP",
            "egress 10.0.0.3/32 53/UDP,53/TCP",
            "egress 10.1.0.0/28 6432/TCP",
            "egress melouvert-system/component=relay-out 1587/TCP",
        ]
    );
}

#[test]
fn a_migrations_flows() {
    let waves = render_migration(&migration());
    let objects = waves.iter().flat_map(|wave| &wave.objects);
    let policy = find(objects, "NetworkPolicy", "migration-vague-1");
    assert_eq!(
        flows(policy),
        [
            "egress 10.96.0.2/32 53/UDP,53/TCP",
            "egress own/component=mail 1993/TCP",
            "egress 203.0.113.7/32 993/TCP",
            "egress melouvert-system/component=operator 8443/TCP",
        ]
    );
}

#[test]
fn a_door_is_open_to_migrations_alone() {
    let rendered = render(&tenant_with_door(Lifecycle::Active), &material());
    let policy = find(rendered.objects(), "NetworkPolicy", "mail");
    let through = |flow: &String| flow.starts_with("ingress") && flow.contains("1994/TCP");
    let through: Vec<_> = flows(policy).into_iter().filter(through).collect();
    assert_eq!(through, ["ingress own/component=migration 1994/TCP"]);
    let mut migration = migration();
    migration.door = true;
    let waves = render_migration(&migration);
    let objects = waves.iter().flat_map(|wave| &wave.objects);
    let policy = find(objects, "NetworkPolicy", "migration-vague-1");
    assert!(flows(policy).contains(&"egress own/component=mail 1994/TCP".to_owned()));
}
