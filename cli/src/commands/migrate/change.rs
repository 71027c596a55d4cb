//! A change of what is asked of a migration.

use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use melouvert_api::{Migration, migration::StageSchema};
use serde_json::{Value, json};

use super::{get, lines::Line};
use crate::{
    commands::collectivity::FIELD_MANAGER,
    errors::{CliError, Kind},
    globals::Context,
    input,
    kube::explain,
    text::{Text, text},
};

/// One migration of one collectivity.
#[derive(Debug, clap::Args)]
pub struct Of {
    /// The SIREN of the collectivity
    #[arg(value_name = "SIREN")]
    pub siren: String,
    /// The name of the migration
    #[arg(value_name = "MIGRATION")]
    pub name: String,
}

impl Of {
    /// The tenant's migrations, and this one.
    pub async fn find(&self, context: &Context) -> Result<(Api<Migration>, Migration), CliError> {
        let siren = input::siren(&self.siren)?;
        let name = input::name("MIGRATION", &self.name)?;
        let api = super::api(context.client().await?, &siren);
        let migration = get(&api, name.as_str()).await?;
        Ok((api, migration))
    }
}

/// Changes the spec, unless somebody changed it since it was read.
pub async fn patch(
    api: &Api<Migration>,
    existing: &Migration,
    spec: Value,
    doing: &Text,
) -> Result<Migration, CliError> {
    let patch = json!({
        "metadata": { "resourceVersion": existing.metadata.resource_version },
        "spec": spec,
    });
    // A status written in between moves the version: only a change of the spec is a conflict.
    let mut patch = patch;
    let name = existing.name_any();
    for _ in 0..5 {
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER.into()),
            ..PatchParams::default()
        };
        match api.patch(&name, &params, &Patch::Merge(&patch)).await {
            Ok(changed) => return Ok(changed),
            Err(kube::Error::Api(status)) if status.code == 409 => {
                let now = get(api, &name).await?;
                if now.metadata.generation != existing.metadata.generation {
                    break;
                }
                patch["metadata"]["resourceVersion"] = json!(now.metadata.resource_version);
            }
            Err(error) => return Err(explain(&error, doing)),
        }
    }
    Err(CliError::new(
        Kind::Conflict,
        text!(
            "la migration {name} vient d'être changée par quelqu'un d'autre",
            "migration {name} was just changed by somebody else"
        ),
    )
    .remedy(text!(
        "regardez son état, puis recommencez",
        "look at its state, then try again"
    )))
}

/// Shows the migration as it was asked for.
pub fn shown(context: &Context, migration: Migration) -> Result<(), CliError> {
    context.printer.rows(&[Line::from(migration)])
}

/// A refusal that names the present stage.
pub fn not_at(migration: &Migration, wanted: &Text, remedy: Text) -> CliError {
    let name = migration.name_any();
    let (fr, en) = (&wanted.fr, &wanted.en);
    let stage = match migration.spec.stage {
        StageSchema::Presync => text!("en recopie préalable", "copying ahead"),
        StageSchema::Cutover => text!("en bascule", "cutting over"),
        StageSchema::RolledBack => text!("revenue en arrière", "rolled back"),
    };
    let (now_fr, now_en) = (stage.fr, stage.en);
    CliError::new(
        Kind::Conflict,
        text!(
            "la migration {name} est {now_fr} : {fr}",
            "migration {name} is {now_en}: {en}"
        ),
    )
    .remedy(remedy)
}
