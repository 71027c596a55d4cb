//! The chart's CustomResourceDefinitions are those of the code.

use std::{fs, path::Path};

#[test]
fn the_chart_holds_the_crds_of_the_code() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../charts/melouvert-crds/templates");
    for (name, yaml) in melouvert_api::crds::files().unwrap() {
        let kept = fs::read_to_string(dir.join(&name)).unwrap_or_default();
        assert!(
            kept == yaml,
            "{name} is stale: run `cargo xtask crds` and commit the result"
        );
    }
}
