//! `melouvert agent remove`.

use std::io::{IsTerminal, stdin};

use hyper::Method;
use melouvert_api::wire::RemovedAgent;
use melouvert_domain::EmailAddress;

use super::{sheet, tenant};
use crate::{errors::CliError, globals::Context, platform::PlatformClient, text::text};

/// Arguments of `melouvert agent remove`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The agent's address
    #[arg(value_name = "ADDRESS")]
    address: String,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
    /// The SIREN of the collectivity; otherwise that of the address's domain
    #[arg(long, value_name = "SIREN")]
    siren: Option<String>,
}

impl Args {
    /// Removes the agent.
    pub async fn run(&self, context: &Context) -> Result<(), CliError> {
        let address = tenant::address(&self.address)?;
        if !self.yes {
            ask(context, &address)?;
        }
        let siren = tenant::of(context, self.siren.as_deref(), &address).await?;
        let doing = text!("retirer l'agent {address}", "remove agent {address}");
        let path = format!("/v1/tenants/{siren}/agents/{address}");
        let removed: RemovedAgent = PlatformClient::connect(context)
            .await?
            .call(Method::DELETE, &path, &(), &doing)
            .await?;
        if !removed.sessions_ended {
            context.note(&sheet::sessions_open(&address));
        }
        context.printer.one(&removed, &removed.address, |lang| {
            let text = if removed.mailbox_kept {
                text!(
                    "Agent retiré : {address}. Son courrier reste sur le volume de la collectivité.",
                    "Agent removed: {address}. Its mail stays on the collectivity's volume."
                )
            } else {
                text!("Agent retiré : {address}", "Agent removed: {address}")
            };
            text.in_lang(lang).to_owned()
        })
    }
}

/// Asks for the address on a terminal; elsewhere `--yes` is needed.
fn ask(context: &Context, address: &EmailAddress) -> Result<(), CliError> {
    let refused = |message| {
        Err(CliError::usage(message).remedy(text!(
            "pour confirmer sans dialogue : --yes",
            "to confirm without a dialogue: --yes"
        )))
    };
    if !stdin().is_terminal() {
        return refused(text!(
            "le retrait de {address} demande une confirmation",
            "the removal of {address} needs a confirmation"
        ));
    }
    context.note(&text!(
        "{address} ne pourra plus se connecter ni recevoir de courrier.\nTapez son adresse pour confirmer :",
        "{address} will no longer log in nor receive mail.\nType its address to confirm:"
    ));
    let mut answer = String::new();
    stdin().read_line(&mut answer).map_err(|error| {
        CliError::failure(text!("réponse illisible", "unreadable answer")).caused_by(&error)
    })?;
    match answer.trim().parse::<EmailAddress>() {
        Ok(answer) if answer == *address => Ok(()),
        _ => refused(text!(
            "ce n'est pas {address} : rien n'est changé",
            "this is not {address}: nothing is changed"
        )),
    }
}
