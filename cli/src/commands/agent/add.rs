//! `melouvert agent add`.

use hyper::Method;
use melouvert_api::wire::{AddedAgent, NewAgent};

use super::{secret, sheet, tenant};
use crate::{errors::CliError, globals::Context, platform::PlatformClient, text::text};

/// Arguments of `melouvert agent add`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The agent's address, which is also the login
    #[arg(value_name = "ADDRESS")]
    address: String,
    /// The name shown to people
    #[arg(long, value_name = "NAME")]
    name: String,
    /// The mailbox's quota, e.g. 2Gi; the plan's otherwise
    #[arg(long, value_name = "SIZE")]
    quota: Option<String>,
    /// Read the password from stdin
    #[arg(long)]
    password_stdin: bool,
    /// The SIREN of the collectivity; otherwise that of the address's domain
    #[arg(long, value_name = "SIREN")]
    siren: Option<String>,
}

impl Args {
    /// Adds the agent.
    pub async fn run(&self, context: &Context) -> Result<(), CliError> {
        let address = tenant::address(&self.address)?;
        let password = secret::given(self.password_stdin)?;
        let siren = tenant::of(context, self.siren.as_deref(), &address).await?;
        let new = NewAgent {
            address: address.to_string(),
            name: self.name.clone(),
            quota: self.quota.clone(),
            password,
            line: None,
        };
        let doing = text!("créer l'agent {address}", "add agent {address}");
        let path = format!("/v1/tenants/{siren}/agents");
        let added: AddedAgent = PlatformClient::connect(context)
            .await?
            .call(Method::POST, &path, &new, &doing)
            .await?;
        context.printer.one(&added, &added.agent.address, |lang| {
            let agent = &added.agent;
            let (name, quota) = (&agent.name, sheet::size(agent.quota_bytes));
            let address = &agent.address;
            match &added.password {
                Some(password) => {
                    let password = password.expose();
                    let text = text!(
                        "Agent créé : {name} <{address}>, quota {quota}\nMot de passe (affiché cette seule fois) : {password}",
                        "Agent added: {name} <{address}>, quota {quota}\nPassword (shown this once): {password}"
                    );
                    text.in_lang(lang).to_owned()
                }
                None => text!(
                    "Agent créé : {name} <{address}>, quota {quota}",
                    "Agent added: {name} <{address}>, quota {quota}"
                )
                .in_lang(lang)
                .to_owned(),
            }
        })
    }
}
