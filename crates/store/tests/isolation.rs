//! Who may reach what, on a real server over verified TLS.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

mod common;

use std::sync::LazyLock;

use common::{Postgres, READER, agent, as_user, open};
use melouvert_store::{MayMake, PlatformStore, Server, StoreError};
use sqlx::{Connection, PgConnection};

static POSTGRES: LazyLock<Postgres> = LazyLock::new(Postgres::start);

const A: &str = "211401187";
const B: &str = "217605401";

fn code(error: &sqlx::Error) -> String {
    let database = error
        .as_database_error()
        .unwrap_or_else(|| panic!("{error:?}"));
    database.code().unwrap().into_owned()
}

async fn reads(connection: &mut PgConnection, sql: &'static str) -> Result<usize, String> {
    sqlx::query(sql)
        .fetch_all(connection)
        .await
        .map(|rows| rows.len())
        .map_err(|error| code(&error))
}

#[tokio::test]
async fn a_reader_reaches_its_own_database_only() {
    let platform = POSTGRES.platform().await;
    open(&platform, A).await.unwrap();
    open(&platform, B).await.unwrap();
    let own = POSTGRES
        .login("col_211401187_reader", READER, "col_211401187")
        .await;
    own.expect("the positive control").close().await.unwrap();
    for other in ["col_217605401", "melouvert_platform"] {
        let refused = POSTGRES
            .login("col_211401187_reader", READER, other)
            .await
            .unwrap_err();
        assert_eq!(code(&refused), "42501", "{other}: {refused}");
    }
    let wrong = POSTGRES
        .login("col_211401187_reader", "wrong", "col_211401187")
        .await;
    assert_eq!(code(&wrong.unwrap_err()), "28P01");
    let owner = POSTGRES
        .login("col_211401187_owner", READER, "col_211401187")
        .await;
    assert!(owner.is_err(), "nobody logs in as an owner");
}

#[tokio::test]
async fn a_reader_sees_the_two_views_and_nothing_else() {
    let siren = "356000000";
    let store = POSTGRES.tenant(siren).await;
    store
        .agent_add(&agent("jeanne@poste.example"), 10, &common::actor())
        .await
        .unwrap();
    let domains = [
        "poste.example".parse().unwrap(),
        "la.poste.example".parse().unwrap(),
    ];
    store
        .ensure_postmaster(&domains, &common::actor())
        .await
        .unwrap();
    let mut reader = POSTGRES
        .login("col_356000000_reader", READER, "col_356000000")
        .await
        .unwrap();
    let login = "select username, password, quota_bytes from mail_login";
    assert_eq!(reads(&mut reader, login).await, Ok(2));
    assert_eq!(
        reads(&mut reader, "select address, target from mail_alias").await,
        Ok(1)
    );
    for closed in [
        "select * from agent",
        "select * from alias",
        "select * from journal",
        "select * from migration_report",
        "select * from _sqlx_migrations",
    ] {
        assert_eq!(
            reads(&mut reader, closed).await,
            Err("42501".into()),
            "{closed}"
        );
    }
    // A setting, which a session may undo: what counts is that it has no right to write.
    sqlx::raw_sql("set default_transaction_read_only = off")
        .execute(&mut reader)
        .await
        .unwrap();
    for write in [
        "create table mine (id int)",
        "create temp table mine (id int)",
        "delete from mail_login",
        "set role col_356000000_owner",
    ] {
        let refused = sqlx::raw_sql(write).execute(&mut reader).await.unwrap_err();
        assert_eq!(code(&refused), "42501", "{write}");
    }
}

#[tokio::test]
async fn the_servers_name_and_authority_are_verified() {
    // The certificate is for `localhost`.
    let by_address = Server {
        host: "127.0.0.1".into(),
        ..POSTGRES.server.clone()
    };
    let refused = PlatformStore::connect(&by_address, MayMake::First)
        .await
        .unwrap_err();
    assert!(matches!(refused, StoreError::Tls { .. }), "{refused:?}");

    let key = rcgen::KeyPair::generate().unwrap();
    let stranger = rcgen::CertificateParams::new(Vec::new())
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let by_stranger = Server {
        ca_pem: stranger.pem(),
        ..POSTGRES.server.clone()
    };
    let refused = PlatformStore::connect(&by_stranger, MayMake::First)
        .await
        .unwrap_err();
    assert!(matches!(refused, StoreError::Tls { .. }), "{refused:?}");
    POSTGRES
        .platform()
        .await
        .ping()
        .await
        .expect("the positive control");
}

#[tokio::test]
async fn absence_and_refusal_are_told_apart() {
    let closed = Server {
        port: 1,
        ..POSTGRES.server.clone()
    };
    let away = PlatformStore::connect(&closed, MayMake::First)
        .await
        .unwrap_err();
    assert!(
        matches!(away, StoreError::Unreachable { port: 1, .. }),
        "{away:?}"
    );
    assert!(away.is_transient());

    let wrong = as_user(&POSTGRES.server, "melouvert", &"wrong".into());
    let refused = PlatformStore::connect(&wrong, MayMake::First)
        .await
        .unwrap_err();
    assert!(matches!(refused, StoreError::Refused { .. }), "{refused:?}");
    assert!(!refused.is_transient());
}

#[tokio::test]
async fn no_password_reaches_the_servers_log() {
    open(&POSTGRES.platform().await, "552032534").await.unwrap();
    let log = POSTGRES.log();
    assert!(
        log.contains("alter role col_552032534_reader"),
        "the positive control"
    );
    assert!(!log.contains(READER));
}
