//! `melouvert collectivity list`.

use kube::{
    Api, ResourceExt,
    api::{ApiResource, DynamicObject, ListParams},
};
use melouvert_api::Collectivity;
use serde::Serialize;

use super::sheet;
use crate::{
    errors::{CliError, chain},
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
    let mut listed = all(&context.client().await?).await?;
    let mut all = std::mem::take(&mut listed.read);
    all.sort_by(|a, b| {
        (&a.spec.legal_name, &a.spec.siren).cmp(&(&b.spec.legal_name, &b.spec.siren))
    });
    if all.is_empty() && listed.unread.is_empty() {
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
    context.printer.rows(&lines)?;
    listed.complete()
}

/// What a list gave.
#[derive(Debug, Default)]
pub struct Listed {
    /// Every collectivity that can be read.
    pub read: Vec<Collectivity>,
    /// The others, by name, and why not: written by another version of Melouvert.
    pub unread: Vec<(String, String)>,
}

/// Every collectivity, page by page. One that cannot be read hides no other.
pub async fn all(client: &kube::Client) -> Result<Listed, CliError> {
    let resource = ApiResource::erase::<Collectivity>(&());
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let doing = text!("lister les collectivités", "list the collectivities");
    let mut all = Listed::default();
    let mut params = ListParams::default().limit(500);
    loop {
        let page = api
            .list(&params)
            .await
            .map_err(|error| explain(&error, &doing))?;
        page.items.into_iter().for_each(|object| all.take(object));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params.continue_token = Some(token),
            None => return Ok(all),
        }
    }
}

impl Listed {
    fn take(&mut self, object: DynamicObject) {
        let name = object.name_any();
        match object.try_parse() {
            Ok(good) => self.read.push(good),
            Err(error) => self.unread.push((name, chain(&error))),
        }
    }

    /// Fails when one cannot be read: what is left out must not pass for what there is.
    pub fn complete(&self) -> Result<(), CliError> {
        let Some((_, why)) = self.unread.first() else {
            return Ok(());
        };
        let names: Vec<_> = self.unread.iter().map(|(name, _)| name.as_str()).collect();
        let names = names.join(", ");
        Err(CliError::failure(text!(
            "illisibles par cette version : {names} ({why})",
            "not readable by this version: {names} ({why})"
        ))
        .remedy(text!(
            "mettez melouvert et l'opérateur à la même version que les définitions, ou corrigez ces objets avec kubectl",
            "bring melouvert and the operator to the version of the definitions, or correct these objects with kubectl"
        )))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_that_cannot_be_read_hides_no_other_and_is_named() {
        let object = |name: &str, lifecycle: &str| {
            serde_json::from_value(json!({
                "apiVersion": "melouvert.fr/v1alpha1", "kind": "Collectivity",
                "metadata": {"name": name},
                "spec": {"siren": "211401187", "legalName": "x", "kind": "Commune", "population": 1,
                    "region": "r", "plan": "p", "domains": ["a.example"], "lifecycle": lifecycle},
            }))
            .unwrap()
        };
        let mut all = Listed::default();
        all.take(object("col-1", "Archived"));
        all.take(object("col-2", "Active"));
        assert_eq!(all.read.len(), 1);
        let error = all.complete().unwrap_err();
        assert!(
            error.message.fr.contains("col-1") && error.message.fr.contains("Archived"),
            "{error:?}"
        );
        all.unread.clear();
        all.complete().unwrap();
    }
}
