//! `melouvert migrate`: moves mailboxes from an old server into a space, with a proof.

mod accounts;
mod copy;
mod limits;
mod lines;
mod proof;
mod run;
mod source;
mod status;
mod tally;
mod verify;
mod wait;
mod worker;

use clap::Subcommand;
use kube::Api;
use melouvert_api::Migration;
use melouvert_domain::{NamespaceName, Siren};

use crate::{
    errors::CliError,
    globals::Context,
    kube::explain,
    language::{French, about, arg},
    text::text,
};

/// French help.
pub const FRENCH: &[French] = &[
    about(
        "migrate",
        "Déménage des boîtes aux lettres d'un ancien serveur, avec une preuve",
    ),
    about(
        "migrate run",
        "Migre des boîtes dans l'espace d'une collectivité, par un Job du cluster\n\nLe fichier a pour colonnes source_user,source_password,target_user,target_password. Les mots de passe restent dans un Secret de l'espace ; seul l'ancien serveur est ouvert au Job. Relancez avec --again : seul ce qui manque est copié.",
    ),
    arg(
        "migrate run",
        "siren",
        "SIREN de la collectivité qui reçoit les boîtes",
    ),
    arg(
        "migrate run",
        "source",
        "Ancien serveur : imaps://hôte:993, ou imap://hôte:143 avec --allow-cleartext",
    ),
    arg("migrate run", "accounts", "Fichier CSV des comptes, UTF-8"),
    arg(
        "migrate run",
        "cidrs",
        "Adresses de l'ancien serveur, en CIDR, p. ex. 203.0.113.7/32 ; peut être répété",
    ),
    arg(
        "migrate run",
        "ca_file",
        "PEM de l'autorité qui a signé le certificat de l'ancien serveur",
    ),
    arg(
        "migrate run",
        "allow_cleartext",
        "Accepte imap://, qui ne chiffre rien",
    ),
    arg("migrate run", "jobs", "Comptes copiés en même temps"),
    arg(
        "migrate run",
        "name",
        "Nom de la migration ; tiré de la date à défaut",
    ),
    arg(
        "migrate run",
        "again",
        "Relance une migration existante : copie ce qui manque",
    ),
    arg(
        "migrate run",
        "timeout",
        "Durée d'attente au plus, p. ex. 12h",
    ),
    arg(
        "migrate run",
        "no_wait",
        "Rend la main dès que la migration est demandée",
    ),
    about(
        "migrate status",
        "Dit où en sont les migrations d'une collectivité",
    ),
    arg("migrate status", "siren", "SIREN de la collectivité"),
    arg("migrate status", "name", "Une seule migration"),
    arg(
        "migrate status",
        "watch",
        "Suit la migration jusqu'à sa fin",
    ),
    arg(
        "migrate status",
        "timeout",
        "Durée d'attente au plus avec --watch, p. ex. 12h",
    ),
    about(
        "migrate verify",
        "Vérifie la preuve d'une migration : empreinte, puis chaque dossier\n\nÉchoue (code 10) s'il manque quoi que ce soit.",
    ),
    arg("migrate verify", "siren", "SIREN de la collectivité"),
    arg("migrate verify", "name", "Nom de la migration"),
    about(
        "migrate worker",
        "Copie les comptes, dans le Job d'une migration (usage interne)",
    ),
    arg("migrate worker", "accounts", "Fichier CSV des comptes"),
    arg("migrate worker", "source_host", "Ancien serveur"),
    arg("migrate worker", "source_port", "Son port"),
    arg(
        "migrate worker",
        "source_ca",
        "PEM de l'autorité de l'ancien serveur",
    ),
    arg(
        "migrate worker",
        "allow_cleartext",
        "L'ancien serveur n'a pas TLS",
    ),
    arg("migrate worker", "target", "Serveur de l'espace, hôte:port"),
    arg(
        "migrate worker",
        "target_ca",
        "PEM de l'autorité de l'espace",
    ),
    arg("migrate worker", "limit_rate", limits::RATE),
    arg("migrate worker", "max_connections", limits::CONNECTIONS),
    arg("migrate worker", "state", "Dossier du journal de reprise"),
    arg("migrate worker", "jobs", "Comptes copiés en même temps"),
    arg("migrate worker", "api", "URL de l'API de la plateforme"),
    arg(
        "migrate worker",
        "api_ca",
        "PEM de l'autorité de la plateforme",
    ),
    arg("migrate worker", "token_file", "Jeton du Job"),
    arg("migrate worker", "siren", "SIREN de la collectivité"),
    arg("migrate worker", "name", "Nom de la migration"),
    arg("migrate worker", "run", "Numéro du passage"),
    arg("migrate worker", "uid", "UID de la Migration"),
];

/// French help of `migrate proof`.
pub const PROOF_FRENCH: &[French] = proof::FRENCH;

/// French help of `migrate copy`.
pub const COPY_FRENCH: &[French] = copy::FRENCH;

/// `melouvert migrate …`
#[derive(Debug, Subcommand)]
pub enum Command {
    Copy(copy::Args),
    /// Migrate mailboxes into the space of a collectivity, by a Job of the cluster
    ///
    /// The file has the columns source_user,source_password,target_user,target_password. Passwords
    /// stay in a Secret of the space; the old server alone is opened to the Job. Run it again with
    /// --again: only what is absent is copied.
    Run(run::Args),
    /// Tell where the migrations of a collectivity stand
    Status(status::Args),
    /// Verify the proof of a migration: its hash, then each folder
    ///
    /// Fails (code 10) when anything is absent.
    Verify(verify::Args),
    /// Show the proof of a migration, folder by folder, or write it for the collectivity
    ///
    /// With --file, its signature goes to FILE.p7s. `melouvert migrate proof verify` and openssl verify
    /// it, without a network.
    Proof(proof::Args),
    /// Copy the accounts, in a migration's Job (internal)
    #[command(hide = true)]
    Worker(worker::Args),
}

impl Command {
    /// Runs the command.
    pub async fn run(&self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::Copy(args) => args.run(context).await,
            Self::Run(args) => args.run(context).await,
            Self::Status(args) => args.run(context).await,
            Self::Verify(args) => args.run(context).await,
            Self::Proof(args) => args.run(context).await,
            Self::Worker(args) => args.run().await,
        }
    }
}

/// The migrations of one tenant.
fn api(client: kube::Client, siren: &Siren) -> Api<Migration> {
    Api::namespaced(client, NamespaceName::of(siren).as_str())
}

async fn get(api: &Api<Migration>, name: &str) -> Result<Migration, CliError> {
    api.get(name).await.map_err(|error| {
        explain(
            &error,
            &text!("lire la migration {name}", "read migration {name}"),
        )
    })
}
