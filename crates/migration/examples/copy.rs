//! Copies the accounts of a CSV file: `copy ACCOUNTS.csv STATE JOBS REPORT.json [CA.pem]`.
//! Cleartext is allowed. The person's way is `melouvert migrate copy`; this one serves the tests.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use melouvert_migration::account::read_accounts;
use melouvert_migration::{EndpointOptions, Options, Outcome, Silent};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [csv, state, jobs, report, rest @ ..] = &arguments[..] else {
        return ExitCode::from(Outcome::BAD_INPUT);
    };
    let endpoints = EndpointOptions {
        allow_cleartext: true,
        ca_file: rest.first().map(PathBuf::from),
    };
    let Ok(accounts) = read_accounts(Path::new(csv), &endpoints) else {
        return ExitCode::from(Outcome::BAD_INPUT);
    };
    let options = Options {
        jobs: jobs.parse().unwrap_or(1),
        ..Options::default()
    };
    let stop = CancellationToken::new();
    let done =
        melouvert_migration::run(accounts, Path::new(state), &options, Arc::new(Silent), stop)
            .await;
    let written = serde_json::to_vec_pretty(&done)
        .map_err(std::io::Error::other)
        .and_then(|json| std::fs::write(report, json));
    if written.is_err() {
        return ExitCode::from(Outcome::BAD_INPUT);
    }
    ExitCode::from(done.outcome.exit_code())
}
