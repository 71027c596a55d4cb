//! Opening, repairing and erasing tenants' databases.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

mod common;

use common::{Postgres, READER, actor, agent, as_user, open, siren};
use melouvert_store::{BreakReason, MayMake, PlatformStore, StoreError, TenantDb};
use secrecy::SecretString;
use sqlx::{Connection, PgConnection};

const CAEN: &str = "211401187";

/// The next transaction number: any write anywhere in the server moves it.
async fn next_write(superuser: &mut PgConnection) -> String {
    sqlx::query_scalar("select pg_snapshot_xmax(pg_current_snapshot())::text")
        .fetch_one(superuser)
        .await
        .unwrap()
}

async fn count(superuser: &mut PgConnection, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(superuser).await.unwrap()
}

#[tokio::test]
async fn the_second_call_writes_nothing() {
    let postgres = Postgres::start();
    let platform = postgres.platform().await;
    let domains = [
        "caen.example".parse().unwrap(),
        "ville.caen.example".parse().unwrap(),
    ];
    let mut superuser = postgres.superuser("melouvert_platform").await;
    let before = next_write(&mut superuser).await;
    let store = open(&platform, CAEN).await.unwrap();
    store.ensure_postmaster(&domains, &actor()).await.unwrap();
    store.agents().await.unwrap();
    let opened = next_write(&mut superuser).await;
    assert_ne!(before, opened, "the positive control");

    let again = postgres.platform().await;
    for platform in [&platform, &again] {
        let store = open(platform, CAEN).await.unwrap();
        store.ensure_postmaster(&domains, &actor()).await.unwrap();
        assert_eq!(store.agents().await.unwrap().len(), 1);
    }
    assert_eq!(next_write(&mut superuser).await, opened);
    let entries = platform.journal(0, 10).await.unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].actor, "jeanne@hebergeur");
    assert_eq!(
        entries[0].detail["changed"],
        serde_json::json!([
            "roles", "database", "grants", "password", "login", "public", "schema"
        ])
    );
}

#[tokio::test]
async fn what_was_broken_is_repaired() {
    let postgres = Postgres::start();
    let platform = postgres.platform().await;
    open(&platform, CAEN).await.unwrap();
    let mut superuser = postgres.superuser("melouvert_platform").await;
    sqlx::raw_sql("grant connect on database col_211401187 to public")
        .execute(&mut superuser)
        .await
        .unwrap();
    open(&platform, CAEN).await.unwrap();
    let entries = platform.journal(1, 10).await.unwrap();
    assert_eq!(entries[0].detail["changed"], serde_json::json!(["grants"]));

    let rotated = SecretString::from("another-k7mq2xpz4hrt");
    let tenant = TenantDb {
        siren: &siren(CAEN),
        reader_password: &rotated,
        may_make: MayMake::First,
    };
    platform.ensure_tenant(&tenant, &actor()).await.unwrap();
    let login = |password| postgres.login("col_211401187_reader", password, "col_211401187");
    assert!(login(READER).await.is_err());
    login("another-k7mq2xpz4hrt").await.unwrap();
}

