//! `melouvert agent`: the agents of a collectivity.

mod add;
mod file;
mod import;
mod list;
mod passwd;
mod remove;
mod secret;
mod sheet;
mod tenant;

pub use sheet::size;

use clap::Subcommand;

use crate::{
    errors::CliError,
    globals::Context,
    language::{French, about, arg},
};

/// French help.
pub const FRENCH: &[French] = &[
    about("agent", "Gère les agents d'une collectivité"),
    about(
        "agent add",
        "Crée un agent et sa boîte\n\nSans --password-stdin, un mot de passe est fabriqué et affiché cette seule fois.",
    ),
    arg(
        "agent add",
        "address",
        "Adresse de l'agent, qui est aussi son identifiant",
    ),
    arg("agent add", "name", "Nom affiché"),
    arg(
        "agent add",
        "quota",
        "Quota de la boîte, p. ex. 2Gi ; à défaut celui de l'offre",
    ),
    arg(
        "agent add",
        "password_stdin",
        "Lit le mot de passe sur l'entrée standard",
    ),
    arg(
        "agent add",
        "siren",
        "SIREN de la collectivité ; à défaut celle du domaine de l'adresse",
    ),
    about(
        "agent import",
        "Crée tous les agents d'un fichier CSV, ou aucun\n\nColonnes : address,name et, au choix, quota,password. Une ligne incorrecte est nommée avec sa colonne, et rien n'est créé. Les mots de passe fabriqués sont affichés cette seule fois.",
    ),
    arg(
        "agent import",
        "file",
        "Fichier CSV en UTF-8, avec une ligne d'en-tête ; - pour l'entrée standard",
    ),
    arg("agent import", "siren", "SIREN de la collectivité"),
    about("agent list", "Liste les agents d'une collectivité"),
    arg("agent list", "siren", "SIREN de la collectivité"),
    about(
        "agent passwd",
        "Change le mot de passe d'un agent\n\nSans --password-stdin, un mot de passe est fabriqué et affiché cette seule fois.",
    ),
    arg("agent passwd", "address", "Adresse de l'agent"),
    arg(
        "agent passwd",
        "password_stdin",
        "Lit le mot de passe sur l'entrée standard",
    ),
    arg(
        "agent passwd",
        "siren",
        "SIREN de la collectivité ; à défaut celle du domaine de l'adresse",
    ),
    about(
        "agent remove",
        "Retire un agent ; son courrier reste sur le volume de la collectivité",
    ),
    arg("agent remove", "address", "Adresse de l'agent"),
    arg("agent remove", "yes", "Ne demande pas de confirmation"),
    arg(
        "agent remove",
        "siren",
        "SIREN de la collectivité ; à défaut celle du domaine de l'adresse",
    ),
];

/// `melouvert agent …`
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Add an agent and its mailbox
    ///
    /// Without --password-stdin a password is made and shown this once.
    Add(add::Args),
    /// Add all agents of a CSV file, or none
    ///
    /// Columns: address,name and, optionally, quota,password. A wrong line is named with its
    /// column and nothing is added. Passwords that are made are shown this once.
    Import(import::Args),
    /// List the agents of a collectivity
    List(list::Args),
    /// Change an agent's password
    ///
    /// Without --password-stdin a password is made and shown this once.
    Passwd(passwd::Args),
    /// Remove an agent; its mail stays on the collectivity's volume
    Remove(remove::Args),
}

impl Command {
    /// Runs the command.
    pub async fn run(&self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::Add(args) => args.run(context).await,
            Self::Import(args) => args.run(context).await,
            Self::List(args) => args.run(context).await,
            Self::Passwd(args) => args.run(context).await,
            Self::Remove(args) => args.run(context).await,
        }
    }
}
