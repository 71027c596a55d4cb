//! `melouvert-operator`: see `--help`.

use std::process::ExitCode;

use clap::Parser;
use melouvert_operator::{
    run,
    settings::{Cli, Command},
};
use tracing_subscriber::{EnvFilter, fmt};

fn main() -> ExitCode {
    let Cli {
        command: Command::Run(settings),
    } = Cli::parse();
    fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(
            EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")),
        )
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