#[tokio::test]
async fn many_workers_open_one_tenant_once() {
    let postgres = Postgres::start();
    let tasks: Vec<_> = (0..6)
        .map(|_| {
            let server = postgres.server.clone();
            tokio::spawn(async move {
                // Each with its own pools, as after a restart of the operator.
                let platform = PlatformStore::connect(&server, MayMake::First).await?;
                open(&platform, CAEN).await?.agents().await
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(
        postgres
            .platform()
            .await
            .journal(0, 10)
            .await
            .unwrap()
            .len(),
        1
    );
}

/// A hoster's own server, where the operator is no superuser.
#[tokio::test]
async fn createdb_and_createrole_are_enough() {
    let postgres = Postgres::start();
    let mut superuser = postgres.superuser("postgres").await;
    sqlx::raw_sql("create role hoster login createdb createrole password 'hoster-password'")
        .execute(&mut superuser)
        .await
        .unwrap();
    let server = as_user(&postgres.server, "hoster", &"hoster-password".into());
    let platform = PlatformStore::connect(&server, MayMake::First)
        .await
        .unwrap();
    let store = open(&platform, CAEN).await.unwrap();
    store
        .agent_add(&agent("jeanne@caen.example"), 10, &actor())
        .await
        .unwrap();
    open(
        &PlatformStore::connect(&server, MayMake::First)
            .await
            .unwrap(),
        CAEN,
    )
    .await
    .unwrap();
    let reader = postgres
        .login("col_211401187_reader", READER, "col_211401187")
        .await
        .unwrap();
    platform.erase_tenant(&siren(CAEN), &actor()).await.unwrap();
    drop(reader);
    assert_eq!(
        count(
            &mut superuser,
            "select count(*) from pg_roles where rolname like 'col\\_%'"
        )
        .await,
        0
    );
}

#[tokio::test]
async fn erasure_leaves_the_head_in_the_platforms_journal() {
    let postgres = Postgres::start();
    let platform = postgres.platform().await;
    let caen = siren(CAEN);
    let store = open(&platform, CAEN).await.unwrap();
    store
        .agent_add(&agent("jeanne@caen.example"), 10, &actor())
        .await
        .unwrap();
    store
        .agent_add(&agent("paul@caen.example"), 10, &actor())
        .await
        .unwrap();
    let head = store.journal_verify().await.unwrap().head.unwrap();
    // A mail server that is still connected must not keep the data alive.
    let _reader = postgres
        .login("col_211401187_reader", READER, "col_211401187")
        .await
        .unwrap();

    platform.erase_tenant(&caen, &actor()).await.unwrap();
    let mut superuser = postgres.superuser("melouvert_platform").await;
    for left in [
        "select count(*) from pg_database where datname like 'col\\_%'",
        "select count(*) from pg_roles where rolname like 'col\\_%'",
        "select count(*) from tenant where erased_at is null",
    ] {
        assert_eq!(count(&mut superuser, left).await, 0, "{left}");
    }
    let last = platform.journal(0, 100).await.unwrap().pop().unwrap();
    assert_eq!(last.action, "tenant.erased");
    assert_eq!(
        last.detail["journal_head"],
        serde_json::to_value(&head).unwrap()
    );
    let gone = platform.tenant(&caen).await.unwrap_err();
    assert!(
        matches!(gone, StoreError::NotFound { what: "tenant", .. }),
        "{gone:?}"
    );

    platform
        .erase_tenant(&caen, &actor())
        .await
        .expect("nothing left to do");
    assert_eq!(platform.journal(last.seq, 10).await.unwrap(), []);

    let reopened = open(&platform, CAEN).await.unwrap();
    assert_eq!(reopened.agents().await.unwrap(), []);
    let verified = reopened.journal_verify().await.unwrap();
    assert_eq!(
        verified.anchor, None,
        "the former chain's anchors do not count"
    );
    platform.journal_verify().await.unwrap();
}

#[tokio::test]
async fn an_anchored_tail_cannot_be_cut() {
    let postgres = Postgres::start();
    let platform = postgres.platform().await;
    let store = open(&platform, CAEN).await.unwrap();
    for name in ["anne", "jeanne", "paul"] {
        let new = agent(&format!("{name}@caen.example"));
        store.agent_add(&new, 10, &actor()).await.unwrap();
    }
    platform
        .anchor_tenant(&siren(CAEN), &actor(), false)
        .await
        .unwrap();
    platform
        .anchor_tenant(&siren(CAEN), &actor(), false)
        .await
        .unwrap();
    assert_eq!(
        platform.journal(1, 10).await.unwrap().len(),
        1,
        "one anchor per head"
    );
    store.journal_verify().await.unwrap();
    let mut superuser = postgres.superuser("col_211401187").await;
    sqlx::raw_sql("alter table journal disable trigger all; delete from journal where seq > 1")
        .execute(&mut superuser)
        .await
        .unwrap();
    superuser.close().await.unwrap();
    match store.journal_verify().await.unwrap_err() {
        StoreError::BrokenJournal(link) => {
            assert_eq!((link.seq, link.reason), (2, BreakReason::Cut));
        }
        other => panic!("{other:?}"),
    }
    // Nor forgotten: the next anchor does not take the place of the known one.
    for _ in 0..2 {
        let refused = platform.anchor_tenant(&siren(CAEN), &actor(), false).await;
        let told = platform.confirm_tenant(&siren(CAEN), None).await;
        for outcome in [refused.map(drop), told] {
            assert!(
                matches!(&outcome, Err(StoreError::BrokenJournal(link)) if link.reason == BreakReason::Cut),
                "{outcome:?}"
            );
        }
    }
    // Unless somebody answers for it, which is written down.
    platform
        .anchor_tenant(&siren(CAEN), &actor(), true)
        .await
        .unwrap();
    platform.confirm_tenant(&siren(CAEN), None).await.unwrap();
    let last = platform.journal(2, 10).await.unwrap();
    let actions: Vec<_> = last.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["journal.accepted", "journal.anchored"]);
    assert_eq!(last[0].detail["known"]["seq"], 3);
}

#[tokio::test]
async fn a_restarted_server_is_found_again() {
    let postgres = Postgres::start();
    let platform = postgres.platform().await;
    let store = open(&platform, CAEN).await.unwrap();
    store.agents().await.unwrap();
    let mut superuser = postgres.superuser("postgres").await;
    // What a restart does to every open connection.
    sqlx::query(
        "select pg_terminate_backend(pid) from pg_stat_activity
         where pid <> pg_backend_pid() and backend_type = 'client backend'",
    )
    .execute(&mut superuser)
    .await
    .unwrap();
    platform.ping().await.unwrap();
    store.agents().await.unwrap();
}

#[tokio::test]
async fn a_weak_reader_password_is_refused() {
    let postgres = Postgres::start();
    let platform = postgres.platform().await;
    for bad in ["court", "espace dans le mot", "accentué-accentué"] {
        let tenant = TenantDb {
            siren: &siren(CAEN),
            reader_password: &bad.into(),
            may_make: MayMake::First,
        };
        let refused = platform.ensure_tenant(&tenant, &actor()).await.unwrap_err();
        assert!(
            matches!(
                refused,
                StoreError::Invalid {
                    field: "reader_password",
                    ..
                }
            ),
            "{bad}: {refused:?}"
        );
    }
}
