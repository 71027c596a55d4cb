//! What a space's mail servers' login may do to others, once its pod is somebody else's: nothing. The
//! attacker first sets all that a session may set.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

mod common;

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use common::{Postgres, READER, actor, agent, open, siren};
use melouvert_store::{Bounds, PlatformStore, StoreError};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

static POSTGRES: LazyLock<Postgres> = LazyLock::new(Postgres::start);

const LIFTED: &str = "set statement_timeout = 0; set lock_timeout = 0; set work_mem = '2000MB';
    set idle_in_transaction_session_timeout = 0; set hash_mem_multiplier = 1000;
    set default_transaction_read_only = off; set max_parallel_workers_per_gather = 64;
    set maintenance_work_mem = '2000MB'; set logical_decoding_work_mem = '2000MB';";

/// The login of a space that was just opened.
async fn attacker(postgres: &Postgres, siren: &str) -> PgConnection {
    let (user, database) = (format!("col_{siren}_reader"), format!("col_{siren}"));
    let mut session = postgres.login(&user, READER, &database).await.unwrap();
    sqlx::raw_sql(LIFTED).execute(&mut session).await.unwrap();
    session
}

async fn tries(session: &mut PgConnection, sql: &str) -> Result<(), String> {
    match sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .fetch_all(session)
        .await
    {
        Ok(_) => Ok(()),
        Err(sqlx::Error::Database(error)) => Err(error.code().unwrap().into_owned()),
        Err(error) => Err(error.to_string()),
    }
}

async fn refused(session: &mut PgConnection, all: &[&str]) {
    for sql in all {
        assert_eq!(tries(session, sql).await, Err("42501".into()), "{sql}");
    }
}

#[tokio::test]
async fn memory_is_bounded_whatever_the_session_sets() {
    let platform = POSTGRES.platform().await;
    open(&platform, "211401187").await.unwrap();
    open(&platform, "217605401").await.unwrap();
    let mut neighbour = attacker(&POSTGRES, "217605401").await;
    let mut session = attacker(&POSTGRES, "211401187").await;
    let small = "select length(repeat('x', 8000000))";
    assert_eq!(tries(&mut session, small).await, Ok(()), "the control");
    // A hash of a hundred million rows and an array of them, besides the string of the audit.
    for greedy in [
        "select length(repeat('x', 900000000))",
        "select cardinality(array_agg(g)) from generate_series(1, 100000000) g",
        "select count(*) from (select distinct g::text || 'x' from generate_series(1, 100000000) g) d",
    ] {
        assert_eq!(
            tries(&mut session, greedy).await,
            Err("53200".into()),
            "{greedy}"
        );
        assert_eq!(tries(&mut session, small).await, Ok(()), "after {greedy}");
    }
    // A statement that is itself too long costs the session, not the server.
    let lengthy = format!("select length('{}')", "x".repeat(200_000_000));
    assert!(tries(&mut session, &lengthy).await.is_err());
    assert_eq!(tries(&mut neighbour, small).await, Ok(()), "the neighbour");
    platform.ping().await.unwrap();
    let crashed = "terminating any other active server processes";
    assert!(!POSTGRES.log().contains(crashed));
}

#[tokio::test]
async fn bounds_of_the_login_cannot_be_lifted() {
    open(&POSTGRES.platform().await, "552032534").await.unwrap();
    let mut session = attacker(&POSTGRES, "552032534").await;
    let spill =
        "select count(*) from (select g from generate_series(1, 2000000) g order by g desc) s";
    let lifts = [
        "set temp_file_limit = -1",
        "set log_min_messages = debug5",
        "alter role current_user set temp_file_limit = -1",
        "alter role current_user connection limit 400",
        "alter role current_user superuser",
        "alter database col_552032534 set temp_file_limit = -1",
    ];
    refused(&mut session, &lifts).await;
    for undone in ["alter role current_user reset all", "reset all"] {
        assert_eq!(tries(&mut session, undone).await, Ok(()), "{undone}");
    }
    let mut session = attacker(&POSTGRES, "552032534").await;
    sqlx::raw_sql("set work_mem = '64kB'")
        .execute(&mut session)
        .await
        .unwrap();
    assert_eq!(tries(&mut session, spill).await, Err("53400".into()));
    let mut superuser = POSTGRES.superuser("col_552032534").await;
    sqlx::raw_sql("set work_mem = '64kB'")
        .execute(&mut superuser)
        .await
        .unwrap();
    assert_eq!(tries(&mut superuser, spill).await, Ok(()), "the control");
    // What a login provokes is not written into the server's log, which has the node's disk.
    let marked = "select 'a-mark-of-the-attacker'::int";
    assert_eq!(tries(&mut session, marked).await, Err("22P02".into()));
    assert_eq!(
        tries(&mut superuser, "select 'a-mark-of-ours'::int").await,
        Err("22P02".into())
    );
    let log = POSTGRES.log();
    assert!(log.contains("ERROR:  invalid input syntax for type integer: \"a-mark-of-ours\""));
    assert!(
        !log.contains("ERROR:  invalid input syntax for type integer: \"a-mark-of-the-attacker\"")
    );
}

