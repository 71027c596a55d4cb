//! `melouvert access list`.

use melouvert_api::access::{Grant, SubjectKind};
use serde::Serialize;

use crate::{errors::CliError, globals::Context, input, printer::Row, text::Lang};

/// Arguments of `melouvert access list`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The SIREN of the collectivity
    #[arg(long, value_name = "SIREN")]
    siren: String,
}

/// One grant, and whether it is bound already.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    #[serde(flatten)]
    grant: Grant,
    in_force: bool,
}

impl Row for Line {
    fn titles(lang: Lang) -> Vec<&'static str> {
        lang.pick(
            vec!["RÔLE", "NATURE", "NOM", "EN VIGUEUR"],
            vec!["ROLE", "KIND", "NAME", "IN FORCE"],
        )
    }

    fn cells(&self, lang: Lang) -> Vec<String> {
        let kind = match self.grant.kind {
            SubjectKind::User => lang.pick("personne", "user"),
            SubjectKind::Group => lang.pick("groupe", "group"),
        };
        let in_force = if self.in_force {
            lang.pick("oui", "yes")
        } else {
            lang.pick("pas encore", "not yet")
        };
        [self.grant.role.as_str(), kind, &self.grant.name, in_force]
            .map(Into::into)
            .into()
    }

    fn name(&self) -> String {
        let Grant { role, kind, name } = &self.grant;
        format!("{}/{}/{name}", role.as_str(), kind.as_str().to_lowercase())
    }
}

impl Args {
    /// Lists the grants of a space.
    pub async fn run(&self, context: &Context) -> Result<(), CliError> {
        let siren = input::siren(&self.siren)?;
        let found = super::get(&super::api(context.client().await?, &siren), &siren).await?;
        let found = found.unwrap_or_else(|| melouvert_api::Access::new("access", <_>::default()));
        let status = found.status.unwrap_or_default();
        let lines: Vec<Line> = found
            .spec
            .grants
            .into_iter()
            .map(|grant| Line {
                in_force: status.grants.contains(&grant),
                grant,
            })
            .collect();
        context.printer.rows(&lines)
    }
}
