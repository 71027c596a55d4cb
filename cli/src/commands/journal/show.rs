//! `melouvert journal show`.

use jiff::Timestamp;
use melouvert_api::wire::JournalEntry;

use super::pages::{self, Whose};
use crate::{
    errors::CliError,
    globals::Context,
    platform::PlatformClient,
    printer::Row,
    text::{Lang, date},
};

/// Arguments of `melouvert journal show`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The SIREN of the collectivity; the platform otherwise
    #[arg(long, value_name = "SIREN")]
    siren: Option<String>,
    /// Start after this number
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    after: i64,
    /// How many entries at most; all otherwise
    #[arg(long, value_name = "NUMBER")]
    limit: Option<u32>,
}

impl Args {
    /// Shows the entries.
    pub async fn run(&self, context: &Context) -> Result<(), CliError> {
        let whose = Whose::of(self.siren.as_deref())?;
        let mut client = PlatformClient::connect(context).await?;
        let entries = pages::entries(&mut client, &whose, self.after, self.limit).await?;
        context.printer.rows(&entries)
    }
}

impl Row for JournalEntry {
    fn titles(lang: Lang) -> Vec<&'static str> {
        lang.pick(
            vec!["N°", "QUAND", "QUI", "ACTION", "SUR"],
            vec!["NO", "WHEN", "WHO", "ACTION", "ON"],
        )
    }

    fn cells(&self, lang: Lang) -> Vec<String> {
        let at = self
            .at
            .parse::<Timestamp>()
            .map_or_else(|_| self.at.clone(), |at| date(lang, at));
        vec![
            self.seq.to_string(),
            at,
            self.actor.clone(),
            self.action.clone(),
            self.subject.clone(),
        ]
    }

    fn name(&self) -> String {
        self.seq.to_string()
    }
}
