//! `melouvert migrate retry`.

use std::path::PathBuf;

use kube::{Api, ResourceExt};
use melouvert_api::migration::StageSchema;
use serde_json::json;

use super::{
    accounts,
    change::{self, Of},
    run::renew,
};
use crate::{commands::collectivity, errors::CliError, globals::Context, input, text::text};

/// Arguments of `melouvert migrate retry`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    of: Of,
    /// The accounts again, with corrected passwords; a wave's accounts all together
    #[arg(long, value_name = "FILE")]
    accounts: Option<PathBuf>,
}

impl Args {
    /// Asks for another pass over the accounts with something absent.
    pub async fn run(&self, context: &Context) -> Result<(), CliError> {
        let (api, migration) = self.of.find(context).await?;
        let name = migration.name_any();
        if migration.spec.stage == StageSchema::RolledBack {
            return Err(change::not_at(
                &migration,
                &text!("rien n'est à retenter", "there is nothing to retry"),
                text!(
                    "relancez-la : melouvert migrate run --again --name {name}",
                    "run it again: melouvert migrate run --again --name {name}"
                ),
            ));
        }
        let incomplete = migration
            .status
            .as_ref()
            .and_then(|status| status.accounts.as_ref())
            .map_or(0, |accounts| accounts.incomplete);
        if incomplete == 0 && self.accounts.is_none() {
            context.note(&text!(
                "Aucun compte de {name} n'est incomplet.",
                "No account of {name} is incomplete."
            ));
            return change::shown(context, migration);
        }
        let mut spec = json!({});
        if let Some(path) = &self.accounts {
            let siren = input::siren(&self.of.siren)?;
            let client = context.client().await?;
            let tenant = collectivity::get(&Api::all(client.clone()), &siren).await?;
            let lines = accounts::read(path, Some(&tenant.spec.domains))?;
            spec = renew(&client, &siren, &migration, &lines).await?;
        }
        spec["retry"] = json!(migration.spec.retry + 1);
        let doing = text!(
            "relancer les comptes incomplets de {name}",
            "retry the incomplete accounts of {name}"
        );
        let changed = change::patch(&api, &migration, spec, &doing).await?;
        context.note(&text!(
            "{incomplete} compte(s) incomplet(s) de {name} seront repris : seul ce qui manque est copié.",
            "{incomplete} incomplete account(s) of {name} will be taken up again: only what is absent is copied."
        ));
        change::shown(context, changed)
    }
}
