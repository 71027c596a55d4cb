//! The accounts that a run without a cluster works on: options of `migrate copy` and `migrate plan`.

use std::path::{Path, PathBuf};

use melouvert_migration::{Account, AccountsError, EndpointOptions, account::read_accounts};

use crate::{errors::CliError, text::text};

/// French help of `--allow-cleartext`.
pub const CLEARTEXT: &str =
    "Accepter imap://, sans chiffrement : sur un réseau de confiance seulement";
/// French help of `--ca-file`.
pub const AUTHORITIES: &str = "Fichier PEM d'autorités acceptées en plus des autorités publiques";

/// How servers may be reached.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct EndpointArgs {
    /// Accept imap://, which encrypts nothing: on a network you trust only
    #[arg(long)]
    allow_cleartext: bool,
    /// PEM file of authorities accepted besides the public ones
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

impl EndpointArgs {
    /// Reads the accounts file, whole or not at all.
    pub fn read(&self, accounts: &Path) -> Result<Vec<Account>, CliError> {
        let options = EndpointOptions {
            allow_cleartext: self.allow_cleartext,
            ca_file: self.ca_file.clone(),
        };
        read_accounts(accounts, &options).map_err(|error| refused(&error))
    }
}

fn refused(error: &AccountsError) -> CliError {
    CliError::usage(text!(
        "fichier de comptes refusé, rien n'a été copié",
        "the accounts file is refused, nothing was copied"
    ))
    .caused_by(error)
    .remedy(text!(
        "corrigez la ligne indiquée puis relancez la même commande",
        "correct the line, then run the same command again"
    ))
}
