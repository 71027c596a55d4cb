//! `melouvert migrate pause` and `resume`: one change of the same field each.

use kube::ResourceExt;
use serde_json::json;

use super::change::{self, Of};
use crate::{
    errors::CliError,
    globals::Context,
    text::{Text, text},
};

/// One of the two turns.
#[derive(Debug)]
pub struct Turn {
    paused: bool,
    already: fn(&str) -> Text,
    doing: fn(&str) -> Text,
    done: fn(&str) -> Text,
}

/// To a standstill.
pub const PAUSE: Turn = Turn {
    paused: true,
    already: |name| text!("{name} est déjà en pause.", "{name} is paused already."),
    doing: |name| {
        text!(
            "mettre en pause la migration {name}",
            "pause migration {name}"
        )
    },
    done: |name| {
        text!(
            "{name} s'arrête après les lots en cours ; rien n'est perdu. Pour reprendre : melouvert migrate resume",
            "{name} stops after the batches in flight; nothing is lost. To go on: melouvert migrate resume"
        )
    },
};

/// On again.
pub const RESUME: Turn = Turn {
    paused: false,
    already: |name| text!("{name} n'est pas en pause.", "{name} is not paused."),
    doing: |name| text!("reprendre la migration {name}", "resume migration {name}"),
    done: |name| {
        text!(
            "{name} reprend où elle s'était arrêtée, dans ses plages horaires.",
            "{name} goes on where it had stopped, within its windows."
        )
    },
};

/// Arguments of the two commands.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    of: Of,
}

impl Args {
    /// Asks for the turn; says so when there is nothing to do.
    pub async fn run(&self, context: &Context, turn: &Turn) -> Result<(), CliError> {
        let (api, migration) = self.of.find(context).await?;
        let name = migration.name_any();
        if migration.spec.paused == turn.paused {
            context.note(&(turn.already)(&name));
            return change::shown(context, migration);
        }
        let spec = json!({ "paused": turn.paused });
        let changed = change::patch(&api, &migration, spec, &(turn.doing)(&name)).await?;
        context.note(&(turn.done)(&name));
        change::shown(context, changed)
    }
}
