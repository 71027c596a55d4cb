//! A migration's objects.
// In helpers outside `#[test]` too, a fixture that is wrong fails the test.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use melouvert_tenant_template::{
    ACCOUNT_LENGTH, MIGRATION_NAME_MAXIMUM, Object, Pass, ValidatedMigration, render_migration,
    render_pass,
};
use support::{migration, pass, secret};

fn shared(migration: &ValidatedMigration) -> Vec<Object> {
    let waves = render_migration(migration);
    waves.into_iter().flat_map(|wave| wave.objects).collect()
}

#[test]
fn a_pass() {
    let mut objects = shared(&migration());
    objects.extend(render_pass(&migration(), &pass(), None));
    let values: Vec<_> = objects.into_iter().map(|object| object.value).collect();
    insta::assert_yaml_snapshot!(values);
}

fn arguments(migration: &ValidatedMigration, pass: &Pass) -> String {
    let objects = render_pass(migration, pass, None);
    let [job] = objects.as_slice() else {
        panic!("{objects:?}")
    };
    let found = job.value.pointer("/spec/template/spec/containers/0/args");
    found.unwrap().to_string()
}

#[test]
fn cleartext_and_public_roots_are_said() {
    let strict = arguments(&migration(), &pass());
    assert!(strict.contains("--source-ca") && strict.contains("imaps://ancien.caen.example:993"));
    let mut loose = migration();
    loose.source.ca = None;
    loose.source.allow_cleartext = true;
    let loose = arguments(&loose, &pass());
    assert!(!loose.contains("--source-ca") && loose.contains("\"imap://ancien.caen.example:993\""));
}

#[test]
fn a_way_to_log_in_is_said() {
    let plain = arguments(&migration(), &pass());
    assert!(!plain.contains("--source-auth") && !plain.contains("--source-master"));
    let mut other = migration();
    other.source.start_tls = true;
    other.source.auth = melouvert_api::migration::AuthSchema::Plain;
    other.source.master = Some("cyrus".into());
    let other = arguments(&other, &pass());
    assert!(other.contains("\"imap+starttls://ancien.caen.example:993\""));
    assert!(other.contains("\"--source-auth\",\"plain\",\"--source-master\",\"cyrus\""));
}

#[test]
fn a_pass_has_its_share_and_its_depth() {
    let bounded = arguments(&migration(), &pass());
    assert!(bounded.contains("\"--max-connections\",\"2\"") && !bounded.contains("--verify-all"));
    let free = Pass {
        connections: None,
        bytes_per_second: None,
        verify_all: true,
        ..pass()
    };
    let free = arguments(&migration(), &free);
    assert!(!free.contains("--max-connections") && !free.contains("--limit-rate"));
    assert!(free.contains("--verify-all"));
}

#[test]
fn a_pass_through_the_door() {
    let mut migration = migration();
    migration.door = true;
    let objects = render_pass(&migration, &pass(), Some(&secret("door")));
    let values: Vec<_> = objects.into_iter().map(|object| object.value).collect();
    insta::assert_yaml_snapshot!(values);
}

#[test]
fn the_door_opens_to_one_account_of_one_space() {
    let password = |user: &str, key: &str| {
        let mut pass = pass();
        pass.target_user = user.into();
        let objects = render_pass(&migration(), &pass, Some(&secret(key)));
        objects[0].value["data"]["password"].clone()
    };
    let jeanne = password("jeanne@caen.example", "caen");
    assert!(jeanne.is_string());
    assert_eq!(jeanne, password("jeanne@caen.example", "caen"));
    assert_ne!(jeanne, password("paul@caen.example", "caen"));
    assert_ne!(jeanne, password("jeanne@caen.example", "rouen"));
}

#[test]
fn the_longest_name_fits_a_job() {
    let mut long = migration();
    long.name = "x".repeat(MIGRATION_NAME_MAXIMUM).parse().unwrap();
    assert_eq!(long.job_name(&"0".repeat(ACCOUNT_LENGTH)).len(), 63);
}
