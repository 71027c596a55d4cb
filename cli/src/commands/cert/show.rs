//! `melouvert cert show`.

use std::fmt::Write;

use jiff::Timestamp;
use kube::Api;
use melouvert_api::collectivity::CertificateStatus;

use super::Standing;
use crate::{
    commands::collectivity::{get, instant},
    errors::{CliError, Kind},
    globals::Context,
    input,
    text::{Lang, text},
};

/// Arguments of `melouvert cert show`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The SIREN of the collectivity
    #[arg(value_name = "SIREN")]
    siren: String,
    /// The certificate: ca, mail or mail-client; all when absent
    #[arg(value_name = "CERTIFICATE")]
    name: Option<String>,
}

impl Args {
    /// Shows one or all; fails when one of those shown is not valid.
    pub async fn run(&self, context: &Context) -> Result<(), CliError> {
        let siren = input::siren(&self.siren)?;
        let object = get(&Api::all(context.client().await?), &siren).await?;
        let known = object.status.unwrap_or_default().certificates;
        let shown = self.chosen(known)?;
        let now = Timestamp::now();
        context
            .printer
            .one(&shown, &names(&shown), |lang| describe(&shown, now, lang))?;
        match shown
            .iter()
            .find(|one| Standing::of(one, now) == Standing::Invalid)
        {
            None => Ok(()),
            Some(bad) => {
                let name = &bad.name;
                Err(CliError::new(
                    Kind::Failure,
                    text!(
                        "le certificat {name} n'est pas valide",
                        "certificate {name} is not valid"
                    ),
                )
                .remedy(text!("voyez melouvert doctor", "see melouvert doctor")))
            }
        }
    }

    fn chosen(&self, known: Vec<CertificateStatus>) -> Result<Vec<CertificateStatus>, CliError> {
        let list = known
            .iter()
            .map(|c| c.name.clone())
            .collect::<Vec<_>>()
            .join(", ");
        let siren = &self.siren;
        if known.is_empty() {
            return Err(CliError::new(
                Kind::NotFound,
                text!(
                    "aucun certificat pour {siren}",
                    "no certificate for {siren}"
                ),
            )
            .remedy(text!(
                "l'espace n'est peut-être pas encore prêt : melouvert collectivity show {siren}",
                "the space may not be ready yet: melouvert collectivity show {siren}"
            )));
        }
        let Some(name) = &self.name else {
            return Ok(known);
        };
        let chosen: Vec<_> = known.into_iter().filter(|c| c.name == *name).collect();
        if chosen.is_empty() {
            return Err(CliError::new(
                Kind::NotFound,
                text!(
                    "certificat « {name} » inconnu",
                    "unknown certificate {name:?}"
                ),
            )
            .remedy(text!("choisissez parmi : {list}", "choose among: {list}")));
        }
        Ok(chosen)
    }
}

fn names(shown: &[CertificateStatus]) -> String {
    shown
        .iter()
        .map(|c| c.name.as_str())
        .collect::<Vec<_>>()
        .join("\n")
}

fn describe(shown: &[CertificateStatus], now: Timestamp, lang: Lang) -> String {
    let mut out = String::new();
    for one in shown {
        if !out.is_empty() {
            out.push('\n');
        }
        let _ = writeln!(out, "{} : {}", one.name, Standing::of(one, now).word(lang));
        for (name, value) in [
            (lang.pick("Sujet", "Subject"), one.subject.clone()),
            (
                lang.pick("Numéro de série", "Serial number"),
                one.serial.clone(),
            ),
            ("Secret", one.secret.clone()),
            (
                lang.pick("Valide du", "Valid from"),
                instant(&one.not_before, lang),
            ),
            (lang.pick("au", "to"), instant(&one.not_after, lang)),
            (
                lang.pick("Renouvelé le", "Renewed on"),
                instant(&one.renewal_at, lang),
            ),
        ] {
            let _ = writeln!(out, "  {name:15}  {value}");
        }
    }
    out
}
