//! Agents, their limits, and reports, on a real server.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

mod common;

use std::sync::LazyLock;

use common::{Postgres, READER, actor, agent};
use melouvert_domain::MailDomain;
use melouvert_store::{AgentKind, NewAgent, StoreError, password};
use rand::{SeedableRng, rngs::StdRng};
use sqlx::Row;

static POSTGRES: LazyLock<Postgres> = LazyLock::new(Postgres::start);

#[tokio::test]
async fn an_agents_life() {
    let store = POSTGRES.tenant("211401187").await;
    let address = "jeanne@caen.example".parse().unwrap();
    let added = store
        .agent_add(&agent("jeanne@caen.example"), 10, &actor())
        .await
        .unwrap();
    assert_eq!(
        (added.kind, added.has_password, added.enabled),
        (AgentKind::Agent, false, true)
    );
    assert_eq!(store.agents().await.unwrap(), [added]);

    let hash = password::hash(&"Vache-9-bleue!".into(), &mut StdRng::seed_from_u64(1)).unwrap();
    store
        .agent_set_password(&address, &hash, &actor())
        .await
        .unwrap();
    assert!(store.agent(&address).await.unwrap().has_password);
    let mut reader = POSTGRES
        .login("col_211401187_reader", READER, "col_211401187")
        .await
        .unwrap();
    let row = sqlx::query("select username, password, quota_bytes from mail_login")
        .fetch_one(&mut reader)
        .await
        .unwrap();
    assert_eq!(row.get::<String, _>(0), "jeanne@caen.example");
    assert_eq!(row.get::<String, _>(1), hash.as_str());
    assert_eq!(row.get::<i64, _>(2), 1 << 30);

    store.agent_remove(&address, &actor()).await.unwrap();
    for gone in [
        store.agent_remove(&address, &actor()).await.unwrap_err(),
        store
            .agent_set_password(&address, &hash, &actor())
            .await
            .unwrap_err(),
    ] {
        assert!(
            matches!(gone, StoreError::NotFound { what: "agent", .. }),
            "{gone:?}"
        );
    }
    let journal = store.journal(0, 10).await.unwrap();
    let actions: Vec<&str> = journal
        .iter()
        .map(|sealed| sealed.action.as_str())
        .collect();
    assert_eq!(
        actions,
        ["agent.added", "agent.password.set", "agent.removed"]
    );
    assert!(
        !serde_json::to_string(&journal)
            .unwrap()
            .contains("argon2id"),
        "no hash either"
    );
}

