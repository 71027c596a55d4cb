//! A migration's objects.
// In helpers outside `#[test]` too, a fixture that is wrong fails the test.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use melouvert_tenant_template::{
    MIGRATION_NAME_MAXIMUM, Object, ValidatedMigration, render_migration,
};
use support::{find, migration};

fn objects(migration: &ValidatedMigration) -> Vec<Object> {
    let waves = render_migration(migration);
    waves.into_iter().flat_map(|wave| wave.objects).collect()
}

#[test]
fn a_run() {
    let values: Vec<_> = objects(&migration()).into_iter().map(|o| o.value).collect();
    insta::assert_yaml_snapshot!(values);
}

#[test]
fn another_run_shares_the_state() {
    let first = migration();
    let mut second = migration();
    second.run += 1;
    let (first, second) = (objects(&first), objects(&second));
    let all = first.len();
    let same = first
        .iter()
        .filter(|object| second.contains(object))
        .count();
    assert_eq!(same, all - 1, "all but the Job");
    find(&second, "Job", "migration-vague-1-4");
}

#[test]
fn cleartext_and_public_roots_are_said() {
    let arguments = |migration: &ValidatedMigration| {
        let job = objects(migration).pop().unwrap();
        job.value
            .pointer("/spec/template/spec/containers/0/args")
            .unwrap()
            .to_string()
    };
    let strict = arguments(&migration());
    assert!(strict.contains("--source-ca") && !strict.contains("--allow-cleartext"));
    let mut loose = migration();
    loose.source.ca = None;
    loose.source.allow_cleartext = true;
    let loose = arguments(&loose);
    assert!(!loose.contains("--source-ca") && loose.contains("--allow-cleartext"));
}

#[test]
fn the_longest_name_fits_a_job() {
    let mut long = migration();
    long.name = "x".repeat(MIGRATION_NAME_MAXIMUM).parse().unwrap();
    long.run = u32::MAX;
    assert_eq!(long.job_name().len(), 63);
}
