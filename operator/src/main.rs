//! `melouvert-operator`: see `--help`.

use std::process::ExitCode;

use clap::Parser;
use melouvert_operator::{
    run,
    settings::{Cli, Command},
};
use tracing_subscriber::{EnvFilter, filter::Directive, fmt};

fn main() -> ExitCode {
    let Cli {
        command: Command::Run(settings),
    } = Cli::parse();
    fmt()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_env_filter(filter())
        .with_writer(std::io::stderr)
        .init();
    if rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .is_err()
    {
        tracing::error!("a TLS provider was installed before the operator's");
        return ExitCode::FAILURE;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "failed to start the runtime");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run::run(settings)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the operator ended");
            ExitCode::FAILURE
        }
    }
}

/// `RUST_LOG`, by default `info`; PostgreSQL's notices ("already exists, skipping") only when asked
/// for by name.
fn filter() -> EnvFilter {
    let asked = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let filter = EnvFilter::try_new(&asked).unwrap_or_else(|_| EnvFilter::new("info"));
    let filter = if asked.is_empty() {
        EnvFilter::new("info")
    } else {
        filter
    };
    match "sqlx::postgres::notice=warn".parse::<Directive>() {
        Ok(quiet) if !asked.contains("notice") => filter.add_directive(quiet),
        _ => filter,
    }
}
