//! `melouvert collectivity`: opens, shows, suspends and ends spaces.

mod adopt;
pub(crate) mod change;
mod delete;
mod identity;
mod list;
mod mail;
mod offer;
mod onboard;
mod sheet;
mod show;
mod turn;
mod wait;

pub use change::FIELD_MANAGER;
pub use list::{Listed, all};
pub use sheet::instant;

use clap::Subcommand;
use kube::Api;
use melouvert_api::Collectivity;
use melouvert_domain::{NamespaceName, Siren};

use crate::{
    errors::CliError,
    globals::Context,
    input,
    kube::explain,
    language::{French, about, arg},
};

/// French help.
pub const FRENCH: &[French] = &[
    about(
        "collectivity",
        "Ouvre, montre, suspend et ferme les espaces des collectivités",
    ),
    about(
        "collectivity onboard",
        "Ouvre l'espace d'une collectivité et attend qu'il fonctionne\n\nLe nom, le code INSEE, la population et la nature viennent des données officielles (INSEE, DGCL). Pour un organisme qui n'y est pas (département, région, syndicat, CCAS), donnez --name, --kind et --population.",
    ),
    arg(
        "collectivity onboard",
        "siren",
        "SIREN de la collectivité, 9 chiffres",
    ),
    arg(
        "collectivity onboard",
        "domains",
        "Domaine de messagerie, le premier étant le principal ; peut être répété",
    ),
    arg(
        "collectivity onboard",
        "plan",
        "Offre ; à défaut, celle que la population désigne",
    ),
    arg(
        "collectivity onboard",
        "region",
        "Région d'hébergement ; inutile s'il n'y en a qu'une",
    ),
    arg(
        "collectivity onboard",
        "dsi",
        "Adresse du responsable des systèmes d'information",
    ),
    arg(
        "collectivity onboard",
        "dpo",
        "Adresse du délégué à la protection des données",
    ),
    arg(
        "collectivity onboard",
        "name",
        "Nom officiel, si l'annuaire ne le connaît pas",
    ),
    arg(
        "collectivity onboard",
        "kind",
        "Nature, si l'annuaire ne la connaît pas : commune, epci, departement, region, syndicat ou other",
    ),
    arg(
        "collectivity onboard",
        "population",
        "Habitants, si l'annuaire ne les connaît pas",
    ),
    arg(
        "collectivity onboard",
        "timeout",
        "Durée d'attente au plus, p. ex. 5m",
    ),
    arg(
        "collectivity onboard",
        "dry_run",
        "Montre ce que le serveur enregistrerait, sans rien changer",
    ),
    about("collectivity list", "Liste les collectivités hébergées"),
    about(
        "collectivity show",
        "Montre une collectivité : état, accès, enregistrements DNS, certificats",
    ),
    arg("collectivity show", "siren", "SIREN de la collectivité"),
    about(
        "collectivity suspend",
        "Refuse les connexions des agents ; le courrier est toujours reçu",
    ),
    arg("collectivity suspend", "siren", "SIREN de la collectivité"),
    arg(
        "collectivity suspend",
        "timeout",
        "Durée d'attente au plus, p. ex. 5m",
    ),
    arg(
        "collectivity suspend",
        "dry_run",
        "Montre le changement, sans rien changer",
    ),
    about(
        "collectivity adopt",
        "Reprend l'espace d'un objet disparu, après une restauration\n\nUne collectivité restaurée d'une sauvegarde est un objet nouveau : son espace de noms, resté en place, appartient à l'ancien. Sans --namespace-uid, la commande montre ce qui serait repris et ne change rien.",
    ),
    arg("collectivity adopt", "siren", "SIREN de la collectivité"),
    arg(
        "collectivity adopt",
        "namespace_uid",
        "UID de l'espace de noms à reprendre ; sans lui, la commande l'affiche et ne change rien",
    ),
    arg(
        "collectivity adopt",
        "timeout",
        "Durée d'attente au plus, p. ex. 5m",
    ),
    arg(
        "collectivity adopt",
        "dry_run",
        "Montre le changement, sans rien changer",
    ),
    about("collectivity resume", "Rouvre un espace suspendu"),
    arg("collectivity resume", "siren", "SIREN de la collectivité"),
    arg(
        "collectivity resume",
        "timeout",
        "Durée d'attente au plus, p. ex. 5m",
    ),
    arg(
        "collectivity resume",
        "dry_run",
        "Montre le changement, sans rien changer",
    ),
    about(
        "collectivity mail",
        "Règle ce que le relais d'entrée fait du courrier d'un espace\n\nDu courrier venu du dehors au nom d'un domaine hébergé, que ni SPF ni DKIM ne prouve, est refusé. Un espace dont les listes de diffusion rompent les signatures peut le recevoir, marqué, dans Junk.",
    ),
    arg("collectivity mail", "siren", "SIREN de la collectivité"),
    arg(
        "collectivity mail",
        "unaligned",
        "Courrier du dehors au nom d'un domaine hébergé, que ni SPF ni DKIM ne prouve : refuse (refusé) ou junk (remis, marqué, dans Junk)",
    ),
    arg(
        "collectivity mail",
        "timeout",
        "Durée d'attente au plus, p. ex. 5m",
    ),
    arg(
        "collectivity mail",
        "dry_run",
        "Montre le changement, sans rien changer",
    ),
    about(
        "collectivity delete",
        "Demande la fin d'un espace, effacé au plus tôt 21 jours après\n\nLes serveurs s'arrêtent aussitôt ; courrier et base sont conservés jusqu'à la date affichée, et « melouvert collectivity undelete » annule la demande. Passé cette date, « --erase --confirm SIREN » efface pour de bon.",
    ),
    arg("collectivity delete", "siren", "SIREN de la collectivité"),
    arg(
        "collectivity delete",
        "yes",
        "Ne demande pas de confirmation",
    ),
    arg(
        "collectivity delete",
        "erase",
        "Efface pour de bon, une fois le préavis écoulé",
    ),
    arg(
        "collectivity delete",
        "confirm",
        "SIREN répété, pour confirmer l'effacement",
    ),
    arg(
        "collectivity delete",
        "timeout",
        "Durée d'attente au plus, p. ex. 5m",
    ),
    arg(
        "collectivity delete",
        "dry_run",
        "Montre le changement, sans rien changer",
    ),
    about(
        "collectivity undelete",
        "Annule la fin d'un espace et le rouvre",
    ),
    arg("collectivity undelete", "siren", "SIREN de la collectivité"),
    arg(
        "collectivity undelete",
        "timeout",
        "Durée d'attente au plus, p. ex. 5m",
    ),
    arg(
        "collectivity undelete",
        "dry_run",
        "Montre le changement, sans rien changer",
    ),
];