#[tokio::test]
async fn nothing_is_left_that_touches_others() {
    let platform = POSTGRES.platform().await;
    open(&platform, "356000000").await.unwrap();
    open(&platform, "443061841").await.unwrap();
    let mut session = attacker(&POSTGRES, "356000000").await;
    for own in [
        "select username, password from mail_login where username = 'x' and 'imap' in ('imap', 'sieve')",
        "select quota_bytes || 'B' from mail_login limit 1",
        "select encode(sha256(convert_to(username || ':x', 'UTF8')), 'hex') from mail_login",
        "select target from mail_alias where address = lower('X')",
    ] {
        assert_eq!(tries(&mut session, own).await, Ok(()), "the control: {own}");
    }
    refused(
        &mut session,
        &[
            "select pg_advisory_lock(1)",
            "select pg_try_advisory_xact_lock_shared(1, 2)",
            "select pg_advisory_lock(g) from generate_series(1, 1000000) g",
            "begin; lock table journal in access share mode",
            "rollback; begin; lock table mail_login in share row exclusive mode",
            "rollback; select lo_create(0)",
            "select lo_from_bytea(0, 'x')",
            "select pg_notify('x', 'y')",
            "select pg_logical_emit_message(false, 'x', 'y')",
            "select pg_current_xact_id()",
            "select txid_current()",
            "select pg_sleep(1)",
            "select set_config('work_mem', '64kB', false)",
            "select pg_terminate_backend(1)",
            "do $$ begin loop end loop; end $$",
            "create schema mine",
            "create temp table mine (id int)",
            "create table public.mine (id int)",
        ],
    )
    .await;
    let named = [
        "select datname from pg_database",
        "select rolname from pg_roles",
        "select usename from pg_user",
        "select usename from pg_stat_activity",
        "select datname from pg_stat_database",
        "select description from pg_shdescription",
        "select datname from pg_stat_database_conflicts",
        "select 1 from pg_db_role_setting",
        "select 1 from pg_locks",
        "select role_name from information_schema.enabled_roles",
        "select table_catalog from information_schema.tables",
        "select pg_get_userbyid(10)",
    ];
    refused(&mut session, &named).await;
    let mut superuser = POSTGRES.superuser("col_356000000").await;
    let seen: i64 =
        sqlx::query_scalar("select count(*) from pg_database where datname = 'col_443061841'")
            .fetch_one(&mut superuser)
            .await
            .unwrap();
    assert_eq!(seen, 1, "the control");
    for nobodys in [
        "postgres",
        "template1",
        "melouvert_platform",
        "col_443061841",
    ] {
        let error = POSTGRES
            .login("col_356000000_reader", READER, nobodys)
            .await
            .unwrap_err();
        let code = error
            .as_database_error()
            .unwrap()
            .code()
            .unwrap()
            .into_owned();
        assert_eq!(code, "42501", "{nobodys}");
    }
}

#[tokio::test]
async fn an_open_transaction_keeps_nobody_from_acting() {
    let platform = POSTGRES.platform().await;
    let store = open(&platform, "130025265").await.unwrap();
    let jeanne = agent("jeanne@caen.example");
    store.agent_add(&jeanne, 10, &actor()).await.unwrap();
    let mut session = attacker(&POSTGRES, "130025265").await;
    let held = "begin; select * from mail_login; select * from mail_alias";
    assert_eq!(tries(&mut session, held).await, Ok(()));
    store.agent_remove(&jeanne.address, &actor()).await.unwrap();
}

#[tokio::test]
async fn a_lock_is_awaited_with_a_bound_and_its_holder_told() {
    let platform = POSTGRES.platform().await;
    let store = open(&platform, "180089013").await.unwrap();
    let mut holder = POSTGRES.superuser("col_180089013").await;
    sqlx::raw_sql(
        "begin; lock table journal in exclusive mode; set application_name = 'the-holder'",
    )
    .execute(&mut holder)
    .await
    .unwrap();
    let since = Instant::now();
    let jeanne = agent("jeanne@caen.example");
    let error = store.agent_add(&jeanne, 10, &actor()).await.unwrap_err();
    assert!(
        since.elapsed() < Duration::from_secs(9),
        "{:?}",
        since.elapsed()
    );
    let StoreError::Locked { holders, .. } = &error else {
        panic!("{error:?}");
    };
    assert!(
        holders.contains("the-holder") && holders.contains("pid"),
        "{holders}"
    );
    assert!(error.is_transient());
    sqlx::raw_sql("rollback")
        .execute(&mut holder)
        .await
        .unwrap();
    store
        .agent_add(&jeanne, 10, &actor())
        .await
        .expect("the control");
}

fn bounds() -> Bounds {
    Bounds {
        transaction: Duration::from_secs(1),
        told: Duration::from_hours(1),
    }
}

async fn actions(platform: &PlatformStore) -> Vec<(String, String)> {
    let entries = platform.journal(0, 1000).await.unwrap();
    entries.into_iter().map(|e| (e.action, e.subject)).collect()
}

