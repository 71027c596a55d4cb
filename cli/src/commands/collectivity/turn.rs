//! `melouvert collectivity suspend`, `resume` and `undelete`: one change of lifecycle each.

use kube::{Api, ResourceExt};
use melouvert_api::{Collectivity, collectivity::LifecycleSchema};

use super::{change, get, wait};
use crate::{
    errors::{CliError, Kind},
    globals::Context,
    input,
    text::{Text, de, text},
};

/// One of the three turns.
#[derive(Debug)]
pub struct Turn {
    from: LifecycleSchema,
    to: LifecycleSchema,
    doing: fn(&str) -> Text,
    done: fn(&str) -> Text,
    judge: fn(Option<&Collectivity>) -> wait::Sight,
}

/// Active → Suspended.
pub const SUSPEND: Turn = Turn {
    from: LifecycleSchema::Active,
    to: LifecycleSchema::Suspended,
    doing: |name| text!("suspendre {name}", "suspend {name}"),
    done: |name| {
        text!(
            "{name} est suspendue : les connexions sont refusées, le courrier est toujours reçu.",
            "{name} is suspended: logins are refused, mail is still received."
        )
    },
    judge: wait::settled,
};

/// Suspended → Active.
pub const RESUME: Turn = Turn {
    from: LifecycleSchema::Suspended,
    to: LifecycleSchema::Active,
    doing: |name| text!("rouvrir {name}", "resume {name}"),
    done: |name| text!("{name} est rouverte.", "{name} is open again."),
    judge: wait::serving,
};

/// Terminating → Active.
pub const UNDELETE: Turn = Turn {
    from: LifecycleSchema::Terminating,
    to: LifecycleSchema::Active,
    doing: |name| text!("annuler la fin de {name}", "take back the end of {name}"),
    done: |name| {
        text!(
            "La fin de {name} est annulée : l'espace est rouvert, avec ses données.",
            "The end of {name} is taken back: the space is open again, with its data."
        )
    },
    judge: wait::serving,
};

/// Arguments of the three commands.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The SIREN of the collectivity
    #[arg(value_name = "SIREN")]
    siren: String,
    /// How long to wait at most, e.g. 5m
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    timeout: String,
    /// Show the change, change nothing
    #[arg(long)]
    dry_run: bool,
}

impl Args {
    /// Makes the turn and waits for it; says so when there is nothing to do.
    pub async fn run(&self, context: &Context, turn: &Turn) -> Result<(), CliError> {
        let siren = input::siren(&self.siren)?;
        let timeout = input::timeout(&self.timeout)?;
        let api: Api<Collectivity> = Api::all(context.client().await?);
        let object = get(&api, &siren).await?;
        let name = object.spec.legal_name.clone();
        if object.spec.lifecycle == turn.to {
            context.note(&text!("{name} : rien à faire.", "{name}: nothing to do."));
            return Ok(());
        }
        if object.spec.lifecycle != turn.from {
            return Err(wrong_state(&object, &(turn.doing)(&name)));
        }
        let doing = (turn.doing)(&name);
        let changed = change::lifecycle(&api, &object, turn.to, self.dry_run, &doing).await?;
        if self.dry_run {
            return change::preview(context, Some(&object), &changed);
        }
        let seen = wait::until(context, &api, &changed.name_any(), timeout, turn.judge).await?;
        context.note(&(turn.done)(&name));
        if let Some(why) = wait::apart(seen.as_ref()) {
            let (fr, en) = (why.fr, why.en);
            context.note(&text!("Reste à régler : {fr}", "Still to be settled: {en}"));
        }
        Ok(())
    }
}

/// The state does not allow it.
pub fn wrong_state(object: &Collectivity, doing: &Text) -> CliError {
    let (fr, en) = (de(&doing.fr), &doing.en);
    let siren = &object.spec.siren;
    let (state, remedy) = match object.spec.lifecycle {
        LifecycleSchema::Active => (
            text!("l'espace est ouvert", "the space is open"),
            text!("rien à faire", "nothing to do"),
        ),
        LifecycleSchema::Suspended => (
            text!("l'espace est suspendu", "the space is suspended"),
            text!(
                "d'abord : melouvert collectivity resume {siren}",
                "first: melouvert collectivity resume {siren}"
            ),
        ),
        LifecycleSchema::Terminating => (
            text!(
                "la fin de l'espace est demandée",
                "the end of the space was asked for"
            ),
            text!(
                "d'abord : melouvert collectivity undelete {siren}",
                "first: melouvert collectivity undelete {siren}"
            ),
        ),
    };
    let (state_fr, state_en) = (state.fr, state.en);
    CliError::new(
        Kind::Conflict,
        text!("impossible {fr} : {state_fr}", "failed to {en}: {state_en}"),
    )
    .remedy(remedy)
}
