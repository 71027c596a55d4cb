//! `melouvert migrate cutover`.

use kube::ResourceExt;
use melouvert_api::{Migration, migration::StageSchema};
use serde_json::{Value, json};

use super::{
    change::{self, Of},
    wait,
};
use crate::{
    errors::{CliError, Kind},
    globals::Context,
    input,
    text::text,
};

/// Arguments of `melouvert migrate cutover`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    of: Of,
    /// One wave alone
    #[arg(long, value_name = "WAVE")]
    wave: Option<String>,
    /// State that the old server takes no more changes: deliveries stopped, users out
    #[arg(long)]
    source_frozen: bool,
    /// How long to wait at most, e.g. 12h
    #[arg(long, value_name = "DURATION", default_value = "12h")]
    timeout: String,
    /// Return as soon as the cut-over is asked for
    #[arg(long)]
    no_wait: bool,
}

impl Args {
    /// Asks for the cut-over and follows it.
    pub async fn run(&self, context: &Context) -> Result<(), CliError> {
        let timeout = input::timeout(&self.timeout)?;
        let (api, migration) = self.of.find(context).await?;
        let name = migration.name_any();
        if migration.spec.stage == StageSchema::RolledBack {
            return Err(change::not_at(
                &migration,
                &text!(
                    "ses mots de passe sont effacés",
                    "its passwords are deleted"
                ),
                text!(
                    "relancez-la d'abord : melouvert migrate run --again --name {name} --accounts FICHIER",
                    "run it again first: melouvert migrate run --again --name {name} --accounts FILE"
                ),
            ));
        }
        let spec = self.spec(&migration)?;
        let doing = text!("basculer {name}", "cut {name} over");
        let changed = change::patch(&api, &migration, spec, &doing).await?;
        if self.no_wait {
            return change::shown(context, changed);
        }
        let of = (name.as_str(), self.wave.as_deref());
        let done = wait::finished(context, &api, of, timeout).await?;
        change::shown(context, done.clone())?;
        wait::outcome(&done, &self.of.siren)?;
        let status = done.status.unwrap_or_default();
        if let Some(until) = status.rollback_until {
            let siren = &self.of.siren;
            context.note(&text!(
                "{name} est basculée : l'espace fait référence. Retour possible jusqu'au {until} : melouvert migrate rollback {siren} {name}",
                "{name} is cut over: the space is the reference. It may be rolled back until {until}: melouvert migrate rollback {siren} {name}"
            ));
        }
        Ok(())
    }

    /// What the spec becomes.
    fn spec(&self, migration: &Migration) -> Result<Value, CliError> {
        let mut spec = json!({ "paused": false });
        if self.source_frozen {
            spec["sourceFrozen"] = json!(true);
        }
        let Some(wave) = &self.wave else {
            spec["stage"] = json!(StageSchema::Cutover);
            return Ok(spec);
        };
        let mut waves = migration.spec.waves.clone();
        let Some(found) = waves.iter_mut().find(|one| one.name == *wave) else {
            let names: Vec<&str> = migration
                .spec
                .waves
                .iter()
                .map(|w| w.name.as_str())
                .collect();
            let names = names.join(", ");
            return Err(CliError::new(
                Kind::NotFound,
                text!("aucune vague {wave}", "no wave {wave}"),
            )
            .remedy(text!("ses vagues : {names}", "its waves: {names}")));
        };
        found.stage = Some(StageSchema::Cutover);
        spec["waves"] = json!(waves);
        Ok(spec)
    }
}
