//! `melouvert collectivity show`.

use kube::Api;

use super::{get, sheet};
use crate::{errors::CliError, globals::Context, input};

/// Arguments of `melouvert collectivity show`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The SIREN of the collectivity
    #[arg(value_name = "SIREN")]
    siren: String,
}

impl Args {
    /// Shows it.
    pub async fn run(&self, context: &Context) -> Result<(), CliError> {
        let siren = input::siren(&self.siren)?;
        let mut object = get(&Api::all(context.client().await?), &siren).await?;
        object.metadata.managed_fields = None;
        let name = format!("collectivity/{siren}");
        context
            .printer
            .one(&object, &name, |lang| sheet::sheet(&object, lang))
    }
}
