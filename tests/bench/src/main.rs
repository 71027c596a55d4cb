//! `melouvert-bench`: corpora to fill a mail server with.

use std::path::PathBuf;

use clap::Parser;
use melouvert_bench::{corpus, seeds};

/// Builds mailboxes from real messages
#[derive(Debug, Parser)]
#[command(name = "melouvert-bench", version)]
enum Command {
    /// Writes Maildir++ mailboxes named agent01, agent02, …
    Corpus {
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
    },
}

#[allow(clippy::print_stdout, reason = "a developer's tool")]
fn main() -> anyhow::Result<()> {
    let Command::Corpus {
        out,
        messages,
        mailboxes,
        seed,
        largest,
    } = Command::parse();
    let options = corpus::Options {
        messages,
        mailboxes,
        seed,
        largest,
    };
    let summary = corpus::write(&seeds::load()?, options, &out)?;
    println!("{}", serde_json::to_string_pretty(&summary)?);
    Ok(())
}
