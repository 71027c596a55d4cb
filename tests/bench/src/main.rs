//! `melouvert-bench`: corpora to fill a mail server with, and the migration's benchmark.

use std::io::Write;
use std::path::PathBuf;

use clap::Parser;
use melouvert_bench::cases::Case;
use melouvert_bench::rounds;
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
    #[arg(long, value_enum, value_delimiter = ',', default_value = DEFAULT_CASES)]
    cases: Vec<Case>,
    /// Tools instead of each case's own
    #[arg(long, value_enum, value_delimiter = ',')]
    tools: Option<Vec<Tool>>,
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
}

/// Every case that has a goal, and the one for slow tools.
const DEFAULT_CASES: &str = "lan,tls,own,far,both-far,folder6k,folder60k,small";

fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Corpus(args) => write_corpus(&args),
        Command::Migration(args) => compare_tools(args),
    }
}

#[expect(clippy::print_stdout, reason = "the summary is the command's answer")]
fn write_corpus(args: &CorpusArgs) -> anyhow::Result<()> {
    let options = corpus::Options {
        messages: args.messages,
        mailboxes: args.mailboxes,
        seed: args.seed,
        largest: args.largest,
    };
    let summary = corpus::write(&seeds::load()?, options, &args.out)?;
    println!("{}", serde_json::to_string_pretty(&summary)?);
    Ok(())
}

/// Each run goes to `runs.jsonl` as it ends, the tables to stdout and to `table.md`.
#[expect(clippy::print_stdout, reason = "the table is the command's answer")]
#[expect(clippy::print_stderr, reason = "a person waits for many minutes")]
fn compare_tools(args: MigrationArgs) -> anyhow::Result<()> {
    // The servers' configurations name files in it.
    let directory = std::path::absolute(&args.dir)?;
    let options = rounds::Options {
        messages: args.messages,
        mailboxes: args.mailboxes,
        rounds: args.rounds,
        cases: args.cases,
        tools: args.tools,
        directory: directory.clone(),
        ours: args.ours,
        limit: args.limit,
        jobs: args.jobs,
    };
    let mut kept = std::fs::File::create(directory.join("runs.jsonl"))?;
    let runs = rounds::run(&options, &|text| eprintln!("{text}"), |run| {
        Ok(writeln!(kept, "{}", serde_json::to_string(run)?)?)
    })?;
    let table = table::render(&runs);
    std::fs::write(directory.join("table.md"), &table)?;
    println!("{table}");
    Ok(())
}
