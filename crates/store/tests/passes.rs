//! Passes over the accounts of a migration.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

mod common;

use std::sync::LazyLock;

use common::{Postgres, actor};
use melouvert_store::{AccountKey, EndedPass, NewPass, StoreError, TenantStore};
use serde_json::{Value, json};
use uuid::Uuid;

static POSTGRES: LazyLock<Postgres> = LazyLock::new(Postgres::start);

async fn begin(store: &TenantStore, uid: Uuid, account: &str, pass: i32) {
    let begun = json!({ "goal": pass });
    let new = NewPass {
        wave: "mairie",
        source_user: "ancien",
        target_user: "jeanne@caen.example",
        pass,
        begun: &begun,
    };
    let key = AccountKey { uid, account };
    store.pass_begin(key, &new).await.unwrap();
}

async fn end(
    store: &TenantStore,
    (uid, account, pass): (Uuid, &str, i32),
    report: Option<&Value>,
) -> Result<(), StoreError> {
    let done = json!({ "pass": pass, "ending": "complete", "goal": { "stage": "Presync" } });
    let ended = EndedPass {
        pass,
        done: &done,
        report,
    };
    let key = AccountKey { uid, account };
    store.pass_end(key, &ended, ("juin", &actor())).await
}

#[tokio::test]
async fn only_the_pass_under_way_is_told_and_ended() {
    let store = POSTGRES.tenant("217600014").await;
    let uid = Uuid::new_v4();
    let key = AccountKey { uid, account: "a" };
    let early = store.pass_progress(key, 1, &json!({})).await.unwrap_err();
    assert!(
        matches!(early, StoreError::Conflict { field: "pass", .. }),
        "{early:?}"
    );

    begin(&store, uid, "a", 1).await;
    store
        .pass_progress(key, 1, &json!({ "copied": 3 }))
        .await
        .unwrap();
    // An interrupted pass begins again under its number, a new one forgets the old one's progress.
    begin(&store, uid, "a", 1).await;
    assert_eq!(store.passes(uid).await.unwrap()[0].progress, None);
    end(&store, (uid, "a", 1), Some(&json!({ "n": 1 })))
        .await
        .unwrap();
    end(&store, (uid, "a", 1), Some(&json!({ "n": 9 })))
        .await
        .expect("told twice");
    begin(&store, uid, "a", 2).await;
    let late = end(&store, (uid, "a", 1), None).await.unwrap_err();
    assert!(
        matches!(late, StoreError::Conflict { field: "pass", .. }),
        "{late:?}"
    );
    // A lost answer to an older begin takes nothing back.
    begin(&store, uid, "a", 1).await;
    let row = &store.passes(uid).await.unwrap()[0];
    assert_eq!(
        (row.pass, row.done.as_ref().unwrap()["pass"].as_i64()),
        (2, Some(1))
    );

    // A pass that ended without a report leaves the former one.
    end(&store, (uid, "a", 2), None).await.unwrap();
    assert_eq!(
        store.pass_reports(uid).await.unwrap(),
        [("a".to_owned(), json!({ "n": 1 }))]
    );
    assert!(store.passes(Uuid::new_v4()).await.unwrap().is_empty());
    let told = store.journal(0, 10).await.unwrap();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[0].detail["account"], json!("jeanne@caen.example"));
}
