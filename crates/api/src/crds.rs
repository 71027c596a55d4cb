//! The CustomResourceDefinitions as YAML.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

use crate::{Access, Collectivity, Migration, Plan, Region};

/// Every definition, in the order of their names.
pub fn all() -> [CustomResourceDefinition; 5] {
    [
        Access::crd(),
        Collectivity::crd(),
        Migration::crd(),
        Plan::crd(),
        Region::crd(),
    ]
}

/// `(file name, YAML)` of every definition.
pub fn files() -> Result<Vec<(String, String)>, serde_saphyr::ser::Error> {
    all()
        .iter()
        .map(|crd| {
            // Uninstalling the chart must not take every tenant's data with it.
            let mut crd = crd.clone();
            crd.metadata
                .annotations
                .get_or_insert_default()
                .insert("helm.sh/resource-policy".into(), "keep".into());
            // By which the chart's policy knows them.
            crd.metadata
                .labels
                .get_or_insert_default()
                .insert("app.kubernetes.io/part-of".into(), "melouvert".into());
            let name = format!("{}.yaml", crd.spec.names.plural);
            Ok((name, serde_saphyr::to_string(&crd)?))
        })
        .collect()
}
