//! `cargo xtask attack`: the attacks alone, as a table for a person.

mod catalogue;
mod table;

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};
use catalogue::Attack;
use melouvert_cluster::Cluster;
use table::Outcome;

use crate::{
    debian::{self, Need},
    platform::{FOR_TESTS, Platform, Programs, SYSTEM},
    progress::{data, say, step},
    shell,
};

/// The variable that names the kubeconfig of the installation under attack, when it is not the
/// tests' cluster.
pub const KUBECONFIG: &str = "MELOUVERT_ATTACK_KUBECONFIG";

/// Arguments of `cargo xtask attack`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cluster of `cargo xtask cluster` to attack; one that stands is left standing
    #[arg(long, default_value = "melouvert-test")]
    name: String,
    /// Another installation: only what neither stops nor changes anything is tried there
    #[arg(long, conflicts_with = "name")]
    kubeconfig: Option<PathBuf>,
    /// Leave a cluster that was started for this standing
    #[arg(long)]
    keep: bool,
    /// Write the page of docs/ to the standard output and attack nothing
    #[arg(long, exclusive = true)]
    page: bool,
    /// Only the attacks whose name contains this
    filter: Option<String>,
}

/// The folder of the attacks' tests.
fn folder() -> PathBuf {
    shell::root().join("tests/e2e/tests/cluster/attacks")
}

/// Runs `cargo xtask attack`.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let mut attacks = catalogue::read(&folder())?;
    if args.page {
        data(table::page(&attacks).trim_end());
        return Ok(());
    }
    if let Some(filter) = &args.filter {
        attacks.retain(|attack| attack.path().contains(filter));
    }
    match &args.kubeconfig {
        Some(kubeconfig) => bystander(&attacks, Aim::Kubeconfig(kubeconfig)),
        None => on_cluster(args, &attacks),
    }
}

fn on_cluster(args: &Args, attacks: &[Attack]) -> anyhow::Result<()> {
    debian::require(&[Need::Tests, Need::Cluster, Need::Images])?;
    let name = &args.name;
    if let Ok(standing) = Cluster::attach(name) {
        return if marked(&standing)? {
            suite(attacks, Aim::Cluster(name))
        } else {
            bystander(attacks, Aim::Cluster(name))
        };
    }
    let outcome = Platform::install(name, Programs::WithTests)
        .and_then(|_| suite(attacks, Aim::Cluster(name)));
    if args.keep {
        return outcome;
    }
    let removed = step("Retirer le cluster", || Ok(melouvert_cluster::down(name)?));
    outcome.and(removed)
}

/// Whether the tests installed Melouvert there.
fn marked(cluster: &Cluster) -> anyhow::Result<bool> {
    let path = format!(
        "jsonpath={{.metadata.labels.{}}}",
        FOR_TESTS.replace('.', "\\.")
    );
    let mark = cluster.kubectl(&["get", "namespace", SYSTEM, "-o", &path])?;
    Ok(mark == "true")
}

/// Only what neither stops nor changes anything, and says what is left out.
fn bystander(attacks: &[Attack], aim: Aim<'_>) -> anyhow::Result<()> {
    let (harmless, left): (Vec<_>, Vec<_>) = attacks
        .iter()
        .cloned()
        .partition(|attack| attack.harmless.is_some());
    say(&format!(
        "cette installation n'est pas marquée pour les essais ({FOR_TESTS}=true sur l'espace de noms \
         {SYSTEM}) : {} attaques sans effet y sont tentées, {} autres ne le sont pas :",
        harmless.len(),
        left.len()
    ));
    for attack in &left {
        say(&format!("  {}", attack.path()));
    }
    suite(&harmless, aim)
}

/// What is attacked.
#[derive(Clone, Copy)]
enum Aim<'a> {
    Cluster(&'a str),
    Kubeconfig(&'a Path),
}

/// Runs the tests and shows the table.
fn suite(attacks: &[Attack], aim: Aim<'_>) -> anyhow::Result<()> {
    ensure!(!attacks.is_empty(), "no attack of that name");
    let mut test = shell::cargo();
    test.args(["test", "--package", "melouvert-e2e", "--test", "cluster"]);
    test.args(["--", "--ignored", "--test-threads=1", "--exact"]);
    test.args(attacks.iter().map(Attack::path));
    match aim {
        Aim::Cluster(name) => test.env("MELOUVERT_TEST_CLUSTER", name),
        Aim::Kubeconfig(file) => {
            let file = std::path::absolute(file).context("failed to find the kubeconfig")?;
            test.env(KUBECONFIG, file)
        }
    };
    let printed = step("Attaquer", || shown(&mut test))?;
    let outcomes = table::outcomes(&printed);
    data(table::of_run(attacks, &outcomes).trim());
    let open: Vec<_> = attacks
        .iter()
        .map(Attack::path)
        .filter(|path| outcomes.get(path) != Some(&Outcome::Held))
        .collect();
    ensure!(
        open.is_empty(),
        "these attacks were not held: {}",
        open.join(", ")
    );
    say(&format!("==> {} attaques tenues", attacks.len()));
    Ok(())
}

/// Runs to the end, showing the output as it comes, and returns it whatever the exit status: that
/// one is judged attack by attack.
fn shown(command: &mut Command) -> anyhow::Result<String> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .context("failed to start cargo test")?;
    let mut printed = String::new();
    let output = child.stdout.take().context("no output of cargo test")?;
    for line in BufReader::new(output).lines() {
        let line = line.context("failed to read the output of cargo test")?;
        say(&line);
        printed.push_str(&line);
        printed.push('\n');
    }
    child.wait().context("failed to await cargo test")?;
    Ok(printed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An attack that came since is not on the page yet; one that changed or went is a lie there.
    #[test]
    fn the_page_shows_no_attack_that_is_not_tried() {
        let page = table::page(&catalogue::read(&folder()).unwrap());
        let shown = include_str!("../../../../docs/attaques.md");
        assert!(shown.lines().count() > 20);
        for line in shown.lines() {
            assert!(
                page.lines().any(|of| of == line),
                "docs/attaques.md is stale: run `cargo xtask attack --page > docs/attaques.md`: {line}"
            );
        }
    }
}
