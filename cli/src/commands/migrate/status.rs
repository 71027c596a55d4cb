//! `melouvert migrate status`.

use kube::api::ListParams;

use super::{
    api, get,
    lines::{self, Line},
    wait,
};
use crate::{errors::CliError, globals::Context, input, kube::explain, text::text};

/// Arguments of `melouvert migrate status`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The SIREN of the collectivity
    #[arg(value_name = "SIREN")]
    siren: String,
    /// One migration
    #[arg(value_name = "MIGRATION")]
    name: Option<String>,
    /// Follow the migration to its end
    #[arg(long, requires = "name")]
    watch: bool,
    /// How long to wait at most with --watch, e.g. 12h
    #[arg(long, value_name = "DURATION", default_value = "12h")]
    timeout: String,
}

impl Args {
    /// Shows them.
    pub async fn run(&self, context: &Context) -> Result<(), CliError> {
        let siren = input::siren(&self.siren)?;
        let timeout = input::timeout(&self.timeout)?;
        let api = api(context.client().await?, &siren);
        let Some(name) = &self.name else {
            let doing = text!(
                "lister les migrations de {siren}",
                "list the migrations of {siren}"
            );
            let all = api
                .list(&ListParams::default())
                .await
                .map_err(|error| explain(&error, &doing))?;
            let lines: Vec<Line> = all.items.into_iter().map(Line::from).collect();
            return context.printer.rows(&lines);
        };
        let migration = if self.watch {
            wait::finished(context, &api, (name, None), timeout).await?
        } else {
            get(&api, name).await?
        };
        let line = Line::from(migration.clone());
        context
            .printer
            .one(&line, name, |lang| lines::details(&migration, lang))?;
        if self.watch {
            wait::outcome(&migration, siren.as_str())
        } else {
            Ok(())
        }
    }
}