#[tokio::test]
async fn an_import_is_all_or_nothing() {
    let store = POSTGRES.tenant("217605401").await;
    let domains = [
        "rouen.example".parse().unwrap(),
        "ville.rouen.example".parse().unwrap(),
    ];
    store.ensure_postmaster(&domains, &actor()).await.unwrap();
    store
        .agent_add(&agent("paul@rouen.example"), 10, &actor())
        .await
        .unwrap();
    for (taken, why) in [
        ("paul@rouen.example", "an agent"),
        ("postmaster@ville.rouen.example", "an alias"),
        ("anne@rouen.example", "twice in the list"),
    ] {
        let list = ["anne@rouen.example", "jules@rouen.example", taken].map(agent);
        let refused = store.agents_import(&list, 10, &actor()).await.unwrap_err();
        match refused {
            StoreError::Conflict {
                field: "address",
                value,
            } => assert_eq!(value, taken, "{why}"),
            other => panic!("{why}: {other:?}"),
        }
    }
    let bad = NewAgent {
        display_name: "a\0b".into(),
        ..agent("zoe@rouen.example")
    };
    let list = [agent("anne@rouen.example"), bad];
    let refused = store.agents_import(&list, 10, &actor()).await.unwrap_err();
    assert!(
        matches!(
            refused,
            StoreError::Invalid {
                field: "display_name",
                ..
            }
        ),
        "{refused:?}"
    );
    assert_eq!(
        store.allocated().await.unwrap().agents,
        1,
        "nothing was imported"
    );
    assert_eq!(store.journal(0, 10).await.unwrap().len(), 2);

    let list = ["anne@rouen.example", "jules@rouen.example"].map(agent);
    assert_eq!(store.agents_import(&list, 3, &actor()).await.unwrap(), 2);
    let allocated = store.allocated().await.unwrap();
    assert_eq!((allocated.agents, allocated.quota_bytes), (3, 4 << 30));
    assert_eq!(store.journal(2, 10).await.unwrap()[0].detail["count"], 2);
    let refused = store
        .agents_import(&[agent("zoe@rouen.example")], 3, &actor())
        .await;
    match refused.unwrap_err() {
        StoreError::LimitReached {
            limit: 3,
            used: 3,
            requested: 1,
        } => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_holds_under_concurrency() {
    POSTGRES.tenant("552032534").await;
    let tasks: Vec<_> = (0..12)
        .map(|number| {
            tokio::spawn(async move {
                // Each with its own pools: several operators would not share a lock in memory.
                let store = POSTGRES.tenant("552032534").await;
                let new = agent(&format!("agent{number}@caen.example"));
                store.agent_add(&new, 5, &actor()).await.is_ok()
            })
        })
        .collect();
    let mut added = 0;
    for task in tasks {
        added += u32::from(task.await.unwrap());
    }
    assert_eq!(added, 5);
    let store = POSTGRES.tenant("552032534").await;
    assert_eq!(store.agents().await.unwrap().len(), 5);
    assert_eq!(store.journal_verify().await.unwrap().entries, 5);
}

#[tokio::test]
async fn postmaster_follows_the_domains() {
    let store = POSTGRES.tenant("356000000").await;
    let domain = |name: &str| name.parse::<MailDomain>().unwrap();
    let (a, b, c) = (
        domain("a.example"),
        domain("b.example"),
        domain("c.example"),
    );
    let aliases = async || {
        let mut superuser = POSTGRES.superuser("col_356000000").await;
        sqlx::query_as::<_, (String, String)>("select * from mail_alias order by 1")
            .fetch_all(&mut superuser)
            .await
            .unwrap()
    };
    let pair = |from: &str, to: &str| {
        (
            format!("postmaster@{from}.example"),
            format!("postmaster@{to}.example"),
        )
    };
    store
        .ensure_postmaster(&[a.clone(), b.clone()], &actor())
        .await
        .unwrap();
    assert_eq!(aliases().await, [pair("b", "a")]);
    store
        .ensure_postmaster(&[b.clone(), a.clone(), c.clone()], &actor())
        .await
        .unwrap();
    assert_eq!(aliases().await, [pair("c", "b")]);
    let system: Vec<String> = store
        .agents()
        .await
        .unwrap()
        .iter()
        .map(|agent| agent.address.to_string())
        .collect();
    assert_eq!(system, ["postmaster@a.example", "postmaster@b.example"]);
    store.ensure_postmaster(&[b, a], &actor()).await.unwrap();
    assert_eq!(aliases().await, []);
    assert_eq!(
        store.allocated().await.unwrap().agents,
        0,
        "not counted against the plan"
    );

    let kept = store
        .agent_remove(&"postmaster@b.example".parse().unwrap(), &actor())
        .await;
    assert!(matches!(
        kept.unwrap_err(),
        StoreError::Invalid {
            field: "address",
            ..
        }
    ));
    assert!(store.ensure_postmaster(&[], &actor()).await.is_err());
}

/// Callers spawn these futures.
#[test]
fn futures_can_move_between_threads() {
    fn movable<T: Send>(_: impl Fn() -> T) {}
    movable(|| async {
        let store = POSTGRES.tenant("211400015").await;
        store
            .agent_add(&agent("a@a.example"), 1, &actor())
            .await
            .is_ok()
            && store.journal_verify().await.is_ok()
            && POSTGRES
                .platform()
                .await
                .erase_tenant(store.siren(), &actor())
                .await
                .is_ok()
    });
}
