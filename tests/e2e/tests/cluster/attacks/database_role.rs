//! Whoever has the password of a space's database role, which lies in its mail pod.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use melouvert_e2e::{PASSWORD, eventually, psql as superuser, psql_reader, two_spaces};

/// What a session may set is set first.
const LIFTED: &str = "set statement_timeout = 0; set lock_timeout = 0; set work_mem = '2000MB';
    set idle_in_transaction_session_timeout = 0; set default_transaction_read_only = off;
    set max_parallel_workers_per_gather = 64;";

/// Runs SQL as Caen's reader.
fn reader(sql: &str) -> anyhow::Result<String> {
    psql_reader("col_211401187", sql)
}

fn refused(database: &str, sql: &str, words: &str) -> anyhow::Result<()> {
    let said = psql_reader(database, sql)
        .err()
        .with_context(|| format!("{sql} passed on {database}"))?
        .to_string();
    ensure!(
        said.contains(words),
        "{sql}: refused for another reason: {said}"
    );
    Ok(())
}

/// Attaque : le rôle lecteur lève tous ses réglages, puis demande une chaîne de 900 Mo, un tableau de
/// cent millions de nombres et un tri de deux millions de lignes.
/// Témoin : une chaîne de 8 Mo passe, PostgreSQL n'a pas redémarré et l'autre espace se connecte.
#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn asks_for_more_memory_than_the_server_has() -> anyhow::Result<()> {
    let (_, rouen) = two_spaces()?;
    let started = || superuser("postgres", "select pg_postmaster_start_time()");
    let before = started()?;
    let control = reader(&format!("{LIFTED} select length(repeat('x', 8000000))"))?;
    ensure!(control.trim() == "8000000", "control: {control}");
    for greedy in [
        "select length(repeat('x', 900000000))",
        "select cardinality(array_agg(g)) from generate_series(1, 100000000) g",
    ] {
        refused(
            "col_211401187",
            &format!("{LIFTED} {greedy}"),
            "out of memory",
        )?;
    }
    let spill = "set work_mem = '64kB'; select count(*) from (select g from generate_series(1, 2000000) g order by g desc) s";
    refused("col_211401187", spill, "temporary file size exceeds")?;
    refused(
        "col_211401187",
        "set temp_file_limit = -1",
        "permission denied",
    )?;
    ensure!(started()? == before, "PostgreSQL was restarted");
    let paul = rouen.address("paul.durand");
    rouen.mailbox(&paul, PASSWORD).count("INBOX")?;
    Ok(())
}

/// Attaque : le rôle lecteur prend des verrous, crée des objets, use les numéros de transaction,
/// entre dans les bases communes et lit les noms des autres espaces.
/// Témoin : ses deux vues se lisent, avec les fonctions que Dovecot et Exim emploient.
#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn reaches_for_what_is_shared() -> anyhow::Result<()> {
    two_spaces()?;
    reader("select quota_bytes || 'B', encode(sha256(convert_to(username, 'UTF8')), 'hex') from mail_login")
        .context("control")?;
    for sql in [
        "select pg_advisory_lock(1)",
        "select lo_create(0)",
        "select pg_notify('x', 'y')",
        "select pg_logical_emit_message(false, 'x', 'y')",
        "select txid_current()",
        "select datname from pg_database",
        "select rolname from pg_roles",
        "select usename from pg_stat_activity",
        "create temp table mine (id int)",
        "lock table journal in access share mode",
        "do $$ begin loop end loop; end $$",
    ] {
        let sql = format!("{LIFTED} begin read write; {sql}; commit");
        refused("col_211401187", &sql, "permission denied")?;
    }
    for database in ["postgres", "template1", "melouvert_platform"] {
        refused(database, "select 1", "permission denied for database")?;
    }
    Ok(())
}

/// Attaque : le rôle lecteur change son propre mot de passe, puis son chemin de recherche.
/// Témoin : les deux sont remis, l'acte est au journal de la plateforme, et les agents se connectent.
#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn changes_its_own_password() -> anyhow::Result<()> {
    let (caen, _) = two_spaces()?;
    let jeanne = caen.address("jeanne.martin");
    for change in [
        "alter role current_user password 'mine-k7mq2xpz4hrt'",
        "alter role current_user set search_path = 'nowhere'",
    ] {
        reader(&format!("begin read write; {change}; commit"))?;
        eventually("the login as it was", || {
            reader("select count(*) from mail_login").map(drop)
        })?;
        caen.mailbox(&jeanne, PASSWORD).count("INBOX")?;
    }
    let told = superuser(
        "melouvert_platform",
        "select count(*) from journal
         where subject = '211401187'
           and (action = 'tenant.login.repaired'
                or action = 'tenant.database.ensured' and not detail->'changed' ? 'database'
                   and detail->'changed' ?| array['password', 'login'])",
    )?;
    ensure!(told.trim().parse::<u32>()? >= 2, "told {told} times");
    Ok(())
}

/// Attaque : une requête sans fin du rôle lecteur, sans mémoire, délais levés.
/// Témoin : elle a bien commencé, et une requête courte passe.
#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn runs_a_query_without_end() -> anyhow::Result<()> {
    two_spaces()?;
    reader("select 1").context("control")?;
    let ten = "(values (0), (1), (2), (3), (4), (5), (6), (7), (8), (9))";
    let from: Vec<String> = (0..13).map(|n| format!("{ten} v{n}")).collect();
    let endless = format!("{LIFTED} select count(*) from {}", from.join(", "));
    let since = Instant::now();
    let said = reader(&endless)
        .err()
        .context("it came to an end")?
        .to_string();
    ensure!(said.contains("terminating connection"), "{said}");
    let took = since.elapsed();
    ensure!(
        took > Duration::from_secs(5),
        "control: it ended by itself: {took:?}"
    );
    ensure!(took < Duration::from_mins(1), "{took:?}");
    Ok(())
}
