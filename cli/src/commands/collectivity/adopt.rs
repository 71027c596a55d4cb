//! `melouvert collectivity adopt`: takes over the space of an object that is gone.

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use melouvert_api::{Collectivity, labels};
use serde_json::json;

use super::{FIELD_MANAGER, change, get, wait};
use crate::{
    errors::{CliError, Kind},
    globals::Context,
    input,
    kube::explain,
    text::text,
};

/// Arguments of `melouvert collectivity adopt`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The SIREN of the collectivity
    #[arg(value_name = "SIREN")]
    siren: String,
    /// The UID of the namespace to take over; without it, the command shows it and changes nothing
    #[arg(long, value_name = "UID")]
    namespace_uid: Option<String>,
    /// How long to wait at most, e.g. 5m
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    timeout: String,
    /// Show the change, change nothing
    #[arg(long)]
    dry_run: bool,
}

impl Args {
    /// Names the namespace in the object, which makes the operator take it over.
    pub async fn run(&self, context: &Context) -> Result<(), CliError> {
        let siren = input::siren(&self.siren)?;
        let timeout = input::timeout(&self.timeout)?;
        let client = context.client().await?;
        let api: Api<Collectivity> = Api::all(client.clone());
        let object = get(&api, &siren).await?;
        let name = object.name_any();
        let reading = text!("lire l'espace de noms {name}", "read namespace {name}");
        let namespace = Api::<Namespace>::all(client)
            .get(&name)
            .await
            .map_err(|error| explain(&error, &reading))?;
        let uid = orphan(&object, &namespace)?;
        confirmed(self.namespace_uid.as_deref(), &uid, &object, &namespace)?;
        let legal_name = object.spec.legal_name.clone();
        let doing = text!(
            "reprendre l'espace de {legal_name}",
            "take over the space of {legal_name}"
        );
        let patch = json!({
            "metadata": {
                "uid": object.metadata.uid,
                "resourceVersion": object.metadata.resource_version,
            },
            "spec": { "adopts": uid },
        });
        let params = PatchParams {
            dry_run: self.dry_run,
            field_manager: Some(FIELD_MANAGER.into()),
            ..PatchParams::default()
        };
        let changed = api
            .patch(&name, &params, &Patch::Merge(patch))
            .await
            .map_err(|error| explain(&error, &doing))?;
        if self.dry_run {
            return change::preview(context, Some(&object), &changed);
        }
        wait::until(context, &api, &name, timeout, wait::settled).await?;
        context.note(&text!(
            "L'espace de {legal_name} est repris avec son courrier, ses clés et ses agents.",
            "The space of {legal_name} is taken over with its mail, keys and agents."
        ));
        Ok(())
    }
}

/// The UID of a namespace of this SIREN whose object is gone.
fn orphan(object: &Collectivity, namespace: &Namespace) -> Result<String, CliError> {
    let (siren, name) = (&object.spec.siren, namespace.name_any());
    let conflict = |message| Err(CliError::new(Kind::Conflict, message));
    let label = |key| namespace.labels().get(key).map(String::as_str);
    if label(labels::SIREN) != Some(siren) || label(labels::MANAGED_BY) != Some(labels::MANAGER) {
        return conflict(text!(
            "{name} n'est pas un espace du SIREN {siren} : il ne peut pas être repris",
            "{name} is no space of SIREN {siren}: it cannot be taken over"
        ));
    }
    let owner = namespace.annotations().get(labels::COLLECTIVITY_UID);
    if owner == object.metadata.uid.as_ref() {
        return conflict(text!(
            "{name} est déjà l'espace de cette collectivité : rien à reprendre",
            "{name} is this collectivity's space already: there is nothing to take over"
        ));
    }
    // The API server gives one to every object.
    Ok(namespace.metadata.uid.clone().unwrap_or_default())
}

/// Nobody takes a space over by mistake: its namespace is named by UID.
fn confirmed(
    given: Option<&str>,
    uid: &str,
    object: &Collectivity,
    namespace: &Namespace,
) -> Result<(), CliError> {
    let siren = &object.spec.siren;
    let name = namespace.name_any();
    let unknown = "?".to_owned();
    let marks = namespace.annotations();
    let owner = marks.get(labels::COLLECTIVITY_UID).unwrap_or(&unknown);
    let message = match given {
        Some(given) if given == uid => return Ok(()),
        Some(given) => text!(
            "--namespace-uid : {given} n'est pas l'UID de {name} : rien n'est changé",
            "--namespace-uid: {given} is not the UID of {name}: nothing is changed"
        ),
        None => text!(
            "{name} contient l'espace d'un objet disparu (UID {owner}) : rien n'est changé sans confirmation",
            "{name} holds the space of an object that is gone (UID {owner}): nothing is changed without confirmation"
        ),
    };
    Err(CliError::usage(message).remedy(text!(
        "pour le reprendre avec ses données : melouvert collectivity adopt {siren} --namespace-uid {uid}",
        "to take it over with its data: melouvert collectivity adopt {siren} --namespace-uid {uid}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object() -> Collectivity {
        serde_json::from_value(json!({
            "apiVersion": "melouvert.fr/v1alpha1", "kind": "Collectivity",
            "metadata": {"name": "col-211401187", "uid": "new"},
            "spec": {"siren": "211401187", "legalName": "Caen", "kind": "Commune", "population": 1,
                "region": "r", "plan": "p", "domains": ["caen.example"]}}))
        .unwrap()
    }

    fn namespace(owner: &str, siren: &str) -> Namespace {
        serde_json::from_value(
            json!({"metadata": {"name": "col-211401187", "uid": "the-uid",
            "labels": {"melouvert.fr/siren": siren, "app.kubernetes.io/managed-by": "melouvert"},
            "annotations": {"melouvert.fr/collectivity-uid": owner}}}),
        )
        .unwrap()
    }

    #[test]
    fn only_an_orphan_of_the_same_siren_is_taken_over() {
        let object = object();
        assert_eq!(
            orphan(&object, &namespace("old", "211401187")).unwrap(),
            "the-uid"
        );
        for (owner, siren) in [("new", "211401187"), ("old", "217605401")] {
            let error = orphan(&object, &namespace(owner, siren)).unwrap_err();
            assert_eq!(error.kind, Kind::Conflict);
        }
    }

    #[test]
    fn the_right_uid_is_asked_for_and_told() {
        let (object, space) = (object(), namespace("old", "211401187"));
        assert!(confirmed(Some("the-uid"), "the-uid", &object, &space).is_ok());
        for given in [None, Some("another")] {
            let error = confirmed(given, "the-uid", &object, &space).unwrap_err();
            assert_eq!(error.kind, Kind::Usage);
            let remedy = error.remedy.unwrap();
            assert!(
                remedy
                    .en
                    .ends_with("adopt 211401187 --namespace-uid the-uid"),
                "{remedy:?}"
            );
        }
    }
}
