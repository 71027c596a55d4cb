//! `melouvert migrate`: moves mailboxes from an old server into a space, with a proof.

mod accounts;
mod change;
mod copy;
mod cutover;
mod endpoints;
mod limits;
mod lines;
mod pause;
mod plan;
mod proof;
mod retry;
mod rollback;
mod run;
mod secret;
mod source;
mod status;
mod tally;
mod verify;
mod wait;
mod watch;
mod waves;
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
        "Ancien serveur : imaps://hôte:993 ou imap+starttls://hôte:143 ; imap:// avec --allow-cleartext\n\nÀ la suite, ?auth=plain, login, xoauth2 ou oauthbearer, et master=LOGIN pour un administrateur qui ouvre chaque boîte.",
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
    arg(
        "migrate run",
        "jobs",
        "Comptes copiés en même temps, chacun par un Job",
    ),
    arg(
        "migrate run",
        "waves",
        "Vagues, fichier YAML : waves: [{name, accounts, windows, notBefore}]",
    ),
    arg(
        "migrate run",
        "wave_size",
        "Fait des vagues de tant de comptes, dans l'ordre du fichier de comptes",
    ),
    arg(
        "migrate run",
        "windows",
        "Ne copie qu'à ces heures, p. ex. « ven 20:00-lun 06:00 Europe/Paris » ; peut être répété",
    ),
    arg(
        "migrate run",
        "limit_rate",
        "Octets lus par seconde sur l'ancien serveur, tous comptes ensemble, p. ex. 5MB",
    ),
    arg(
        "migrate run",
        "max_connections",
        "Connexions à l'ancien serveur en même temps, tous comptes ensemble",
    ),
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
        "migrate pause",
        "Arrête une migration après les lots en cours ; rien n'est perdu",
    ),
    arg("migrate pause", "siren", "SIREN de la collectivité"),
    arg("migrate pause", "name", "Nom de la migration"),
    about(
        "migrate resume",
        "Reprend une migration en pause, où elle s'était arrêtée",
    ),
    arg("migrate resume", "siren", "SIREN de la collectivité"),
    arg("migrate resume", "name", "Nom de la migration"),
    about(
        "migrate retry",
        "Reprend les comptes incomplets : seul ce qui manque est copié",
    ),
    arg("migrate retry", "siren", "SIREN de la collectivité"),
    arg("migrate retry", "name", "Nom de la migration"),
    arg(
        "migrate retry",
        "accounts",
        "Fichier des comptes avec les mots de passe corrigés ; une vague se donne en entier",
    ),
    about(
        "migrate cutover",
        "Bascule : rattrape, attend que l'ancien serveur ne change plus, relit tout, prouve\n\nLa bascule est prouvée quand un passage entier n'a rien trouvé de nouveau, ou après le passage qui suit --source-frozen. L'ancien serveur n'est jamais modifié ; les mots de passe sont effacés.",
    ),
    arg("migrate cutover", "siren", "SIREN de la collectivité"),
    arg("migrate cutover", "name", "Nom de la migration"),
    arg("migrate cutover", "wave", "Une seule vague"),
    arg(
        "migrate cutover",
        "source_frozen",
        "Affirme que l'ancien serveur ne change plus : livraisons arrêtées, accès fermés",
    ),
    arg(
        "migrate cutover",
        "timeout",
        "Durée d'attente au plus, p. ex. 12h",
    ),
    arg(
        "migrate cutover",
        "no_wait",
        "Rend la main dès que la bascule est demandée",
    ),
    about(
        "migrate rollback",
        "Rend la référence à l'ancien serveur, jusqu'à la date annoncée ; n'efface rien",
    ),
    arg("migrate rollback", "siren", "SIREN de la collectivité"),
    arg("migrate rollback", "name", "Nom de la migration"),
    arg(
        "migrate rollback",
        "confirm",
        "Le nom de la migration à nouveau, pour confirmer",
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
    arg("migrate worker", "source", "Ancien serveur"),
    arg("migrate worker", "source_auth", "Comment s'y identifier"),
    arg(
        "migrate worker",
        "source_master",
        "L'administrateur qui ouvre chaque boîte",
    ),
    arg(
        "migrate worker",
        "source_ca",
        "PEM de l'autorité de l'ancien serveur",
    ),
    arg("migrate worker", "target", "Serveur de l'espace, hôte:port"),
    arg(
        "migrate worker",
        "target_ca",
        "PEM de l'autorité de l'espace",
    ),
    arg(
        "migrate worker",
        "target_password",
        "Mot de passe du compte au serveur de l'espace, à la place de celui du fichier CSV",
    ),
    arg("migrate worker", "limit_rate", limits::RATE),
    arg("migrate worker", "max_connections", limits::CONNECTIONS),
    arg("migrate worker", "min_rate", limits::LEAST),
    arg("migrate worker", "state", "Dossier du journal de reprise"),
    arg(
        "migrate worker",
        "account",
        "Identifiant du compte à copier",
    ),
    arg("migrate worker", "pass", "Numéro du passage"),
    arg(
        "migrate worker",
        "verify_all",
        "Tout relire, même ce qui l'a déjà été",
    ),
    arg("migrate worker", "api", "URL de l'API de la plateforme"),
    arg(
        "migrate worker",
        "api_ca",
        "PEM de l'autorité de la plateforme",
    ),
    arg("migrate worker", "token_file", "Jeton du Job"),
    arg("migrate worker", "siren", "SIREN de la collectivité"),
    arg("migrate worker", "name", "Nom de la migration"),
    arg("migrate worker", "uid", "UID de la Migration"),
];

