//! `melouvert migrate pause`.

use kube::ResourceExt;
use serde_json::json;

use super::change::{self, Of};
use crate::{errors::CliError, globals::Context, text::text};

/// Arguments of `melouvert migrate pause`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    of: Of,
}

impl Args {
    /// Asks for it; says so when there is nothing to do.
    pub async fn run(&self, context: &Context) -> Result<(), CliError> {
        let (api, migration) = self.of.find(context).await?;
        let name = migration.name_any();
        if migration.spec.paused {
            context.note(&text!(
                "{name} est déjà en pause.",
                "{name} is paused already."
            ));
            return change::shown(context, migration);
        }
        let doing = text!(
            "mettre en pause la migration {name}",
            "pause migration {name}"
        );
        let changed = change::patch(&api, &migration, json!({ "paused": true }), &doing).await?;
        context.note(&text!(
            "{name} s'arrête après les lots en cours ; rien n'est perdu. Pour reprendre : melouvert migrate resume",
            "{name} stops after the batches in flight; nothing is lost. To go on: melouvert migrate resume"
        ));
        change::shown(context, changed)
    }
}
