//! `melouvert collectivity delete`: a notice of 21 days, then, on demand, the erasure.

use std::io::{IsTerminal, stdin};

use jiff::Timestamp;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Preconditions},
};
use melouvert_api::{
    Collectivity,
    collectivity::{LifecycleSchema, Termination},
    condition::{ERASURE_DUE, holds},
};
use melouvert_domain::Siren;

use super::{change, get, sheet::instant, wait};
use crate::{
    errors::{CliError, Kind},
    globals::Context,
    input,
    kube::explain,
    text::text,
};

/// Arguments of `melouvert collectivity delete`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The SIREN of the collectivity
    #[arg(value_name = "SIREN")]
    siren: String,
    /// Do not ask for confirmation
    #[arg(long, conflicts_with = "erase")]
    yes: bool,
    /// Erase for good, once the notice is over
    #[arg(long, requires = "confirm")]
    erase: bool,
    /// The SIREN again, to confirm the erasure
    #[arg(long, value_name = "SIREN", requires = "erase")]
    confirm: Option<String>,
    /// How long to wait at most, e.g. 5m
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    timeout: String,
    /// Show the change, change nothing
    #[arg(long)]
    dry_run: bool,
}

impl Args {
    /// Asks for the end, or erases.
    pub async fn run(&self, context: &Context) -> Result<(), CliError> {
        let siren = input::siren(&self.siren)?;
        if self.erase {
            self.confirmed(&siren)?;
        }
        let api: Api<Collectivity> = Api::all(context.client().await?);
        let object = get(&api, &siren).await?;
        if self.erase {
            self.erase(context, &api, &object).await
        } else {
            self.terminate(context, &api, &object, &siren).await
        }
    }

    fn confirmed(&self, siren: &Siren) -> Result<(), CliError> {
        let confirm = input::siren(self.confirm.as_deref().unwrap_or_default())?;
        if confirm == *siren {
            return Ok(());
        }
        Err(CliError::usage(text!(
            "--confirm {confirm} n'est pas le SIREN {siren} : rien n'est effacé",
            "--confirm {confirm} is not SIREN {siren}: nothing is erased"
        ))
        .remedy(text!(
            "répétez le SIREN à effacer",
            "repeat the SIREN to erase"
        )))
    }

    async fn terminate(
        &self,
        context: &Context,
        api: &Api<Collectivity>,
        object: &Collectivity,
        siren: &Siren,
    ) -> Result<(), CliError> {
        let timeout = input::timeout(&self.timeout)?;
        let name = object.spec.legal_name.clone();
        let doing = text!("demander la fin de {name}", "ask for the end of {name}");
        if object.spec.lifecycle != LifecycleSchema::Terminating {
            if !self.yes && !self.dry_run {
                ask(context, &name, siren)?;
            }
            let to = LifecycleSchema::Terminating;
            let changed = change::lifecycle(api, object, to, self.dry_run, &doing).await?;
            if self.dry_run {
                return change::preview(context, Some(object), &changed);
            }
        }
        let seen = wait::until(context, api, &object.name_any(), timeout, wait::dated).await?;
        let date = termination(seen.as_ref())
            .map(|end| instant(&end.erasure_after, context.lang))
            .unwrap_or_default();
        context.note(&text!(
            "La fin de {name} est enregistrée. Courrier et base sont conservés, effaçables à partir du {date}.\nPour annuler : melouvert collectivity undelete {siren}",
            "The end of {name} is recorded. Mail and database are kept; they may be erased from {date}.\nTo take it back: melouvert collectivity undelete {siren}"
        ));
        Ok(())
    }

    async fn erase(
        &self,
        context: &Context,
        api: &Api<Collectivity>,
        object: &Collectivity,
    ) -> Result<(), CliError> {
        let timeout = input::timeout(&self.timeout)?;
        let name = object.spec.legal_name.clone();
        due(object, context)?;
        let params = DeleteParams {
            dry_run: self.dry_run,
            preconditions: Some(Preconditions {
                uid: object.metadata.uid.clone(),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        let doing = text!("effacer {name}", "erase {name}");
        api.delete(&object.name_any(), &params)
            .await
            .map_err(|error| explain(&error, &doing))?;
        if self.dry_run {
            context.note(&text!(
                "Essai à blanc : le serveur accepterait d'effacer {name}, rien n'est fait.",
                "Dry run: the server would accept to erase {name}, nothing is done."
            ));
            return Ok(());
        }
        wait::until(context, api, &object.name_any(), timeout, wait::gone).await?;
        context.note(&text!("{name} est effacée.", "{name} is erased."));
        Ok(())
    }
}

fn termination(object: Option<&Collectivity>) -> Option<&Termination> {
    object?.status.as_ref()?.termination.as_ref()
}

/// Whether the notice is over; the server checks it again.
fn due(object: &Collectivity, context: &Context) -> Result<(), CliError> {
    let name = &object.spec.legal_name;
    let siren = &object.spec.siren;
    let conditions = object
        .status
        .as_ref()
        .map_or(&[][..], |status| &status.conditions);
    if holds(conditions, ERASURE_DUE) {
        return Ok(());
    }
    let Some(end) = termination(Some(object)) else {
        return Err(CliError::new(
            Kind::Conflict,
            text!(
                "{name} ne peut pas être effacée : sa fin n'est pas demandée",
                "{name} cannot be erased: its end was not asked for"
            ),
        )
        .remedy(text!(
            "d'abord : melouvert collectivity delete {siren}, puis 21 jours de préavis",
            "first: melouvert collectivity delete {siren}, then a notice of 21 days"
        )));
    };
    let date = instant(&end.erasure_after, context.lang);
    let past = end
        .erasure_after
        .parse::<Timestamp>()
        .is_ok_and(|at| at <= Timestamp::now());
    let remedy = if past {
        text!(
            "l'opérateur ne l'a pas encore constaté : réessayez, sinon melouvert doctor",
            "the operator has not noted it yet: try again, else melouvert doctor"
        )
    } else {
        text!(
            "attendez cette date ; pour annuler : melouvert collectivity undelete {siren}",
            "wait for that date; to take it back: melouvert collectivity undelete {siren}"
        )
    };
    Err(CliError::new(
        Kind::Conflict,
        text!(
            "{name} ne peut pas être effacée avant le {date}",
            "{name} cannot be erased before {date}"
        ),
    )
    .remedy(remedy))
}

/// Asks for the SIREN on a terminal; elsewhere `--yes` is needed.
fn ask(context: &Context, name: &str, siren: &Siren) -> Result<(), CliError> {
    let refused = |message| {
        Err(CliError::usage(message).remedy(text!(
            "pour confirmer sans dialogue : --yes",
            "to confirm without a dialogue: --yes"
        )))
    };
    if !stdin().is_terminal() {
        return refused(text!(
            "la fin de {name} demande une confirmation",
            "the end of {name} needs a confirmation"
        ));
    }
    context.note(&text!(
        "Les serveurs de {name} vont s'arrêter et ses données seront effaçables dans 21 jours.\nTapez son SIREN pour confirmer :",
        "The servers of {name} will stop and its data may be erased in 21 days.\nType its SIREN to confirm:"
    ));
    let mut answer = String::new();
    stdin().read_line(&mut answer).map_err(|error| {
        CliError::failure(text!("réponse illisible", "unreadable answer")).caused_by(&error)
    })?;
    match answer.parse::<Siren>() {
        Ok(answer) if answer == *siren => Ok(()),
        _ => refused(text!(
            "ce n'est pas le SIREN de {name} : rien n'est changé",
            "this is not the SIREN of {name}: nothing is changed"
        )),
    }
}
