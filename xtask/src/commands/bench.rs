//! `cargo xtask bench migration`: the engine beside its peers, on private servers.

use std::path::PathBuf;

use anyhow::bail;

use crate::shell;

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
    /// Rounds; medians are shown
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Cases: lan, tls, source-far, both-far, no-fsync
    #[arg(long, default_value = "lan,tls,source-far,both-far")]
    cases: String,
    /// Tools: ours, ours-unverified, mbsync, doveadm, offlineimap, limit
    #[arg(long, default_value = "ours,ours-unverified,mbsync,doveadm,limit")]
    tools: String,
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
        let needed = [
            ("/usr/sbin/dovecot", "dovecot-imapd"),
            ("/usr/bin/mbsync", "isync"),
            ("/usr/bin/python3", "python3"),
        ];
        for (path, package) in needed {
            if !PathBuf::from(path).exists() {
                bail!("failed to find {path}; as root: apt-get install -y {package}");
            }
        }
        for more in [
            ["melouvert-bench", "--bins"],
            ["melouvert-migration", "--examples"],
        ] {
            shell::run(
                shell::cargo()
                    .args(["build", "--release", "--package"])
                    .args(more),
            )?;
        }
        let target = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| shell::root().join("target"), PathBuf::from);
        let release = target.join("release");
        let (messages, rounds) = (self.messages.to_string(), self.rounds.to_string());
        // A corpus belongs to its size: another number of messages is another folder.
        let dir = self
            .dir
            .clone()
            .unwrap_or_else(|| target.join(format!("bench-{messages}")));
        std::fs::create_dir_all(&dir)?;
        let ours = self
            .binary
            .clone()
            .unwrap_or_else(|| release.join("examples/copy"));
        let mut bench = shell::command(release.join("melouvert-bench"));
        bench.args([
            "migration",
            "--compare",
            "--messages",
            &messages,
            "--rounds",
            &rounds,
        ]);
        bench
            .args(["--cases", &self.cases, "--tools", &self.tools, "--dir"])
            .arg(dir);
        bench
            .arg("--ours")
            .arg(ours)
            .arg("--limit")
            .arg(release.join("examples/limit"));
        shell::run(&mut bench)
    }
}
