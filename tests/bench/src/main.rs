//! `melouvert-bench`: corpora to fill a mail server with, and the migration's benchmark.

use std::path::PathBuf;

use clap::Parser;
use melouvert_bench::rounds::{self, Case};
use melouvert_bench::tools::Tool;
use melouvert_bench::{corpus, seeds, table};

/// Builds mailboxes from real messages, and measures migrations of them
#[derive(Debug, Parser)]
#[command(name = "melouvert-bench", version)]
enum Command {
    /// Writes Maildir++ mailboxes named agent01, agent02, …
    Corpus(CorpusArgs),
    /// Compares migration tools on private servers
    Migration(MigrationArgs),
}

#[derive(Debug, clap::Args)]
struct CorpusArgs {
    /// Folder to write into
    #[arg(long)]
    out: PathBuf,
    /// Messages in all mailboxes together
    #[arg(long, default_value_t = 400)]
    messages: usize,
    /// Mailboxes
    #[arg(long, default_value_t = 1)]
    mailboxes: usize,
    /// The same number gives the same corpus
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Bytes of the largest attachment
    #[arg(long, default_value_t = 30_000_000)]
    largest: usize,
}

#[derive(Debug, clap::Args)]
struct MigrationArgs {
    /// Messages in all mailboxes together
    #[arg(long, default_value_t = 20_000)]
    messages: usize,
    /// Mailboxes
    #[arg(long, default_value_t = 10)]
    mailboxes: usize,
    /// Rounds; medians are shown
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Cases
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "lan,tls,source-far,both-far"
    )]
    cases: Vec<Case>,
    /// Tools
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "ours,ours-unverified,mbsync,doveadm,limit"
    )]
    tools: Vec<Tool>,
    /// Mailboxes at once, where no delay is added
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Folder to work in: its disk is measured too
    #[arg(long)]
    dir: PathBuf,
    /// Our program, with the flags of `melouvert migrate copy`
    #[arg(long)]
    ours: PathBuf,
    /// The program that measures the limit
    #[arg(long)]
    limit: PathBuf,
    /// Compare what arrived, in the first round
    #[arg(long)]
    compare: bool,
}

#[allow(clippy::print_stdout, reason = "a developer's tool")]
fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Corpus(args) => {
            let options = corpus::Options {
                messages: args.messages,
                mailboxes: args.mailboxes,
                seed: args.seed,
                largest: args.largest,
            };
            let summary = corpus::write(&seeds::load()?, options, &args.out)?;
            println!("{}", serde_json::to_string_pretty(&summary)?);
        }
        Command::Migration(args) => {
            let messages = args.messages;
            let options = rounds::Options {
                messages,
                mailboxes: args.mailboxes,
                rounds: args.rounds,
                cases: args.cases,
                tools: args.tools,
                directory: args.dir,
                ours: args.ours,
                limit: args.limit,
                jobs: args.jobs,
                compare: args.compare,
            };
            let runs = rounds::run(&options, |run| {
                println!("{}", serde_json::to_string(run).unwrap_or_default());
            })?;
            println!("{}", table::render(&runs, messages));
        }
    }
    Ok(())
}
