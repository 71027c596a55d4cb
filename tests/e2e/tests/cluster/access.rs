//! Who may do what through the platform API.

use std::process::Command;

use anyhow::ensure;
use melouvert_e2e::{melouvert, outcome, platform, refuses, text, two_spaces};

/// `melouvert` as another person, known by a client certificate.
pub fn as_person(user: &str, groups: &[&str]) -> anyhow::Result<Command> {
    let kubeconfig = platform().cluster.client_kubeconfig(user, groups)?;
    let mut command = platform().melouvert();
    command.env("KUBECONFIG", kubeconfig);
    Ok(command)
}

/// Gives a role in Caen's space, as a hoster does.
fn grant(role: &str, user: &str) -> anyhow::Result<()> {
    let space = ["--siren", "211401187"];
    melouvert(&[&["access", "grant", role, "--user", user], &space[..]].concat()).map(drop)
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn a_dsi_sees_its_own_space_only() -> anyhow::Result<()> {
    two_spaces()?;
    grant("dsi", "dsi-caen")?;
    let list = |siren: &str| {
        let mut command = as_person("dsi-caen", &["melouvert:clients"])?;
        command.args(["agent", "list", "--siren", siren, "-o", "name"]);
        Ok::<_, anyhow::Error>(command)
    };
    let own = outcome(&mut list("211401187")?)?;
    ensure!(
        own.status.success() && text(&own).contains("jeanne.martin@caen.example"),
        "{}",
        text(&own)
    );
    let (_, said) = refuses(&mut list("217605401")?)?;
    ensure!(!said.contains("paul"), "{said}");
    Ok(())
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn the_helpdesk_lists_agents_but_sees_no_mailbox_nor_journal() -> anyhow::Result<()> {
    two_spaces()?;
    grant("helpdesk", "aide")?;
    let run = |arguments: &[&str]| {
        let mut command = as_person("aide", &["melouvert:clients"])?;
        command.args(arguments);
        Ok::<_, anyhow::Error>(command)
    };
    let listed = outcome(&mut run(&[
        "agent",
        "list",
        "--siren",
        "211401187",
        "-o",
        "name",
    ])?)?;
    ensure!(listed.status.success(), "control: {}", text(&listed));
    refuses(&mut run(&["quota", "show", "--siren", "211401187"])?)?;
    refuses(&mut run(&["journal", "show", "--siren", "211401187"])?)?;
    refuses(&mut run(&[
        "agent",
        "remove",
        "jeanne.martin@caen.example",
        "--siren",
        "211401187",
        "--yes",
    ])?)?;
    Ok(())
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn a_stranger_is_told_which_right_is_missing() -> anyhow::Result<()> {
    two_spaces()?;
    for (arguments, expected) in [
        // The way to the platform API is closed to whoever has no role there.
        (
            &["agent", "list", "--siren", "211401187"][..],
            "Role melouvert-api-client",
        ),
        (&["collectivity", "list"], "vous n'en avez pas le droit"),
        (
            &["collectivity", "show", "211401187"],
            "vous n'en avez pas le droit",
        ),
        (
            &["collectivity", "suspend", "211401187"],
            "vous n'en avez pas le droit",
        ),
        (
            &["migrate", "status", "211401187"],
            "vous n'en avez pas le droit",
        ),
    ] {
        let (code, said) = refuses(as_person("inconnu", &[])?.args(arguments))?;
        ensure!(
            code == 4 && said.contains(expected) && said.contains("que faire :"),
            "{arguments:?}: exit code {code}: {said}"
        );
    }
    Ok(())
}
