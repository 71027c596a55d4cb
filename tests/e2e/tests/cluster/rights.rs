//! Who has which role, and who changed what spaces live under: stated in an object, told in a journal.

use anyhow::{Context, ensure};
use melouvert_e2e::{
    await_ready, eventually, kubectl, melouvert, melouvert_json, outcome, refuses, text, two_spaces,
};
use serde_json::{Value, json};
use xtask::space::{CAEN, ROUEN};

use super::access::as_person;

const SPACE: [&str; 2] = ["--siren", CAEN.siren];

/// The entries of a journal with this action, the oldest first.
fn told(journal: &[&str], action: &str) -> anyhow::Result<Vec<Value>> {
    let entries = melouvert_json(&[&["journal", "show"], journal].concat())?;
    let entries = entries.as_array().context("not a list")?;
    let of = |entry: &&Value| entry["action"] == action;
    Ok(entries.iter().filter(of).cloned().collect())
}

fn change(turn: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let mut command = as_person("helene", &["melouvert:hosters"])?;
    command.args(["access", turn]).args(arguments).args(SPACE);
    let done = outcome(&mut command)?;
    ensure!(done.status.success(), "{}", text(&done));
    Ok(())
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn a_role_is_given_and_withdrawn_by_somebody() -> anyhow::Result<()> {
    two_spaces()?;
    let lists = |siren: &str| {
        let mut command = as_person("camille", &["melouvert:clients"])?;
        command.args(["agent", "list", "--siren", siren, "-o", "name"]);
        Ok::<_, anyhow::Error>(command)
    };
    refuses(&mut lists(CAEN.siren)?).context("before the grant")?;
    change("grant", &["dsi", "--user", "camille"])?;
    let listed = outcome(&mut lists(CAEN.siren)?)?;
    ensure!(listed.status.success(), "{}", text(&listed));
    refuses(&mut lists(ROUEN.siren)?).context("another space")?;

    // She sees who has which role in her space, and cannot change it.
    let own = |arguments: &[&str]| {
        let mut command = as_person("camille", &["melouvert:clients"])?;
        command.arg("access").args(arguments).args(SPACE);
        Ok::<_, anyhow::Error>(command)
    };
    let listed = outcome(&mut own(&["list", "-o", "name"])?)?;
    ensure!(
        text(&listed).contains("dsi/user/camille"),
        "{}",
        text(&listed)
    );
    refuses(&mut own(&["grant", "dsi", "--user", "complice"])?)?;

    // A binding changed by hand is refused to everybody; one that is away comes back.
    change("revoke", &["dsi", "--user", "camille"])?;
    refuses(&mut lists(CAEN.siren)?).context("after the removal")?;
    let entries = told(&SPACE, "access.changed")?;
    let last = entries.iter().rev().take(2).collect::<Vec<_>>();
    let [removal, grant] = last.as_slice() else {
        anyhow::bail!("{entries:?}");
    };
    let camille = json!([{"role": "dsi", "kind": "User", "name": "camille"}]);
    ensure!(grant["detail"]["granted"] == camille, "{grant}");
    ensure!(removal["detail"]["revoked"] == camille, "{removal}");
    for entry in [grant, removal] {
        ensure!(entry["actor"] == "helene", "{entry}");
    }
    Ok(())
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn wrong_names_and_roles_are_refused_before_anything_is_sent() -> anyhow::Result<()> {
    for (arguments, expected) in [
        (&["chef", "--user", "a"][..], "chef"),
        (&["dsi", "--group", "system:authenticated"], "--group"),
        (&["dsi", "--user", "a\u{202e}b"], "--user"),
        (&["dsi"], "--user"),
        (&["dsi", "--user", "a", "--group", "b"], "--group"),
    ] {
        let mut command = as_person("helene", &["melouvert:hosters"])?;
        command
            .args(["access", "grant"])
            .args(arguments)
            .args(SPACE);
        let (code, said) = refuses(&mut command)?;
        ensure!(
            code == 2 && said.contains(expected),
            "{arguments:?}: {code}: {said}"
        );
    }
    Ok(())
}

/// A change of the offer is told once, in the platform's journal and in that of each space under it.
#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn a_change_under_a_space_names_its_author() -> anyhow::Result<()> {
    two_spaces()?;
    // Both are metropoles.
    let agents = kubectl(&["get", "plan", "metropole", "-o", "jsonpath={.spec.agents}"])?;
    let agents: u32 = agents.parse()?;
    let set = |agents: u32| {
        let patch = json!({"spec": {"agents": agents}}).to_string();
        kubectl(&[
            "patch",
            "plan",
            "metropole",
            "--type=merge",
            "-p",
            &patch,
            "--as",
            "pierre",
            "--as-group",
            "melouvert:platform",
        ])
    };
    let journals: [&[&str]; 3] = [&[], &["--siren", CAEN.siren], &["--siren", ROUEN.siren]];
    let count = || -> anyhow::Result<Vec<usize>> {
        let of = |journal: &&[&str]| Ok(told(journal, "plan.changed")?.len());
        journals.iter().map(of).collect()
    };
    // What was changed before, by the installation, has been told.
    eventually("the offers to be told", || {
        ensure!(count()?.iter().all(|told| *told > 0), "{:?}", count()?);
        Ok(())
    })?;
    let before = count()?;
    set(agents - 1)?;
    let changed = eventually("every journal to tell the change", || {
        journals
            .iter()
            .map(|journal| {
                let entries = told(journal, "plan.changed")?;
                let last = entries.last().context("none")?.clone();
                let told = &last["detail"]["spec"]["agents"];
                ensure!(*told == json!(agents - 1), "{journal:?}: {last}");
                Ok(last)
            })
            .collect::<anyhow::Result<Vec<_>>>()
    });
    set(agents)?;
    for entry in changed? {
        ensure!(entry["actor"] == "pierre", "{entry}");
        ensure!(entry["subject"] == "metropole", "{entry}");
    }
    for of in [CAEN, ROUEN] {
        await_ready(of)?;
    }
    eventually("the change back to be told, each once", || {
        let after = count()?;
        let twice: Vec<_> = before.iter().map(|before| before + 2).collect();
        ensure!(after == twice, "{before:?} before, {after:?} after");
        Ok(())
    })?;
    for journal in [&[][..], &["--siren", CAEN.siren]] {
        ensure!(
            !told(journal, "region.changed")?.is_empty(),
            "the installation of the region is not told: {journal:?}"
        );
        melouvert(&[&["journal", "verify"], journal].concat())?;
    }
    Ok(())
}
