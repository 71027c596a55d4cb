//! A server whose administrator is somebody else: what our role cannot take away is told, and the
//! script takes it.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up must stop")]

mod common;

use common::{Postgres, READER, as_user, open};
use melouvert_store::{MayMake, PlatformStore, Weakness, administrator_script};

const OLD: &str = "211401187";
const NEW: &str = "217605401";

async fn locks(postgres: &Postgres, siren: &str) -> bool {
    let (user, database) = (format!("col_{siren}_reader"), format!("col_{siren}"));
    let mut session = postgres.login(&user, READER, &database).await.unwrap();
    sqlx::raw_sql("select username, quota_bytes || 'B' from mail_login")
        .fetch_all(&mut session)
        .await
        .expect("the control");
    sqlx::raw_sql("select pg_advisory_lock(1)")
        .fetch_all(&mut session)
        .await
        .is_ok()
}

#[tokio::test]
async fn what_our_role_cannot_take_is_told_and_the_script_takes_it() {
    let postgres = Postgres::start();
    postgres.psql(
        "postgres",
        &[],
        "create role hebergeur login createdb createrole password 'mot-de-passe-de-hebergeur'",
    );
    let server = as_user(
        &postgres.server,
        "hebergeur",
        &"mot-de-passe-de-hebergeur".into(),
    );
    let platform = PlatformStore::connect(&server, MayMake::First)
        .await
        .unwrap();
    open(&platform, OLD).await.unwrap();
    let databases = vec!["postgres".to_owned(), "template1".to_owned()];
    assert_eq!(
        platform.weaknesses().await.unwrap(),
        [
            Weakness::Connect { databases },
            Weakness::Settings,
            Weakness::Exposed { spaces: 1 },
        ]
    );
    assert!(locks(&postgres, OLD).await);

    let script = administrator_script("hebergeur");
    for _ in 0..2 {
        postgres.psql("postgres", &[], &script);
    }
    let platform = PlatformStore::connect(&server, MayMake::First)
        .await
        .unwrap();
    open(&platform, NEW).await.unwrap();
    assert!(
        !locks(&postgres, NEW).await,
        "a space that is opened afterwards"
    );
    open(&platform, OLD).await.unwrap();
    let exposed = [Weakness::Exposed { spaces: 1 }];
    assert_eq!(platform.weaknesses().await.unwrap(), exposed);
    for _ in 0..2 {
        postgres.psql("col_211401187", &["-v", "space=1"], &script);
    }
    open(&platform, OLD).await.unwrap();
    assert_eq!(platform.weaknesses().await.unwrap(), []);
    assert!(!locks(&postgres, OLD).await);
}
