//! The journal on a real server: concurrent writers, tampering, atomicity.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

mod common;

use std::{collections::BTreeSet, sync::LazyLock};

use common::{Postgres, actor, agent};
use melouvert_store::{Actor, BreakReason, BrokenLink, Entry, StoreError, TenantStore};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection};

static POSTGRES: LazyLock<Postgres> = LazyLock::new(Postgres::start);

fn entry(number: u32) -> Entry {
    Entry::new(
        &actor(),
        "test.done",
        "subject",
        json!({ "n": number, "é": [true, null, "\u{1}"] }),
    )
}

/// A tenant with five entries.
async fn five(siren: &str) -> TenantStore {
    let store = POSTGRES.tenant(siren).await;
    for number in 1..=5 {
        store.journal_append(entry(number)).await.unwrap();
    }
    store.journal_verify().await.expect("the positive control");
    store
}

/// Runs statements with the triggers off, as somebody with all rights could.
async fn tamper(siren: &str, sql: &str) {
    let mut superuser = POSTGRES.superuser(&format!("col_{siren}")).await;
    let sql = format!(
        "alter table journal disable trigger all; {sql}; alter table journal enable trigger all"
    );
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(&mut superuser)
        .await
        .unwrap();
    superuser.close().await.unwrap();
}

async fn broken(store: &TenantStore) -> BrokenLink {
    match store.journal_verify().await {
        Err(StoreError::BrokenJournal(link)) => link,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_writers_make_one_chain() {
    let store = POSTGRES.tenant("211401187").await;
    let platform = POSTGRES.platform().await;
    let writers: Vec<_> = (0..16)
        .map(|writer| {
            let (store, platform) = (store.clone(), platform.clone());
            tokio::spawn(async move {
                for round in 0..10 {
                    store.journal_append(entry(writer * 10 + round)).await?;
                }
                platform.journal_append(entry(writer)).await
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
    let verified = store.journal_verify().await.unwrap();
    assert_eq!(verified.entries, 160);
    assert_eq!(verified.head.unwrap().seq, 160);
    let written: BTreeSet<u64> = store
        .journal(0, 1000)
        .await
        .unwrap()
        .iter()
        .map(|sealed| sealed.detail["n"].as_u64().unwrap())
        .collect();
    assert_eq!(written.len(), 160, "each entry once");
    assert!(platform.journal_verify().await.unwrap().entries >= 16);
}

#[tokio::test]
async fn pages_follow_one_another() {
    let store = five("217605401").await;
    let mut after = 0;
    let mut seen = Vec::new();
    loop {
        let page = store.journal(after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.seq;
        seen.extend(page.iter().map(|sealed| sealed.seq));
    }
    assert_eq!(seen, [1, 2, 3, 4, 5]);
    let all = store.journal(0, 10).await.unwrap();
    assert_eq!(all[1].previous, all[0].hash);
    assert_eq!(all[0].previous, "0".repeat(64));
    assert_eq!(all[0].actor, "jeanne@hebergeur");
}

#[tokio::test]
async fn rows_cannot_be_changed_with_the_triggers_on() {
    five("552032534").await;
    let mut superuser = POSTGRES.superuser("col_552032534").await;
    for sql in [
        "update journal set actor = 'nobody' where seq = 3",
        "delete from journal where seq = 5",
        "truncate journal",
        "set session_replication_role = replica; delete from journal where seq = 5",
    ] {
        let refused = sqlx::raw_sql(sql)
            .execute(&mut superuser)
            .await
            .unwrap_err();
        assert!(
            refused.to_string().contains("append-only"),
            "{sql}: {refused}"
        );
    }
}

#[tokio::test]
async fn an_altered_row_is_named() {
    let store = five("356000000").await;
    tamper(
        "356000000",
        "update journal set detail = '{\"n\": 9}' where seq = 3",
    )
    .await;
    let link = broken(&store).await;
    assert_eq!((link.seq, link.reason), (3, BreakReason::Content));
    assert!(link.expected.len() == 64 && link.found.len() == 64 && link.expected != link.found);
}

#[tokio::test]
async fn a_removed_row_is_named() {
    let store = five("217600014").await;
    tamper("217600014", "delete from journal where seq = 2").await;
    let link = broken(&store).await;
    assert_eq!((link.seq, link.reason), (2, BreakReason::Missing));
}

#[tokio::test]
async fn a_closed_gap_is_named() {
    let store = five("211400015").await;
    let sql = "delete from journal where seq = 2;
               update journal set seq = 2 where seq = 3;
               update journal set seq = 3 where seq = 4;
               update journal set seq = 4 where seq = 5";
    tamper("211400015", sql).await;
    let link = broken(&store).await;
    assert_eq!((link.seq, link.reason), (2, BreakReason::Previous));
}

#[tokio::test]
async fn reordered_rows_are_named() {
    let store = five("211400023").await;
    let sql = "update journal set seq = 99 where seq = 3;
               update journal set seq = 3 where seq = 4;
               update journal set seq = 4 where seq = 99";
    tamper("211400023", sql).await;
    let link = broken(&store).await;
    assert_eq!((link.seq, link.reason), (3, BreakReason::Previous));
}

#[tokio::test]
async fn a_failing_entry_undoes_the_change() {
    let store = POSTGRES.tenant("211400031").await;
    let new = agent("jeanne@caen.example");
    tamper(
        "211400031",
        "alter table journal add constraint closed check (action <> 'agent.added')",
    )
    .await;
    let failed = store.agent_add(&new, 10, &actor()).await.unwrap_err();
    assert!(matches!(failed, StoreError::Query(_)), "{failed:?}");
    assert_eq!(store.agents().await.unwrap(), []);
    tamper("211400031", "alter table journal drop constraint closed").await;
    store.agent_add(&new, 10, &actor()).await.unwrap();
    assert_eq!(store.journal(0, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_sealed_is_refused() {
    let store = POSTGRES.tenant("211400049").await;
    assert!(Actor::new(" ").is_err());
    for detail in [json!(1.5), json!("a\0b")] {
        let refused = store
            .journal_append(Entry::new(&actor(), "test.done", "subject", detail))
            .await
            .unwrap_err();
        assert!(
            matches!(
                refused,
                StoreError::Invalid {
                    field: "detail",
                    ..
                }
            ),
            "{refused:?}"
        );
    }
    assert_eq!(store.journal_verify().await.unwrap().entries, 0);
}
