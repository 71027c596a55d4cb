//! `melouvert completion`.

use clap_complete::Shell;

use crate::{
    app,
    errors::CliError,
    globals::Context,
    language::{self, French, about, arg},
    text::text,
};

/// French help.
pub const FRENCH: &[French] = &[
    about(
        "completion",
        "Écrit le script de complétion d'un interpréteur\n\nPar exemple : melouvert completion bash > /etc/bash_completion.d/melouvert",
    ),
    arg(
        "completion",
        "shell",
        "Interpréteur : bash, elvish, fish, powershell ou zsh",
    ),
];

/// Arguments of `melouvert completion`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell: bash, elvish, fish, powershell or zsh
    shell: Shell,
}

impl Args {
    /// Prints the script.
    pub fn run(&self, context: &Context) -> Result<(), CliError> {
        let mut script = Vec::new();
        let mut tree = language::localize(app::tree(), context.lang);
        clap_complete::generate(self.shell, &mut tree, "melouvert", &mut script);
        let script = String::from_utf8(script).map_err(|error| {
            CliError::failure(text!(
                "script de complétion illisible",
                "unreadable completion script"
            ))
            .caused_by(&error)
        })?;
        context.printer.raw(&script)
    }
}
