//! `melouvert collectivity list`.

use kube::{Api, api::ListParams};
use melouvert_api::Collectivity;
use serde::Serialize;

use super::sheet;
use crate::{
    errors::CliError,
    globals::Context,
    kube::explain,
    printer::Row,
    text::{Lang, text},
};

/// One line: the whole object for programs.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Line(Collectivity);

impl Row for Line {
    fn titles(lang: Lang) -> Vec<&'static str> {
        lang.pick(
            vec!["SIREN", "NOM", "OFFRE", "RÉGION", "DOMAINE", "ÉTAT"],
            vec!["SIREN", "NAME", "PLAN", "REGION", "DOMAIN", "STATE"],
        )
    }

    fn cells(&self, lang: Lang) -> Vec<String> {
        let spec = &self.0.spec;
        vec![
            spec.siren.clone(),
            spec.legal_name.clone(),
            spec.plan.clone(),
            spec.region.clone(),
            spec.domains.first().cloned().unwrap_or_default(),
            sheet::state(&self.0, lang).to_owned(),
        ]
    }

    fn name(&self) -> String {
        format!("collectivity/{}", self.0.spec.siren)
    }
}

/// Lists the collectivities, by name.
pub async fn run(context: &Context) -> Result<(), CliError> {
    let mut all = all(&context.client().await?).await?;
    all.sort_by(|a, b| {
        (&a.spec.legal_name, &a.spec.siren).cmp(&(&b.spec.legal_name, &b.spec.siren))
    });
    if all.is_empty() {
        context.note(&text!(
            "Aucune collectivité. Pour en ouvrir une : melouvert collectivity onboard --siren N --domain D",
            "No collectivity. To open one: melouvert collectivity onboard --siren N --domain D"
        ));
    }
    let lines: Vec<Line> = all
        .into_iter()
        .map(|mut object| {
            object.metadata.managed_fields = None;
            Line(object)
        })
        .collect();
    context.printer.rows(&lines)
}

/// Every collectivity, page by page.
pub async fn all(client: &kube::Client) -> Result<Vec<Collectivity>, CliError> {
    let api: Api<Collectivity> = Api::all(client.clone());
    let doing = text!("lister les collectivités", "list the collectivities");
    let mut all = Vec::new();
    let mut params = ListParams::default().limit(500);
    loop {
        let page = api
            .list(&params)
            .await
            .map_err(|error| explain(&error, &doing))?;
        all.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params.continue_token = Some(token),
            None => return Ok(all),
        }
    }
}
