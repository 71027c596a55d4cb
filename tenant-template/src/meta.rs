//! Metadata that every rendered object carries.

use std::collections::BTreeMap;

use k8s_openapi::{
    ByteString,
    api::core::v1::{ConfigMap, Secret},
    apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference},
};
use melouvert_api::labels;
use melouvert_domain::Siren;

pub(crate) type Strings = BTreeMap<String, String>;

/// Where an object belongs and what for.
#[derive(Debug, Clone)]
pub(crate) struct Place<'a> {
    pub(crate) namespace: Option<&'a str>,
    pub(crate) siren: Option<&'a Siren>,
    pub(crate) component: &'a str,
    pub(crate) owner: Option<OwnerReference>,
}

impl Place<'_> {
    pub(crate) fn labels(&self) -> Strings {
        let mut all = strings([
            (labels::MANAGED_BY, labels::MANAGER),
            (labels::COMPONENT, self.component),
        ]);
        if let Some(siren) = self.siren {
            all.insert(labels::SIREN.into(), siren.to_string());
        }
        all
    }

    pub(crate) fn meta(&self, name: &str) -> ObjectMeta {
        ObjectMeta {
            name: Some(name.into()),
            namespace: self.namespace.map(Into::into),
            labels: Some(self.labels()),
            owner_references: self.owner.clone().map(|owner| vec![owner]),
            ..ObjectMeta::default()
        }
    }

    pub(crate) fn config_map(&self, name: &str, data: Strings) -> ConfigMap {
        ConfigMap {
            metadata: self.meta(name),
            data: Some(data),
            ..ConfigMap::default()
        }
    }

    pub(crate) fn secret<'s>(
        &self,
        name: &str,
        kind: &str,
        data: impl IntoIterator<Item = (&'s str, &'s str)>,
    ) -> Secret {
        let bytes = |text: &str| ByteString(text.as_bytes().to_vec());
        Secret {
            metadata: self.meta(name),
            type_: Some(kind.into()),
            data: Some(
                data.into_iter()
                    .map(|(k, v)| (k.to_owned(), bytes(v)))
                    .collect(),
            ),
            ..Secret::default()
        }
    }
}

pub(crate) fn strings<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Strings {
    pairs
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

pub(crate) fn matching<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> LabelSelector {
    LabelSelector {
        match_labels: Some(strings(pairs)),
        ..LabelSelector::default()
    }
}
