//! `melouvert agent passwd`.

use hyper::Method;
use melouvert_api::wire::{PasswordSet, SetPassword};

use super::{secret, sheet, tenant};
use crate::{errors::CliError, globals::Context, platform::PlatformClient, text::text};

/// Arguments of `melouvert agent passwd`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The agent's address
    #[arg(value_name = "ADDRESS")]
    address: String,
    /// Read the password from stdin
    #[arg(long)]
    password_stdin: bool,
    /// The SIREN of the collectivity; otherwise that of the address's domain
    #[arg(long, value_name = "SIREN")]
    siren: Option<String>,
}

impl Args {
    /// Changes the password.
    pub async fn run(&self, context: &Context) -> Result<(), CliError> {
        let address = tenant::address(&self.address)?;
        let password = secret::given(self.password_stdin)?;
        let siren = tenant::of(context, self.siren.as_deref(), &address).await?;
        let doing = text!(
            "changer le mot de passe de {address}",
            "change the password of {address}"
        );
        let path = format!("/v1/tenants/{siren}/agents/{address}/password");
        let set: PasswordSet = PlatformClient::connect(context)
            .await?
            .call(Method::PUT, &path, &SetPassword { password }, &doing)
            .await?;
        if !set.sessions_ended {
            context.note(&sheet::sessions_open(&address));
        }
        context.printer.one(&set, &set.address, |lang| {
            let text = match &set.password {
                Some(password) => {
                    let password = password.expose();
                    text!(
                        "Mot de passe de {address} (affiché cette seule fois) : {password}",
                        "Password of {address} (shown this once): {password}"
                    )
                }
                None => text!(
                    "Mot de passe de {address} changé",
                    "Password of {address} changed"
                ),
            };
            text.in_lang(lang).to_owned()
        })
    }
}
