//! A change of a collectivity's spec, and the server's own view of it before it is made.

use kube::{
    Api,
    api::{Patch, PatchParams},
};
use melouvert_api::{Collectivity, collectivity::LifecycleSchema};
use serde_json::{Value, json};
use similar::TextDiff;

use crate::{
    errors::CliError,
    globals::Context,
    kube::explain,
    printer::Format,
    text::{Text, text},
};

/// The field manager of what the command line writes.
pub const FIELD_MANAGER: &str = "melouvert-cli";

/// Asks for another lifecycle of the very object that was read: if it changed since, the server
/// refuses.
pub async fn lifecycle(
    api: &Api<Collectivity>,
    object: &Collectivity,
    to: LifecycleSchema,
    dry_run: bool,
    doing: &Text,
) -> Result<Collectivity, CliError> {
    spec(api, object, &json!({ "lifecycle": to }), dry_run, doing).await
}

/// Changes some fields of the very object that was read: if it changed since, the server refuses.
pub async fn spec(
    api: &Api<Collectivity>,
    object: &Collectivity,
    fields: &Value,
    dry_run: bool,
    doing: &Text,
) -> Result<Collectivity, CliError> {
    let name = object.metadata.name.as_deref().unwrap_or_default();
    let patch = json!({
        "metadata": {
            "uid": object.metadata.uid,
            "resourceVersion": object.metadata.resource_version,
        },
        "spec": fields,
    });
    let params = PatchParams {
        dry_run,
        field_manager: Some(FIELD_MANAGER.into()),
        ..PatchParams::default()
    };
    api.patch(name, &params, &Patch::Merge(patch))
        .await
        .map_err(|error| explain(&error, doing))
}

/// Prints what the server would store: a diff for people, the object for programs.
pub fn preview(
    context: &Context,
    before: Option<&Collectivity>,
    after: &Collectivity,
) -> Result<(), CliError> {
    let mut shown = after.clone();
    shown.metadata.managed_fields = None;
    if context.printer.format() != Format::Table {
        let name = format!("collectivity/{}", after.spec.siren);
        return context.printer.one(&shown, &name, |_| String::new());
    }
    let before = before.map(essence).transpose()?.unwrap_or_default();
    let after = essence(&shown)?;
    context.note(&text!(
        "Essai à blanc : le serveur accepterait ce changement, rien n'est fait.",
        "Dry run: the server would accept this change, nothing is done."
    ));
    let diff = TextDiff::from_lines(&before, &after);
    context
        .printer
        .raw(&diff.unified_diff().context_radius(3).to_string())
}

/// What a person chose of an object, as YAML.
fn essence(object: &Collectivity) -> Result<String, CliError> {
    let value = json!({
        "apiVersion": "melouvert.fr/v1alpha1",
        "kind": "Collectivity",
        "metadata": { "name": object.metadata.name },
        "spec": object.spec,
    });
    serde_saphyr::to_string(&value).map_err(|error| {
        CliError::failure(text!(
            "écriture du résultat impossible",
            "failed to print the result"
        ))
        .caused_by(&error)
    })
}
