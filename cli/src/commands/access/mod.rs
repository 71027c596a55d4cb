//! `melouvert access`: who has which role in the space of a collectivity.

mod change;
mod list;

use clap::Subcommand;
use kube::{Api, Client};
use melouvert_api::{Access, access};
use melouvert_domain::{NamespaceName, Siren};

use crate::{
    errors::CliError,
    globals::Context,
    kube::explain,
    language::{French, about, arg},
    text::text,
};

const ROLE: &str = "Rôle : dsi, helpdesk (assistance) ou auditor (auditeur)";
const USER: &str = "Une personne, par le nom que Kubernetes lui connaît";
const GROUP: &str = "Un groupe, par le nom que Kubernetes lui connaît";
const SIREN: &str = "SIREN de la collectivité";
const TIMEOUT: &str = "Attente maximale, par exemple 1m";

/// French help.
pub const FRENCH: &[French] = &[
    about(
        "access",
        "Montre, donne et retire les rôles dans l'espace d'une collectivité",
    ),
    about("access list", "Montre qui a quel rôle dans l'espace"),
    arg("access list", "siren", SIREN),
    about(
        "access grant",
        "Donne un rôle dans l'espace\n\nAttend que le rôle soit en vigueur et que le journal de l'espace en nomme l'auteur.",
    ),
    arg("access grant", "role", ROLE),
    arg("access grant", "user", USER),
    arg("access grant", "group", GROUP),
    arg("access grant", "siren", SIREN),
    arg("access grant", "timeout", TIMEOUT),
    about(
        "access revoke",
        "Retire un rôle dans l'espace\n\nLe droit tombe aussitôt ; attend que le journal de l'espace en nomme l'auteur.",
    ),
    arg("access revoke", "role", ROLE),
    arg("access revoke", "user", USER),
    arg("access revoke", "group", GROUP),
    arg("access revoke", "siren", SIREN),
    arg("access revoke", "timeout", TIMEOUT),
];

/// `melouvert access …`
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show who has which role in the space
    List(list::Args),
    /// Give a role in the space
    ///
    /// Waits until the role is in force and the space's journal names its author.
    Grant(change::Args),
    /// Withdraw a role in the space
    ///
    /// The right falls at once; waits until the space's journal names its author.
    Revoke(change::Args),
}

impl Command {
    /// Runs the command.
    pub async fn run(&self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::List(args) => args.run(context).await,
            Self::Grant(args) => args.run(context, change::Turn::Grant).await,
            Self::Revoke(args) => args.run(context, change::Turn::Revoke).await,
        }
    }
}

/// The objects of one space.
fn api(client: Client, siren: &Siren) -> Api<Access> {
    Api::namespaced(client, NamespaceName::of(siren).as_str())
}

/// The object of a space; `None` when nobody was ever given a role in it.
async fn get(api: &Api<Access>, siren: &Siren) -> Result<Option<Access>, CliError> {
    let doing = text!("lire les rôles de {siren}", "read the roles of {siren}");
    api.get_opt(access::NAME)
        .await
        .map_err(|error| explain(&error, &doing))
}
