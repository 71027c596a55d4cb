//! Reports of migrations.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

mod common;

use std::sync::LazyLock;

use common::{Postgres, actor};
use melouvert_domain::ResourceName;
use melouvert_store::{NewReport, ReportKey, StoreError, TenantStore};
use serde_json::json;
use sqlx::Connection;
use uuid::Uuid;

static POSTGRES: LazyLock<Postgres> = LazyLock::new(Postgres::start);

async fn put(
    store: &TenantStore,
    (migration, uid, run): (&ResourceName, Uuid, i32),
    hash: &str,
) -> Result<(), StoreError> {
    let key = ReportKey {
        migration,
        uid,
        run,
    };
    store.report_put(key, signed("{}", hash), &actor()).await
}

fn signed<'a>(text: &'a str, hash: &'a str) -> NewReport<'a> {
    NewReport {
        text,
        hash,
        signature: "-----BEGIN CMS-----",
        signer: "f1",
    }
}

#[tokio::test]
async fn reports_come_back_as_they_were_sent() {
    let store = POSTGRES.tenant("217600014").await;
    let name = "caen-2026".parse().unwrap();
    let uid = Uuid::new_v4();
    let absent = store.report_get(&name, None).await.unwrap_err();
    assert!(
        matches!(absent, StoreError::NotFound { what: "report", .. }),
        "{absent:?}"
    );
    // A signature covers bytes: neither blanks nor the order of keys may change.
    let report = "{ \"z\": 1e20,\r\n\"a\": [1.0, 18446744073709551615], \"é\": \"\\u00e9\" }\n";
    put(&store, (&name, uid, 1), "first").await.unwrap();
    for times in ["once", "twice"] {
        let key = ReportKey {
            migration: &name,
            uid,
            run: 2,
        };
        let put = store
            .report_put(key, signed(report, "second"), &actor())
            .await;
        put.unwrap_or_else(|error| panic!("sent {times}: {error}"));
    }
    let found = store.report_get(&name, Some(uid)).await.unwrap();
    assert_eq!((found.run, found.hash.as_str()), (2, "second"));
    assert_eq!(found.text, report);
    assert_eq!(found.signature.as_deref(), Some("-----BEGIN CMS-----"));
    let other = put(&store, (&name, uid, 2), "third").await.unwrap_err();
    assert!(
        matches!(other, StoreError::Conflict { field: "run", .. }),
        "{other:?}"
    );
    let told = store.journal(0, 10).await.unwrap();
    assert_eq!(told.len(), 2);
    assert_eq!(told[1].detail["signer"], json!("f1"));
}

/// Sixty megabytes: more than a session of the database has, and each copy counts.
#[tokio::test]
async fn a_long_report_fits_a_sessions_memory() {
    let store = POSTGRES.tenant("356000000").await;
    let name = "rouen-2026".parse().unwrap();
    let line =
        |n: u32| format!("{{\"folder\": \"INBOX\", \"uid\": {n}, \"reason\": \"unreadable\"}}");
    let lines: Vec<String> = (0..1_100_000).map(line).collect();
    let text = format!("[{}]", lines.join(","));
    assert!(text.len() > 60_000_000, "{}", text.len());
    let key = ReportKey {
        migration: &name,
        uid: Uuid::new_v4(),
        run: 1,
    };
    let actor = actor();
    let put = store.report_put(key, signed(&text, "long"), &actor).await;
    put.unwrap();
    assert!(store.report_get(&name, None).await.unwrap().text == text);
}

#[tokio::test]
async fn a_migration_made_again_under_its_name_has_its_own_reports() {
    let store = POSTGRES.tenant("217605401").await;
    let name = "rouen-2026".parse().unwrap();
    let (first, second) = (Uuid::new_v4(), Uuid::new_v4());
    put(&store, (&name, first, 1), "a").await.unwrap();
    put(&store, (&name, first, 2), "b").await.unwrap();
    let none = store.report_get(&name, Some(second)).await.unwrap_err();
    assert!(matches!(none, StoreError::NotFound { .. }), "{none:?}");

    put(&store, (&name, second, 1), "c").await.unwrap();
    put(&store, (&name, second, 1), "c").await.unwrap();
    let hash = async |uid| store.report_get(&name, uid).await.unwrap().hash;
    assert_eq!(hash(Some(first)).await, "b");
    assert_eq!(hash(Some(second)).await, "c");
    assert_eq!(hash(None).await, "c", "the last received, not the last run");
    let told: Vec<_> = store.journal(0, 10).await.unwrap();
    assert_eq!(told.len(), 3);
    assert_eq!(told[2].detail["uid"], json!(second));
}

/// A report that an earlier release kept belongs to whoever bears the name, and bars nothing.
#[tokio::test]
async fn a_report_without_uid_still_counts() {
    let store = POSTGRES.tenant("211401187").await;
    let name = "ancien".parse().unwrap();
    let mut superuser = POSTGRES.superuser("col_211401187").await;
    sqlx::query("insert into migration_report (migration, run, report, hash) values ('ancien', 1, '{}', 'old')")
        .execute(&mut superuser)
        .await
        .unwrap();
    superuser.close().await.unwrap();
    let uid = Uuid::new_v4();
    let hash = async |uid| store.report_get(&name, uid).await.unwrap().hash;
    assert_eq!(hash(Some(uid)).await, "old");
    let unsigned = store.report_get(&name, None).await.unwrap();
    assert_eq!((unsigned.text.as_str(), unsigned.signature), ("{}", None));
    put(&store, (&name, uid, 1), "new").await.unwrap();
    assert_eq!(hash(Some(uid)).await, "new");
}
