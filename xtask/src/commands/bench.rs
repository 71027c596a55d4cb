//! `cargo xtask bench migration`: the engine beside its peers, on private servers.

use std::path::PathBuf;

use crate::{
    debian::{self, Need},
    progress, shell,
};

/// Arguments of `cargo xtask bench`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Debug, clap::Subcommand)]
enum Bench {
    /// Compares migration tools over the same real messages
    Migration(Migration),
}

/// Arguments of `cargo xtask bench migration`.
#[derive(Debug, clap::Args)]
struct Migration {
    /// Messages in all mailboxes together
    #[arg(long, default_value_t = 20_000)]
    messages: usize,
    /// Rounds; medians are shown. Cases that are slow or without a ratio run once
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Cases: lan, tls, own, far, both-far, folder6k, folder60k, small, no-fsync (all but the last)
    #[arg(long)]
    cases: Option<String>,
    /// Tools instead of each case's own: ours, ours-unverified, mbsync, doveadm, offlineimap,
    /// limit, limit-files
    #[arg(long)]
    tools: Option<String>,
    /// Folder to work in: its disk is measured too
    #[arg(long)]
    dir: Option<PathBuf>,
    /// A `melouvert` to measure instead of the engine alone
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// Runs `cargo xtask bench`.
pub fn run(args: &Args) -> anyhow::Result<()> {
    match &args.bench {
        Bench::Migration(migration) => migration.run(),
    }
}

impl Migration {
    fn run(&self) -> anyhow::Result<()> {
        debian::require(&[Need::Bench])?;
        progress::step("compilation optimisée", build)?;
        let target = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| shell::root().join("target"), PathBuf::from);
        let release = target.join("release");
        // Corpora are kept there from one run to the next.
        let dir = self.dir.clone().unwrap_or_else(|| target.join("bench"));
        std::fs::create_dir_all(&dir)?;
        let ours = self
            .binary
            .clone()
            .unwrap_or_else(|| release.join("examples/copy"));
        let mut bench = shell::command(release.join("melouvert-bench"));
        bench.args(["migration", "--messages", &self.messages.to_string()]);
        bench.args(["--rounds", &self.rounds.to_string()]);
        for (flag, list) in [("--cases", &self.cases), ("--tools", &self.tools)] {
            if let Some(list) = list {
                bench.args([flag, list]);
            }
        }
        bench.arg("--dir").arg(dir).arg("--ours").arg(ours);
        bench.arg("--limit").arg(release.join("examples/limit"));
        shell::run(&mut bench)
    }
}

/// In one command: apart, they would be compiled with other features, dependencies included.
fn build() -> anyhow::Result<()> {
    shell::run(
        shell::cargo()
            .args(["build", "--release", "--locked", "--bins", "--examples"])
            .args(["--package", "melouvert-bench"])
            .args(["--package", "melouvert-migration"]),
    )
}
