//! `cargo xtask cluster`: a real Kubernetes on this machine.
#![allow(
    clippy::print_stdout,
    reason = "the result of a command goes to the standard output"
)]

use std::os::unix::process::CommandExt as _;

use anyhow::Context as _;
use melouvert_cluster::{Cluster, DEFAULT_NAME, Options, Status};

/// Arguments of `cargo xtask cluster`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    /// Which cluster: several can stand side by side
    #[arg(long, global = true, default_value = DEFAULT_NAME)]
    name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Subcommand)]
enum Action {
    /// Build what is missing and start the cluster
    Up,
    /// Build what is missing, and start nothing
    Build,
    /// Remove the cluster and all that belongs to it, also after a crash
    Down,
    /// Show components, memory, readiness and forwarded ports
    Status,
    /// Open a shell in the cluster's network, with kubectl and helm at hand
    Shell,
}

/// Runs `cargo xtask cluster`.
///
/// # Errors
/// Whatever the cluster library reports; `status` also when something is not healthy.
pub fn run(args: &Args) -> anyhow::Result<()> {
    match args.action {
        Action::Up => up(&args.name),
        Action::Build => Ok(melouvert_cluster::build()?),
        Action::Down => Ok(melouvert_cluster::down(&args.name)?),
        Action::Status => status(&args.name),
        Action::Shell => shell(&args.name),
    }
}

fn up(name: &str) -> anyhow::Result<()> {
    let cluster = Cluster::up(&Options::named(name))?;
    println!("export KUBECONFIG={}", cluster.kubeconfig().display());
    println!("export PATH={}:$PATH", cluster.bin_dir().display());
    Ok(())
}

fn status(name: &str) -> anyhow::Result<()> {
    let cluster = Cluster::attach(name)?;
    let status = cluster.status()?;
    println!("{}", describe(&cluster, &status));
    anyhow::ensure!(
        status.healthy(),
        "cluster {name} is not healthy: logs are in {}",
        cluster.logs().display()
    );
    Ok(())
}

fn describe(cluster: &Cluster, status: &Status) -> String {
    let mut lines = vec![format!(
        "{:<26} {:>8} {:>8}  STATE",
        "COMPONENT", "PID", "MIB"
    )];
    for component in &status.components {
        let pid = component
            .pid
            .map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        lines.push(format!(
            "{:<26} {pid:>8} {:>8}  {}",
            component.name, component.memory_mib, component.state
        ));
    }
    lines.push(format!(
        "all, with pods: {} processes, {} MiB",
        status.processes, status.memory_mib
    ));
    lines.push(format!("\nAPI server: {}\n{}\n", status.api, status.nodes));
    for forward in &status.forwards {
        let state = if forward.alive { "" } else { "  ended" };
        lines.push(format!(
            "127.0.0.1:{} -> {}{state}",
            forward.port, forward.target
        ));
    }
    lines.push(format!("kubeconfig: {}", cluster.kubeconfig().display()));
    lines.push(format!("programs:   {}", cluster.bin_dir().display()));
    lines.push(format!("logs:       {}", cluster.logs().display()));
    lines.join("\n")
}

fn shell(name: &str) -> anyhow::Result<()> {
    let cluster = Cluster::attach(name)?;
    let program = std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
    let mut path = cluster.bin_dir().as_os_str().to_owned();
    if let Some(rest) = std::env::var_os("PATH") {
        path.push(":");
        path.push(rest);
    }
    let error = cluster.enter().arg(program).env("PATH", path).exec();
    Err(error).context("failed to start a shell in the cluster's network")
}
