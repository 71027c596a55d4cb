//! `melouvert quota`: what a collectivity may take and takes.

mod show;

use clap::Subcommand;

use crate::{
    errors::CliError,
    globals::Context,
    language::{French, about, arg},
};

/// French help.
pub const FRENCH: &[French] = &[
    about(
        "quota",
        "Montre les quotas d'une collectivité et leur usage",
    ),
    about("quota show", "Montre l'offre, le total et chaque boîte"),
    arg("quota show", "siren", "SIREN de la collectivité"),
];

/// `melouvert quota …`
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the plan, the total and each mailbox
    Show(show::Args),
}

impl Command {
    /// Runs the command.
    pub async fn run(&self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::Show(args) => args.run(context).await,
        }
    }
}
