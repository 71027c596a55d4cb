//! What was made once is never made again by itself.
// In helpers outside `#[test]` too, a fixture that is wrong fails the test.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use common::{Postgres, actor, open, open_if};
use melouvert_store::{Entry, MayMake, PlatformStore, StoreError};

const CAEN: &str = "211401187";
const ROUEN: &str = "217605401";

fn assert_lost<T: std::fmt::Debug>(outcome: &Result<T, StoreError>, name: &str) {
    assert!(
        matches!(outcome, Err(StoreError::Gone { database }) if database == name),
        "{outcome:?}"
    );
}

async fn run(postgres: &Postgres, database: &str, statement: &'static str) {
    let mut superuser = postgres.superuser(database).await;
    sqlx::raw_sql(statement)
        .execute(&mut superuser)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_lost_database_is_not_made_again() {
    let postgres = Postgres::start();
    let platform = postgres.platform().await;
    open(&platform, CAEN).await.unwrap();
    let entries = platform.journal(0, 10).await.unwrap();
    run(
        &postgres,
        "postgres",
        "drop database col_211401187 with (force)",
    )
    .await;
    // The platform knows of it; whoever else saw it makes no difference.
    for may_make in [MayMake::First, MayMake::Never] {
        assert_lost(&open_if(&platform, CAEN, may_make).await, "col_211401187");
    }
    // One made by hand, to restore into, is not filled either.
    run(&postgres, "postgres", "create database col_211401187").await;
    run(
        &postgres,
        "melouvert_platform",
        "update tenant set schema_version = 1",
    )
    .await;
    assert_lost(&open(&platform, CAEN).await, "col_211401187");
    let after = platform.journal(0, 10).await.unwrap();
    assert_eq!(after, entries, "nothing was done");
    // The control, and the way out: another is made, and this one once somebody answers for it.
    open(&platform, ROUEN).await.unwrap();
    run(&postgres, "postgres", "drop database col_211401187").await;
    open_if(&platform, CAEN, MayMake::Anew).await.unwrap();
    open_if(&platform, CAEN, MayMake::Never).await.unwrap();
}

#[tokio::test]
async fn an_inventory_older_than_the_space_changes_nothing() {
    let postgres = Postgres::start();
    let platform = postgres.platform().await;
    open(&platform, CAEN).await.unwrap();
    // The platform's database was restored from before the space was opened, and its own is gone.
    run(&postgres, "melouvert_platform", "delete from tenant").await;
    run(
        &postgres,
        "postgres",
        "drop database col_211401187 with (force)",
    )
    .await;
    let seen = open_if(&platform, CAEN, MayMake::Never).await;
    assert_lost(&seen, "col_211401187");
    // The same with its own still there: taken in again.
    let store = open_if(&platform, ROUEN, MayMake::First).await.unwrap();
    store.agents().await.unwrap();
    run(&postgres, "melouvert_platform", "delete from tenant").await;
    open_if(&platform, ROUEN, MayMake::Never).await.unwrap();
}

#[tokio::test]
async fn the_platforms_database_is_not_made_again_either() {
    let postgres = Postgres::start();
    let first = PlatformStore::connect(&postgres.server, MayMake::Never).await;
    assert_lost(&first, "melouvert_platform");
    run(&postgres, "postgres", "create database melouvert_platform").await;
    let empty = PlatformStore::connect(&postgres.server, MayMake::Never).await;
    assert_lost(&empty, "melouvert_platform");
    PlatformStore::connect(&postgres.server, MayMake::First)
        .await
        .unwrap();
    PlatformStore::connect(&postgres.server, MayMake::Never)
        .await
        .unwrap();
}

#[tokio::test]
async fn two_writers_at_once_write_an_entry_once() {
    let postgres = Postgres::start();
    let store = postgres.tenant(CAEN).await;
    let entry = |generation: i64| {
        let detail = serde_json::json!({ "uid": "u", "generation": generation, "other": 1 });
        Entry::new(
            &actor(),
            "collectivity.spec-changed",
            "col-211401187",
            detail,
        )
    };
    let tasks: Vec<_> = (0..8)
        .map(|turn| {
            let (store, entry) = (store.clone(), entry(turn % 2));
            tokio::spawn(async move {
                store
                    .journal_append_once(entry, &["uid", "generation"])
                    .await
            })
        })
        .collect();
    let mut new = 0;
    for task in tasks {
        new += usize::from(task.await.unwrap().unwrap());
    }
    let entries = store.journal(0, 100).await.unwrap();
    assert_eq!((new, entries.len()), (2, 2), "{entries:?}");
    // Another action, subject or key is another entry.
    let mut other = entry(0);
    other.subject = "col-217605401".into();
    assert!(store.journal_append_once(other, &["uid"]).await.unwrap());
    assert!(
        store
            .journal_says("collectivity.spec-changed", "col-217605401")
            .await
            .unwrap()
    );
    assert!(!store.journal_says("space.provisioned", "x").await.unwrap());
}
