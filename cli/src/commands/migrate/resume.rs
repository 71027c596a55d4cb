//! `melouvert migrate resume`.

use kube::ResourceExt;
use serde_json::json;

use super::change::{self, Of};
use crate::{errors::CliError, globals::Context, text::text};

/// Arguments of `melouvert migrate resume`.
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
        if !migration.spec.paused {
            context.note(&text!(
                "{name} n'est pas en pause.",
                "{name} is not paused."
            ));
            return change::shown(context, migration);
        }
        let doing = text!("reprendre la migration {name}", "resume migration {name}");
        let changed = change::patch(&api, &migration, json!({ "paused": false }), &doing).await?;
        context.note(&text!(
            "{name} reprend où elle s'était arrêtée, dans ses plages horaires.",
            "{name} goes on where it had stopped, within its windows."
        ));
        change::shown(context, changed)
    }
}
