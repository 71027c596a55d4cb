//! `melouvert collectivity mail`: what the inbound relay does with mail for a space.

use clap::ValueEnum;
use kube::{Api, ResourceExt};
use melouvert_api::{Collectivity, collectivity::UnalignedMailSchema};
use serde_json::json;

use super::{change, get, wait};
use crate::{errors::CliError, globals::Context, input, text::text};

/// What becomes of forged mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Unaligned {
    /// Refused at the door
    Refuse,
    /// Delivered, marked, into Junk
    Junk,
}

impl From<Unaligned> for UnalignedMailSchema {
    fn from(choice: Unaligned) -> Self {
        match choice {
            Unaligned::Refuse => Self::Refuse,
            Unaligned::Junk => Self::Junk,
        }
    }
}

/// Arguments of `collectivity mail`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The SIREN of the collectivity
    #[arg(value_name = "SIREN")]
    siren: String,
    /// Mail from outside in the name of a hosted domain that neither SPF nor DKIM proves
    #[arg(long, value_name = "CHOICE", value_enum)]
    unaligned: Unaligned,
    /// How long to wait at most, e.g. 5m
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    timeout: String,
    /// Show the change, change nothing
    #[arg(long)]
    dry_run: bool,
}

impl Args {
    /// Writes the choice and waits until it was taken up; says so when there is nothing to do.
    pub async fn run(&self, context: &Context) -> Result<(), CliError> {
        let siren = input::siren(&self.siren)?;
        let timeout = input::timeout(&self.timeout)?;
        let api: Api<Collectivity> = Api::all(context.client().await?);
        let object = get(&api, &siren).await?;
        let name = object.spec.legal_name.clone();
        let choice = UnalignedMailSchema::from(self.unaligned);
        if object.spec.unaligned_mail == choice {
            context.note(&text!("{name} : rien à faire.", "{name}: nothing to do."));
            return Ok(());
        }
        let spec = json!({ "unalignedMail": choice });
        let doing = text!("régler le courrier de {name}", "set the mail of {name}");
        let changed = change::spec(&api, &object, &spec, self.dry_run, &doing).await?;
        if self.dry_run {
            return change::preview(context, Some(&object), &changed);
        }
        wait::until(context, &api, &changed.name_any(), timeout, wait::settled).await?;
        context.note(&match choice {
            UnalignedMailSchema::Refuse => text!(
                "{name} : le courrier falsifié au nom d'un domaine hébergé est refusé.",
                "{name}: mail forged in the name of a hosted domain is refused."
            ),
            UnalignedMailSchema::Junk => text!(
                "{name} : le courrier falsifié au nom d'un domaine hébergé va, marqué, dans Junk.",
                "{name}: mail forged in the name of a hosted domain goes, marked, to Junk."
            ),
        });
        Ok(())
    }
}
