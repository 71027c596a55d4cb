//! `melouvert journal`: who did what, and the proof that nothing of it was changed.

mod pages;
mod show;
mod verify;

use clap::Subcommand;

use crate::{
    errors::CliError,
    globals::Context,
    language::{French, about, arg},
};

/// French help.
pub const FRENCH: &[French] = &[
    about("journal", "Montre et vérifie les journaux"),
    about(
        "journal show",
        "Montre un journal, le plus ancien d'abord\n\nSans --siren, celui de la plateforme.",
    ),
    arg(
        "journal show",
        "siren",
        "SIREN de la collectivité ; à défaut, la plateforme",
    ),
    arg("journal show", "after", "Commence après ce numéro"),
    arg(
        "journal show",
        "limit",
        "Nombre d'entrées au plus ; tout à défaut",
    ),
    about(
        "journal verify",
        "Vérifie un journal et nomme le premier maillon rompu\n\nChaque empreinte est recalculée ici, puis comparée à la vérification de la plateforme. Sans --siren, le journal de la plateforme.",
    ),
    arg(
        "journal verify",
        "siren",
        "SIREN de la collectivité ; à défaut, la plateforme",
    ),
];

/// `melouvert journal …`
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show a journal, oldest first
    ///
    /// Without --siren, the platform's.
    Show(show::Args),
    /// Verify a journal and name the first broken link
    ///
    /// Each hash is computed again here, then compared with the platform's own verification.
    /// Without --siren, the platform's journal.
    Verify(verify::Args),
}

impl Command {
    /// Runs the command.
    pub async fn run(&self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::Show(args) => args.run(context).await,
            Self::Verify(args) => args.run(context).await,
        }
    }
}
