//! The platform's own objects.
// In helpers outside `#[test]` too, a fixture that is wrong fails the test.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use melouvert_domain::{NamespaceName, Siren};
use melouvert_tenant_template::{Route, platform_names, render_platform, render_relay_maps};
use support::platform;

fn route(domain: &str, siren: &str) -> Route {
    Route {
        domain: domain.parse().unwrap(),
        namespace: NamespaceName::of(&siren.parse::<Siren>().unwrap()),
        junk: siren == "217605401",
    }
}

#[test]
fn the_platforms_objects() {
    let (settings, material) = platform();
    let objects = render_platform(&settings, &material);
    let described: Vec<_> = objects
        .iter()
        .map(|object| {
            let keys = object.value["data"].as_object().unwrap().keys();
            let keys: Vec<_> = keys.map(String::as_str).collect();
            format!("{object:?}: {}", keys.join(" "))
        })
        .collect();
    insta::assert_yaml_snapshot!(described);
}

#[test]
fn an_outside_database_is_not_ours_to_configure() {
    let (mut settings, material) = platform();
    settings.embedded_database = false;
    let objects = render_platform(&settings, &material);
    assert!(
        objects
            .iter()
            .all(|object| !object.name.contains("postgresql"))
    );
}

#[test]
fn maps_do_not_depend_on_the_order_of_tenants() {
    let caen = route("caen.example", "211401187");
    let rouen = route("rouen.example", "217605401");
    let maps = |routes: &[Route]| render_relay_maps("melouvert-system", routes);
    let both = maps(&[rouen.clone(), caen.clone(), caen.clone()]);
    assert_eq!(both, maps(&[caen, rouen]));
    insta::assert_yaml_snapshot!(both.value);
}

#[test]
fn names_of_the_platforms_certificates() {
    let names = platform_names(&platform().0);
    for list in [
        &names.database,
        &names.relay_in,
        &names.relay_out,
        &names.api,
    ] {
        assert!(list[0].len() <= 64, "{list:?}");
    }
    insta::assert_debug_snapshot!(names);
}
