//! The hoster's own PostgreSQL instead of the chart's, on a cluster of its own.

use anyhow::ensure;
use melouvert_e2e::{
    PASSWORD, eventually,
    external::{self, ExternalServer},
};
use xtask::{
    mailbox,
    platform::{Platform, Programs, SYSTEM},
    space::{CAEN, Space},
};

/// A cluster that goes with the test.
struct Standing(String);

impl Drop for Standing {
    #[expect(clippy::print_stderr, reason = "nobody else hears of it")]
    fn drop(&mut self) {
        if let Err(error) = melouvert_cluster::down(&self.0) {
            eprintln!("{}", melouvert_cluster::with_causes(&error));
        }
    }
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn an_external_server_under_an_authority_of_its_own_serves() -> anyhow::Result<()> {
    let name = format!("{}-externe", std::env::var("MELOUVERT_TEST_CLUSTER")?);
    let standing = Standing(name);
    let platform = Platform::prepare(&standing.0, Programs::WithTests)?;
    let server = ExternalServer::start(&platform)?;
    let kubectl = |arguments: &[&str]| platform.cluster.kubectl(arguments);
    kubectl(&["create", "namespace", SYSTEM])?;
    kubectl(&[
        "create",
        "secret",
        "generic",
        "melouvert-postgresql",
        "-n",
        SYSTEM,
        &format!("--from-literal=username={}", external::USER),
        &format!("--from-literal=password={}", external::PASSWORD),
    ])?;

    // Without its authority, the server is refused by whoever verifies it.
    let without = platform.helm(&values(&server, &["--timeout", "45s"]));
    ensure!(without.is_err(), "an unknown authority was trusted");
    let said = kubectl(&[
        "get",
        "events",
        "-n",
        SYSTEM,
        "--field-selector",
        "reason=DatabaseUnreachable",
        "-o",
        "jsonpath={.items[*].message}{.items[*].note}",
    ])?;
    ensure!(
        said.contains("failed to trust the database server"),
        "{said}"
    );

    let ca = format!("database.ca={}", server.authority.display());
    platform.helm(&values(&server, &["--set-file", &ca]))?;
    serves(&platform)?;

    let facts = server.psql(
        "postgres",
        "select rolsuper from pg_roles where rolname = 'hebergeur'
         union all select count(*) > 0 from pg_database where datname = 'col_211401187'",
    )?;
    ensure!(
        facts.split_whitespace().eq(["f", "t"]),
        "superuser, database: {facts}"
    );
    let embedded = kubectl(&[
        "get",
        "secret/melouvert-postgresql-tls",
        "statefulset/melouvert-postgresql",
        "-n",
        SYSTEM,
        "--ignore-not-found",
        "-o",
        "name",
    ])?;
    ensure!(embedded.trim().is_empty(), "{embedded}");
    Ok(())
}

fn values<'a>(server: &ExternalServer<'_>, more: &[&'a str]) -> Vec<&'a str> {
    let own = [
        "--set",
        "database.embedded=false",
        "--set-string",
        format!("database.host={}", server.host).leak(),
        "--set-string",
        format!("database.cidr={}/32", server.address).leak(),
    ];
    [&own[..], more].concat()
}

/// Dovecot and Exim read the accounts and aliases there, too.
fn serves(platform: &Platform) -> anyhow::Result<()> {
    let caen = Space::open(platform, CAEN)?;
    caen.agent("jeanne.martin", "Jeanne Martin", PASSWORD)?;
    let jeanne = caen.address("jeanne.martin");
    let mailbox = caen.mailbox(&jeanne, PASSWORD);
    let before = mailbox.count("INBOX")?;
    let message = mailbox::message(&jeanne, &jeanne, "Base externe", "Bonjour.");
    mailbox.send(&jeanne, &message)?;
    eventually("the delivery", || {
        let now = mailbox.count("INBOX")?;
        ensure!(now > before, "INBOX still holds {now} messages");
        Ok(())
    })
}
