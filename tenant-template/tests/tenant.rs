//! A whole tenant in each state of its life.
// In helpers outside `#[test]` too, a fixture that is wrong fails the test.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use melouvert_domain::Lifecycle;
use melouvert_tenant_template::{
    DkimPublic, Rendered, certificates::certificate_names, dns_records, render,
};
use support::{find, material, tenant};

fn rendered(lifecycle: Lifecycle) -> Rendered {
    render(&tenant(lifecycle), &material())
}

/// `kind/name` of every object, one line per wave.
fn order(rendered: &Rendered) -> Vec<String> {
    let line = |wave: &melouvert_tenant_template::Wave| {
        let names = wave
            .objects
            .iter()
            .map(|o| format!("{}/{}", o.resource.kind, o.name));
        format!("{}: {}", wave.name, names.collect::<Vec<_>>().join(" "))
    };
    rendered.waves.iter().map(line).collect()
}

#[test]
fn an_active_tenant() {
    let values: Vec<_> = rendered(Lifecycle::Active)
        .objects()
        .filter(|object| object.resource.kind != "Secret" && object.resource.kind != "ConfigMap")
        .map(|object| object.value.clone())
        .collect();
    insta::assert_yaml_snapshot!(values);
}

#[test]
fn waves_by_lifecycle() {
    insta::assert_yaml_snapshot!([
        order(&rendered(Lifecycle::Active)),
        order(&rendered(Lifecycle::Suspended)),
        order(&rendered(Lifecycle::Terminating)),
    ]);
}

#[test]
fn an_ending_tenant_keeps_everything_but_its_pod() {
    let (active, ending) = (
        rendered(Lifecycle::Active),
        rendered(Lifecycle::Terminating),
    );
    let replicas = |rendered: &Rendered| {
        find(rendered.objects(), "StatefulSet", "mail").value["spec"]["replicas"].clone()
    };
    assert_eq!((replicas(&active), replicas(&ending)), (1.into(), 0.into()));
    let claims = |rendered: &Rendered| {
        let kinds = rendered.objects().map(|o| o.resource.kind.clone());
        kinds.filter(|kind| kind == "PersistentVolumeClaim").count()
    };
    assert_eq!((claims(&active), claims(&ending)), (1, 0));
}

#[test]
fn the_same_input_gives_the_same_objects() {
    assert_eq!(rendered(Lifecycle::Active), rendered(Lifecycle::Active));
    for object in rendered(Lifecycle::Active).objects() {
        let annotation = &object.value["metadata"]["annotations"]["melouvert.fr/rendered-hash"];
        assert_eq!(annotation, &object.hash, "{object:?}");
        let mut bare = object.value.clone();
        let annotations = bare["metadata"]["annotations"].as_object_mut().unwrap();
        annotations.remove("melouvert.fr/rendered-hash");
        if annotations.is_empty() {
            bare["metadata"]
                .as_object_mut()
                .unwrap()
                .remove("annotations");
        }
        assert_eq!(
            melouvert_tenant_template::hash(&bare),
            object.hash,
            "{object:?}"
        );
        object.dynamic().unwrap();
    }
}

#[test]
fn what_the_pod_mounts_rolls_it_and_nothing_else_does() {
    let template = |change: &dyn Fn(&mut melouvert_tenant_template::Material)| {
        let mut material = material();
        change(&mut material);
        let rendered = render(&tenant(Lifecycle::Active), &material);
        find(rendered.objects(), "StatefulSet", "mail").hash.clone()
    };
    let same = template(&|_| ());
    assert_eq!(template(&|m| m.ca = support::pair("renewed")), same);
    for change in [
        (|m| m.server = support::pair("renewed")) as fn(&mut melouvert_tenant_template::Material),
        |m| m.client = support::pair("renewed"),
        |m| m.reader_password = support::secret("renewed"),
        |m| m.doveadm_api_key = support::secret("renewed"),
        |m| m.door_key = support::secret("renewed"),
        |m| m.dkim_rsa = None,
    ] {
        assert_ne!(template(&change), same);
    }
    let suspended = rendered(Lifecycle::Suspended);
    assert_ne!(find(suspended.objects(), "StatefulSet", "mail").hash, same);
}

#[test]
fn a_growing_quota_comes_before_what_grows() {
    let names = |rendered: &Rendered| rendered.waves.iter().map(|w| w.name).collect::<Vec<_>>();
    let first = rendered(Lifecycle::Active);
    assert_eq!(names(&first).last(), Some(&"quota"));
    let later = first.quota_before_workload();
    assert_eq!(names(&later)[4..], ["quota", "workload"]);
}

#[test]
fn certificates_carry_only_the_tenants_names() {
    let names = certificate_names(&tenant(Lifecycle::Active));
    let below = |name: &String| {
        names
            .ca_permitted_dns
            .iter()
            .any(|tree| name == tree || name.ends_with(&format!(".{tree}")))
    };
    assert!(names.server_dns_names.iter().all(below), "{names:?}");
    assert!(names.client_dns_names.iter().all(below), "{names:?}");
    insta::assert_debug_snapshot!(names);
}

#[test]
fn dns_records_to_publish() {
    let dkim = [("m1", 44), ("m2", 392)].map(|(selector, length)| DkimPublic {
        selector: selector.into(),
        txt: format!("v=DKIM1; p={}", "A".repeat(length)),
    });
    insta::assert_yaml_snapshot!(dns_records(&tenant(Lifecycle::Active), &dkim));
}
