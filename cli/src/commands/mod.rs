//! One module per command, one file per subcommand.
//!
//! To add a command: its module with `Args` (or a `Subcommand` enum), `run(&self, &Context)` and a
//! `FRENCH` table; then one variant, one arm and one table line here.

use clap::Subcommand;

use crate::{errors::CliError, globals::Context, language::French};

pub mod access;
pub mod agent;
pub mod cert;
pub mod collectivity;
pub mod completion;
pub mod doctor;
pub mod journal;
pub mod migrate;
pub mod quota;
pub mod reference;

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Open, show, suspend and end the spaces of local authorities
    #[command(subcommand)]
    Collectivity(collectivity::Command),
    /// Show, give and withdraw roles in the space of a collectivity
    #[command(subcommand)]
    Access(access::Command),
    /// Manage the agents of a collectivity
    #[command(subcommand)]
    Agent(agent::Command),
    /// Show the quotas of a collectivity and their use
    #[command(subcommand)]
    Quota(quota::Command),
    /// Show and verify the journals
    #[command(subcommand)]
    Journal(journal::Command),
    /// Show the certificates of the collectivities and when they expire
    #[command(subcommand)]
    Cert(cert::Command),
    /// Examine the platform and your rights, and say what to do about what is wrong
    ///
    /// Fails when a check fails. What your rights do not allow to see is marked "not verifiable".
    Doctor(doctor::Args),
    /// Move mailboxes from an old server, with a proof
    #[command(subcommand)]
    Migrate(migrate::Command),
    /// Print a completion script for a shell
    Completion(completion::Args),
    /// Print the reference of the command line, in Markdown
    #[command(hide = true)]
    Reference,
}

/// The French helps of every command.
pub const FRENCH: &[&[French]] = &[
    access::FRENCH,
    agent::FRENCH,
    cert::FRENCH,
    collectivity::FRENCH,
    completion::FRENCH,
    doctor::FRENCH,
    migrate::FRENCH,
    migrate::COPY_FRENCH,
    migrate::PROOF_FRENCH,
    migrate::PLAN_FRENCH,
    reference::FRENCH,
    journal::FRENCH,
    quota::FRENCH,
];

impl Command {
    /// Runs the command.
    pub async fn run(&self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::Collectivity(command) => command.run(context).await,
            Self::Access(command) => command.run(context).await,
            Self::Agent(command) => command.run(context).await,
            Self::Quota(command) => command.run(context).await,
            Self::Journal(command) => command.run(context).await,
            Self::Cert(command) => command.run(context).await,
            Self::Doctor(args) => args.run(context).await,
            Self::Migrate(command) => command.run(context).await,
            Self::Completion(args) => args.run(context),
            Self::Reference => reference::run(context),
        }
    }
}
