//! `cargo xtask`: see `cargo xtask --help`.

use clap::Parser;
use xtask::commands;

/// Build, run and test Melouvert
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", version)]
enum Command {
    /// Try what Melouvert must withstand and show how each attempt ended
    Attack(commands::attack::Args),
    /// Measure the migration engine beside its peers
    Bench(commands::bench::Args),
    /// A real Kubernetes on this machine: up, down, status, shell
    Cluster(commands::cluster::Args),
    /// Write the custom resource definitions into their chart
    Crds(commands::crds::Args),
    /// Pack the official directory of communes and EPCI
    Directory(commands::directory::Args),
    /// Feed every parser of foreign bytes with what nobody would send
    Fuzz(commands::fuzz::Args),
    /// Build the container images
    Images(commands::images::Args),
    /// Write who may do what into the documentation, from the chart's roles
    Rights(commands::rights::Args),
    /// Refresh what the compiler knows of the databases' SQL
    Sqlx(commands::sqlx::Args),
    /// Run every test, on a cluster of its own
    Test(commands::test::Args),
    /// Install Melouvert on this machine and show what it does
    Try(commands::try_out::Args),
}

fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Attack(args) => commands::attack::run(&args),
        Command::Bench(args) => commands::bench::run(&args),
        Command::Cluster(args) => commands::cluster::run(&args),
        Command::Crds(args) => commands::crds::run(&args),
        Command::Directory(args) => commands::directory::run(&args),
        Command::Fuzz(args) => commands::fuzz::run(&args),
        Command::Images(args) => commands::images::run(&args),
        Command::Rights(args) => commands::rights::run(&args),
        Command::Sqlx(args) => commands::sqlx::run(&args),
        Command::Test(args) => commands::test::run(&args),
        Command::Try(args) => commands::try_out::run(&args),
    }
}