/// French help of `migrate proof`.
pub const PROOF_FRENCH: &[French] = proof::FRENCH;

/// French help of `migrate plan`.
pub const PLAN_FRENCH: &[French] = plan::FRENCH;

/// French help of `migrate copy`.
pub const COPY_FRENCH: &[French] = copy::FRENCH;

/// `melouvert migrate …`
#[derive(Debug, Subcommand)]
pub enum Command {
    Plan(plan::Args),
    Copy(Box<copy::Args>),
    /// Migrate mailboxes into the space of a collectivity, by a Job of the cluster
    ///
    /// The file has the columns source_user,source_password,target_user,target_password. Passwords
    /// stay in a Secret of the space; the old server alone is opened to the Job. Run it again with
    /// --again: only what is absent is copied.
    Run(run::Args),
    /// Tell where the migrations of a collectivity stand
    Status(status::Args),
    /// Stop a migration after the batches in flight; nothing is lost
    Pause(pause::Args),
    /// Go on with a paused migration where it had stopped
    Resume(pause::Args),
    /// Take up the incomplete accounts again: only what is absent is copied
    Retry(retry::Args),
    /// Cut over: catch up, wait until the old server changes no more, read everything back, prove
    ///
    /// The cut-over is proven once a whole pass found nothing new, or after the pass that follows
    /// --source-frozen. The old server is never changed; the passwords are deleted.
    Cutover(cutover::Args),
    /// Make the old server the reference again, until the date shown; deletes nothing
    Rollback(rollback::Args),
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
    Worker(Box<worker::Args>),
}

impl Command {
    /// Runs the command.
    pub async fn run(&self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::Plan(args) => args.run(context).await,
            Self::Copy(args) => args.run(context).await,
            Self::Run(args) => args.run(context).await,
            Self::Status(args) => args.run(context).await,
            Self::Pause(args) => args.run(context, &pause::PAUSE).await,
            Self::Resume(args) => args.run(context, &pause::RESUME).await,
            Self::Retry(args) => args.run(context).await,
            Self::Cutover(args) => args.run(context).await,
            Self::Rollback(args) => args.run(context).await,
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
