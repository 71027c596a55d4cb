//! The journal names who did what, and shows when it was tampered with.

use anyhow::{Context, ensure};
use melouvert_e2e::{melouvert, melouvert_json, melouvert_refuses, psql, two_spaces};

fn sql(statement: &str) -> anyhow::Result<String> {
    psql("col_217605401", statement)
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn the_author_is_who_was_authenticated() -> anyhow::Result<()> {
    two_spaces()?;
    let entries = melouvert_json(&["journal", "show", "--siren", "211401187"])?;
    let entries = entries.as_array().context("not a list")?;
    let added = entries
        .iter()
        .find(|entry| {
            entry["subject"]
                .as_str()
                .is_some_and(|subject| subject.contains("jeanne.martin"))
        })
        .with_context(|| format!("the agent's creation is missing: {entries:?}"))?;
    ensure!(added["actor"] == "admin", "{added}");
    Ok(())
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn a_forged_entry_is_found_by_two_verifiers() -> anyhow::Result<()> {
    two_spaces()?;
    melouvert(&["journal", "verify", "--siren", "217605401"])?;
    let script = xtask::shell::root().join("docs/verifier-journal.py");
    let second = |entries: &str| {
        let mut python = std::process::Command::new("python3");
        python.arg(&script);
        xtask::shell::output_with(&mut python, Some(entries))
    };
    let show = || melouvert(&["journal", "show", "--siren", "217605401", "-o", "json"]);
    second(&show()?).context("control: the second verifier accepts the true journal")?;
    ensure!(
        sql("UPDATE journal SET actor = 'personne' WHERE seq = 1").is_err(),
        "an entry was changed"
    );

    let alter = |actor: &str| {
        // Only the table's owner can lift the rule; that is whom the chain is there to betray.
        sql(&format!(
            "ALTER TABLE journal DISABLE TRIGGER journal_rows_stay; \
             UPDATE journal SET actor = '{actor}' WHERE seq = 2; \
             ALTER TABLE journal ENABLE ALWAYS TRIGGER journal_rows_stay"
        ))
    };
    let before = sql("SELECT actor FROM journal WHERE seq = 2")?;
    alter("personne")?;
    let found = melouvert_refuses(&["journal", "verify", "--siren", "217605401"]);
    let found_again = show().map(|entries| second(&entries));
    alter(before.trim())?;
    let (_, said) = found?;
    ensure!(said.contains('2'), "the broken link is not named: {said}");
    ensure!(found_again?.is_err(), "the second verifier saw nothing");
    melouvert(&["journal", "verify", "--siren", "217605401"])?;
    Ok(())
}
