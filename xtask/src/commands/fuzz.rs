//! `cargo xtask fuzz`: every parser of foreign bytes against what nobody would send.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use crate::progress;
use crate::shell;

/// The crate of the targets, from the root.
const CRATE: &str = "crates/migration";
/// The tool's version; it is installed beside the other built programs, not in the checkout.
const VERSION: &str = "0.13.2";
/// Bytes of the longest input, where no seed is longer: a PST cut short is none.
const LONGEST: u64 = 8192;

/// Arguments of `cargo xtask fuzz`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The target; all of them by default
    target: Option<String>,
    /// Executions of each target
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    runs: u64,
    /// Minutes after which a target ends with fewer executions
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    minutes: Option<u32>,
    /// Processes at once
    #[arg(long, value_name = "N", default_value_t = 1)]
    jobs: u16,
}

/// Runs `cargo xtask fuzz`.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let tool = tool()?;
    let all = targets()?;
    let chosen: Vec<String> = match &args.target {
        None => all,
        Some(one) => {
            ensure!(
                all.contains(one),
                "failed to find the target {one}; there are {}",
                all.join(", ")
            );
            vec![one.clone()]
        }
    };
    for target in chosen {
        progress::step(&format!("{target}: {} executions", args.runs), || {
            fuzz(&tool, &target, args)
        })?;
    }
    Ok(())
}

fn fuzz(tool: &Path, target: &str, args: &Args) -> anyhow::Result<()> {
    let folder = shell::root().join(CRATE).join("fuzz");
    // What this run finds goes into a corpus of its own: the repository's stays small.
    let found = cache().join("fuzz").join(target);
    std::fs::create_dir_all(&found)?;
    let seeds = folder.join("corpus").join(target);
    let mut command = shell::command(tool);
    command
        .current_dir(shell::root().join(CRATE))
        .env("CARGO_TARGET_DIR", cache().join("fuzz-target"))
        .env_remove("CARGO_BUILD_BUILD_DIR")
        // No sanitizer: our own code has no unsafe block, and so the stable compiler will do.
        .args(["fuzz", "run", "--sanitizer", "none", target])
        .arg(&found);
    let mut longest = LONGEST;
    if seeds.is_dir() {
        longest = longest.max(longest_file(&seeds)?);
        command.arg(&seeds);
    }
    command.arg("--").arg(format!("-runs={}", args.runs));
    if let Some(minutes) = args.minutes {
        command.arg(format!("-max_total_time={}", u64::from(minutes) * 60));
    }
    command.arg(format!("-max_len={longest}"));
    command.args(["-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1"]);
    let dictionary = folder.join("dict").join(dictionary(target));
    if dictionary.is_file() {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    if args.jobs > 1 {
        command.arg(format!("-fork={}", args.jobs));
    }
    shell::run(&mut command)
}

/// The words of a target's format: both kinds of content lines (RFC 5545, RFC 6350) share theirs.
fn dictionary(target: &str) -> &str {
    match target {
        "ical" | "vcard" => "lines",
        other => other,
    }
}

fn longest_file(folder: &Path) -> anyhow::Result<u64> {
    let mut longest = 0;
    for entry in std::fs::read_dir(folder).context("failed to list the seeds")? {
        longest = longest.max(entry?.metadata()?.len());
    }
    Ok(longest)
}

/// The names of the targets: the files of `fuzz_targets`.
fn targets() -> anyhow::Result<Vec<String>> {
    let folder = shell::root().join(CRATE).join("fuzz/fuzz_targets");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).context("failed to list the fuzz targets")? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(
                path.file_stem()
                    .map(|name| name.to_string_lossy().into_owned()),
            );
        }
    }
    names.sort();
    Ok(names)
}

fn cache() -> PathBuf {
    melouvert_cluster::cache_root()
}

/// cargo-fuzz, installed when it is absent.
fn tool() -> anyhow::Result<PathBuf> {
    let root = cache().join("tools");
    let program = root.join("bin/cargo-fuzz");
    if !program.is_file() {
        progress::step("cargo-fuzz", || {
            let mut command = shell::cargo();
            command.env_remove("CARGO_BUILD_BUILD_DIR").args([
                "install",
                "--quiet",
                "--locked",
                "cargo-fuzz",
                "--version",
                VERSION,
            ]);
            shell::run(command.arg("--root").arg(&root))
        })?;
    }
    Ok(program)
}
