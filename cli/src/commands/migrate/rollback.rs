//! `melouvert migrate rollback`.

use jiff::Timestamp;
use kube::ResourceExt;
use melouvert_api::{Migration, migration::StageSchema};
use serde_json::json;

use super::change::{self, Of};
use crate::{
    errors::{CliError, Kind},
    globals::Context,
    text::text,
};

/// Arguments of `melouvert migrate rollback`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    of: Of,
    /// The name of the migration again, to confirm
    #[arg(long, value_name = "MIGRATION")]
    confirm: String,
}

impl Args {
    /// Makes the old server the reference again.
    pub async fn run(&self, context: &Context) -> Result<(), CliError> {
        let (api, migration) = self.of.find(context).await?;
        let name = migration.name_any();
        if self.confirm != name {
            let confirm = &self.confirm;
            return Err(CliError::usage(text!(
                "--confirm {confirm} n'est pas {name} : rien n'est changé",
                "--confirm {confirm} is not {name}: nothing is changed"
            ))
            .remedy(text!(
                "répétez le nom de la migration",
                "repeat the migration's name"
            )));
        }
        if migration.spec.stage == StageSchema::Presync {
            return Err(change::not_at(
                &migration,
                &text!(
                    "l'ancien serveur fait déjà référence",
                    "the old server already is the reference"
                ),
                text!("il n'y a rien à faire", "there is nothing to do"),
            ));
        }
        in_time(&migration, Timestamp::now())?;
        let doing = text!("revenir en arrière pour {name}", "roll {name} back");
        let spec = json!({ "stage": StageSchema::RolledBack });
        let changed = change::patch(&api, &migration, spec, &doing).await?;
        context.note(&text!(
            "L'ancien serveur fait de nouveau référence pour {name}. Rien n'est effacé dans l'espace ; remettez les MX et les postes sur l'ancien serveur.",
            "The old server is the reference again for {name}. Nothing is deleted in the space; point MX records and clients back at the old server."
        ));
        change::shown(context, changed)
    }
}

/// The operator refuses it too: its clock counts.
fn in_time(migration: &Migration, now: Timestamp) -> Result<(), CliError> {
    let status = migration.status.as_ref();
    let until = status.and_then(|status| status.rollback_until.as_deref());
    let Some(until) = until.filter(|until| until.parse::<Timestamp>().is_ok_and(|end| end < now))
    else {
        return Ok(());
    };
    Err(CliError::new(
        Kind::Conflict,
        text!(
            "le retour en arrière était possible jusqu'au {until}",
            "it could be rolled back until {until}"
        ),
    )
    .remedy(text!(
        "recopiez vers l'ancien serveur ce qui est arrivé depuis, avec son hébergeur",
        "copy what arrived since back to the old server, together with its hoster"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_roll_back_has_its_time() {
        let mut migration: Migration = serde_json::from_value(json!({
            "apiVersion": "melouvert.fr/v1alpha1", "kind": "Migration", "metadata": { "name": "m" },
            "spec": { "source": { "host": "old.example", "port": 993, "cidrs": ["10.0.0.1/32"] }, "accountsSecret": "m" },
            "status": { "rollbackUntil": "2026-12-08T20:00:00Z" },
        }))
        .unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert!(in_time(&migration, at("2026-12-08T19:59:59Z")).is_ok());
        assert!(in_time(&migration, at("2026-12-08T20:00:01Z")).is_err());
        migration.status = None;
        assert!(in_time(&migration, at("2030-01-01T00:00:00Z")).is_ok());
    }
}
