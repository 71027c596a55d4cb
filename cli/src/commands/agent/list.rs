//! `melouvert agent list`.

use melouvert_api::wire::AgentList;

use crate::{errors::CliError, globals::Context, input, platform::PlatformClient, text::text};

/// Arguments of `melouvert agent list`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The SIREN of the collectivity
    #[arg(long, value_name = "SIREN")]
    siren: String,
}

impl Args {
    /// Lists the agents.
    pub async fn run(&self, context: &Context) -> Result<(), CliError> {
        let siren = input::siren(&self.siren)?;
        let doing = text!("lire les agents de {siren}", "read the agents of {siren}");
        let list: AgentList = PlatformClient::connect(context)
            .await?
            .get(&format!("/v1/tenants/{siren}/agents"), &doing)
            .await?;
        let people = list.agents.iter().filter(|a| a.kind == "agent").count();
        let limit = list.limit;
        context.printer.rows(&list.agents)?;
        context.note(&text!(
            "{people} agents sur {limit} permis par l'offre",
            "{people} agents of {limit} that the plan allows"
        ));
        Ok(())
    }
}