/// `melouvert collectivity …`
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Open the space of a local authority and wait until it works
    ///
    /// Its name, INSEE code, population and kind come from the official data (INSEE, DGCL). For a
    /// body that is not in them (département, région, syndicat, CCAS), give --name, --kind and
    /// --population.
    Onboard(onboard::Args),
    /// List the collectivities
    List,
    /// Show a collectivity: state, endpoints, DNS records, certificates
    Show(show::Args),
    /// Refuse the agents' logins; mail is still received
    Suspend(turn::Args),
    /// Reopen a suspended space
    Resume(turn::Args),
    /// Take over the space of an object that is gone, after a restore
    ///
    /// A collectivity that was restored from a backup is a new object: its namespace, which stayed,
    /// belongs to the old one. Without --namespace-uid, the command shows what would be taken over and
    /// changes nothing.
    Adopt(adopt::Args),
    /// Choose what the inbound relay does with mail for a space
    ///
    /// Mail from outside in the name of a hosted domain that neither SPF nor DKIM proves is refused.
    /// A space whose mailing lists break signatures may have it delivered, marked, into Junk.
    Mail(mail::Args),
    /// Ask for the end of a space, erased 21 days later at the earliest
    ///
    /// The servers stop at once; mail and database are kept until the date shown, and
    /// `melouvert collectivity undelete` takes the request back. After that date,
    /// `--erase --confirm SIREN` erases for good.
    Delete(delete::Args),
    /// Take back the end of a space and reopen it
    Undelete(turn::Args),
}

impl Command {
    /// Runs the command.
    pub async fn run(&self, context: &Context) -> Result<(), CliError> {
        match self {
            Self::Onboard(args) => args.run(context).await,
            Self::List => list::run(context).await,
            Self::Show(args) => args.run(context).await,
            Self::Suspend(args) => args.run(context, &turn::SUSPEND).await,
            Self::Resume(args) => args.run(context, &turn::RESUME).await,
            Self::Adopt(args) => args.run(context).await,
            Self::Mail(args) => args.run(context).await,
            Self::Delete(args) => args.run(context).await,
            Self::Undelete(args) => args.run(context, &turn::UNDELETE).await,
        }
    }
}

/// Reads one collectivity.
pub async fn get(api: &Api<Collectivity>, siren: &Siren) -> Result<Collectivity, CliError> {
    api.get(NamespaceName::of(siren).as_str())
        .await
        .map_err(|error| explain(&error, &input::reading(siren)))
}
