//! `cargo xtask crds`: the definitions of the custom resources, from the code into their chart.

use crate::shell;

/// Arguments of `cargo xtask crds`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs `cargo xtask crds`.
pub fn run(_args: &Args) -> anyhow::Result<()> {
    shell::run(shell::cargo().args([
        "run",
        "--quiet",
        "--package",
        "melouvert-api",
        "--bin",
        "crdgen",
        "charts/melouvert-crds/templates",
    ]))
}
