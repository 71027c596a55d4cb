//! The engine behind the flags of `melouvert migrate copy`, without the rest of the command line:
//! what tests kill and benchmarks time.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use melouvert_migration::account::read_accounts;
use melouvert_migration::engine::Verification;
use melouvert_migration::{EndpointOptions, Options, Outcome, Silent};
use tokio_util::sync::CancellationToken;

fn value(arguments: &[String], flag: &str) -> Option<String> {
    let at = arguments.iter().position(|argument| argument == flag)?;
    arguments.get(at + 1).cloned()
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let bad = ExitCode::from(Outcome::BAD_INPUT);
    let (Some(csv), Some(state)) = (
        value(&arguments, "--accounts"),
        value(&arguments, "--state"),
    ) else {
        return bad;
    };
    let endpoints = EndpointOptions {
        allow_cleartext: arguments
            .iter()
            .any(|argument| argument == "--allow-cleartext"),
        ca_file: value(&arguments, "--ca-file").map(PathBuf::from),
    };
    let Ok(accounts) = read_accounts(Path::new(&csv), &endpoints) else {
        return bad;
    };
    let jobs = value(&arguments, "--jobs")
        .and_then(|jobs| jobs.parse().ok())
        .unwrap_or(4);
    let unverified = arguments.iter().any(|argument| argument == "--no-verify");
    let verification = if unverified {
        Verification::None
    } else {
        Verification::New
    };
    let options = Options {
        jobs,
        verification,
        ..Options::default()
    };
    let stop = CancellationToken::new();
    let report = melouvert_migration::run(
        accounts,
        Path::new(&state),
        &options,
        Arc::new(Silent),
        stop,
    )
    .await;
    if let Some(path) = value(&arguments, "--report") {
        let json = serde_json::to_vec_pretty(&report).map_err(std::io::Error::other);
        if json.and_then(|json| std::fs::write(path, json)).is_err() {
            return bad;
        }
    }
    ExitCode::from(report.outcome.exit_code())
}
