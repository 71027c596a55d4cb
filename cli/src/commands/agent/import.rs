//! `melouvert agent import`.

use std::{fmt::Write, fs::File, io, path::PathBuf};

use hyper::Method;
use melouvert_api::wire::{AddedAgents, ImportAgents, NewAgent};

use super::file::{self, Flaw};
use crate::{errors::CliError, globals::Context, input, platform::PlatformClient, text::text};

/// Arguments of `melouvert agent import`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A CSV file in UTF-8 with a header line; - for stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The SIREN of the collectivity
    #[arg(long, value_name = "SIREN")]
    siren: String,
}

impl Args {
    /// Adds all agents, or none.
    pub async fn run(&self, context: &Context) -> Result<(), CliError> {
        let siren = input::siren(&self.siren)?;
        let agents = self.read()?;
        let count = agents.len();
        let doing = text!("charger {count} agents", "import {count} agents");
        let path = format!("/v1/tenants/{siren}/agents:import");
        let added: AddedAgents = PlatformClient::connect(context)
            .await?
            .call(Method::POST, &path, &ImportAgents { agents }, &doing)
            .await?;
        context.printer.rows(&added.agents)?;
        let (count, made) = (
            added.agents.len(),
            added.agents.iter().filter(|a| a.password.is_some()).count(),
        );
        context.note(&text!(
            "{count} agents créés, dont {made} avec un mot de passe fabriqué, affiché cette seule fois",
            "{count} agents added, {made} with a password that was made, shown this once"
        ));
        Ok(())
    }

    fn read(&self) -> Result<Vec<NewAgent>, CliError> {
        let path = self.file.display();
        let read = if self.file.as_os_str() == "-" {
            file::read(io::stdin().lock())
        } else {
            let opened = File::open(&self.file).map_err(|error| {
                CliError::usage(text!(
                    "fichier « {path} » illisible",
                    "unreadable file {path:?}"
                ))
                .caused_by(&error)
            })?;
            file::read(opened)
        };
        read.map_err(|flaws| refuse(&path.to_string(), &flaws))
    }
}

fn refuse(path: &str, flaws: &[Flaw]) -> CliError {
    let mut message = text!(
        "fichier « {path} » incorrect : rien n'est créé",
        "wrong file {path:?}: nothing is added"
    );
    for flaw in flaws {
        let (line, column) = (flaw.line, &flaw.column);
        // Writing to a String does not fail.
        let _ = write!(
            message.fr,
            "\n  ligne {line}, colonne {column} : {}",
            flaw.fr
        );
        let _ = write!(message.en, "\n  line {line}, column {column}: {}", flaw.en);
    }
    CliError::usage(message).remedy(text!(
        "corrigez chaque ligne nommée puis relancez",
        "correct each line named, then run again"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Lang;

    #[test]
    fn a_bad_file_is_told_line_by_line() {
        let flaws = file::read(&b"address,name\n,A\nb@b.fr\n"[..]).unwrap_err();
        let error = refuse("agents.csv", &flaws);
        insta::assert_snapshot!(error.render(Lang::Fr), @r"
        erreur : fichier « agents.csv » incorrect : rien n'est créé
          ligne 2, colonne address : valeur absente
          ligne 3, colonne 2 : 1 valeurs, 2 attendues
          que faire : corrigez chaque ligne nommée puis relancez
        ");
        insta::assert_snapshot!(error.render(Lang::En), @r#"
        error: wrong file "agents.csv": nothing is added
          line 2, column address: missing value
          line 3, column 2: 1 values, 2 expected
          remedy: correct each line named, then run again
        "#);
    }
}
