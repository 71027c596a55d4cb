//! The roles of the chart: read, judged, and told in the documentation.
//!
//! Owns: the table of rights in `docs/dsi.md`, and what each role could escalate to.
//! Must not know: who holds a role.

pub mod judge;
pub mod table;

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context, ensure};
use serde::Deserialize;

use crate::shell;

/// The roles of people, by their names without `melouvert-`.
pub type Roles = BTreeMap<String, Role>;

/// One role of people.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Where it is bound.
    pub bound: Vec<Bound>,
    /// What it allows.
    pub rules: Vec<Rule>,
}

/// Where a role is bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bound {
    /// On the whole cluster, by the chart's values.
    Cluster,
    /// In one space, by the operator.
    Space,
}

/// One rule of a Role or `ClusterRole`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// API groups.
    #[serde(default)]
    pub api_groups: Vec<String>,
    /// Resources, with their subresources.
    #[serde(default)]
    pub resources: Vec<String>,
    /// The only objects meant; all of them when empty.
    #[serde(default)]
    pub resource_names: Vec<String>,
    /// Verbs.
    pub verbs: Vec<String>,
    /// Paths that are no resources.
    #[serde(default, rename = "nonResourceURLs")]
    pub non_resource_urls: Vec<String>,
}

impl Role {
    /// Whether some rule allows this on any object of a resource of ours.
    pub fn allows(&self, verb: &str, resource: &str) -> bool {
        let lists = |list: &[String], word: &str| list.iter().any(|w| w == word || w == "*");
        self.rules.iter().any(|rule| {
            lists(&rule.api_groups, "melouvert.fr")
                && lists(&rule.resources, resource)
                && lists(&rule.verbs, verb)
                && rule.resource_names.is_empty()
        })
    }

    /// Whether it is bound there.
    pub fn is_bound(&self, bound: Bound) -> bool {
        self.bound.contains(&bound)
    }
}

/// Reads the roles of people.
pub fn roles() -> anyhow::Result<Roles> {
    let path = shell::root().join("charts/melouvert/files/roles.yaml");
    let text =
        fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
    serde_saphyr::from_str(&text).with_context(|| format!("failed to read {}", path.display()))
}

/// Where the table stands.
pub fn document() -> PathBuf {
    shell::root().join("docs/dsi.md")
}

/// The document with its generated part made anew.
pub fn renewed(document: &str, roles: &Roles) -> anyhow::Result<String> {
    const BEGIN: &str = "<!-- Fait par cargo xtask rights. -->\n";
    const END: &str = "<!-- Fin de ce que fait cargo xtask rights. -->\n";
    let (head, rest) = document
        .split_once(BEGIN)
        .with_context(|| format!("docs/dsi.md has no line {BEGIN:?}"))?;
    let (_, tail) = rest
        .split_once(END)
        .with_context(|| format!("docs/dsi.md has no line {END:?}"))?;
    ensure!(!tail.contains(BEGIN), "docs/dsi.md has {BEGIN:?} twice");
    Ok(format!("{head}{BEGIN}{}{END}{tail}", table::table(roles)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_tells_the_rights_of_the_chart() {
        let kept = fs::read_to_string(document()).unwrap();
        let made = renewed(&kept, &roles().unwrap()).unwrap();
        assert!(
            kept == made,
            "docs/dsi.md is stale: run `cargo xtask rights` and commit the result"
        );
    }

    #[test]
    fn another_right_makes_another_table() {
        let kept = fs::read_to_string(document()).unwrap();
        let mut roles = roles().unwrap();
        let auditor = roles.get_mut("auditor").unwrap();
        auditor.rules.push(Rule {
            api_groups: vec!["melouvert.fr".into()],
            resources: vec!["agents".into()],
            verbs: vec!["update".into()],
            ..Rule::default()
        });
        assert_ne!(kept, renewed(&kept, &roles).unwrap());
    }
}