#[tokio::test]
async fn what_takes_too_long_is_ended_and_told_once() {
    let postgres = Postgres::start();
    let platform = postgres.platform().await;
    open(&platform, "211401187").await.unwrap();
    open(&platform, "217605401").await.unwrap();
    let mut neighbour = attacker(&postgres, "217605401").await;
    for round in 0..2 {
        let mut session = attacker(&postgres, "211401187").await;
        let mut idle = attacker(&postgres, "211401187").await;
        assert_eq!(tries(&mut idle, "begin; select 1").await, Ok(()));
        let endless = tokio::spawn(async move {
            // Ten to the thirteenth rows, without any memory.
            let ten = "(values (0), (1), (2), (3), (4), (5), (6), (7), (8), (9))";
            let from: Vec<String> = (0..13).map(|n| format!("{ten} v{n}")).collect();
            let endless = format!("select count(*) from {}", from.join(", "));
            tries(&mut session, &endless).await
        });
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut ended = 0;
        while ended < 2 {
            assert!(Instant::now() < deadline, "round {round}: {ended} ended");
            let guarded = platform.guard(bounds(), &actor()).await.unwrap();
            assert!(
                guarded.ended.iter().all(|e| e.siren == "211401187"),
                "{guarded:?}"
            );
            ended += guarded.ended.iter().map(|e| e.sessions).sum::<i64>();
        }
        assert_eq!(endless.await.unwrap(), Err("57P01".into()));
        assert!(tries(&mut idle, "select 1").await.is_err());
        assert_eq!(
            tries(&mut neighbour, "select 1").await,
            Ok(()),
            "the control"
        );
    }
    let told = ("tenant.sessions.ended".to_owned(), "211401187".to_owned());
    let told = actions(&platform)
        .await
        .into_iter()
        .filter(|entry| *entry == told);
    assert_eq!(told.count(), 1, "twice ended, once told");
}

#[tokio::test]
async fn what_a_login_changes_of_itself_is_undone_and_told() {
    let postgres = Postgres::start();
    let platform = postgres.platform().await;
    open(&platform, "211401187").await.unwrap();
    let works = async |password| {
        postgres
            .login("col_211401187_reader", password, "col_211401187")
            .await
            .is_ok()
    };
    for (change, by_guard) in [
        ("alter role current_user password 'mine-k7mq2xpz4hrt'", true),
        ("alter role current_user set search_path = 'nowhere'", true),
        (
            "alter role current_user in database col_211401187 set search_path = 'x'",
            true,
        ),
        (
            "alter role current_user password 'mine-k7mq2xpz4hrt'",
            false,
        ),
        ("alter role current_user set search_path = 'nowhere'", false),
    ] {
        let mut session = attacker(&postgres, "211401187").await;
        assert_eq!(tries(&mut session, change).await, Ok(()), "{change}");
        let before = platform.journal(0, 1000).await.unwrap().len();
        if by_guard {
            let guarded = platform.guard(bounds(), &actor()).await.unwrap();
            assert_eq!(guarded.repaired, ["211401187"], "{change}");
        } else {
            open(&platform, "211401187").await.unwrap();
        }
        assert!(
            works(READER).await && !works("mine-k7mq2xpz4hrt").await,
            "{change}"
        );
        let mut session = attacker(&postgres, "211401187").await;
        let reads = tries(&mut session, "select username from mail_login").await;
        assert_eq!(reads, Ok(()), "{change}");
        assert_eq!(
            platform.journal(0, 1000).await.unwrap().len(),
            before + 1,
            "{change}"
        );
        let guarded = platform.guard(bounds(), &actor()).await.unwrap();
        assert!(
            guarded.repaired.is_empty(),
            "nothing is left after {change}"
        );
        session.close().await.unwrap();
    }
    let mut session = attacker(&postgres, "211401187").await;
    let dropped = tries(
        &mut session,
        "drop owned by current_user; select 1 from mail_login",
    )
    .await;
    assert_eq!(dropped, Ok(()), "its privileges are not its own to drop");
    let mut superuser = postgres.superuser("col_211401187").await;
    sqlx::raw_sql("revoke select on mail_login from col_211401187_reader")
        .execute(&mut superuser)
        .await
        .unwrap();
    open(&platform, "211401187").await.unwrap();
    let reads = tries(&mut session, "select 1 from mail_login").await;
    assert_eq!(reads, Ok(()), "a privilege that was lost is given again");
    // A space that uses all its sessions is not taken for one whose password was changed.
    let mut many = Vec::new();
    while let Ok(session) = postgres
        .login("col_211401187_reader", READER, "col_211401187")
        .await
    {
        many.push(session);
    }
    let before = platform.journal(0, 1000).await.unwrap().len();
    open(&platform, "211401187").await.unwrap();
    assert_eq!(platform.journal(0, 1000).await.unwrap().len(), before);
    assert!(platform.tenant(&siren("211401187")).await.is_ok());
}
