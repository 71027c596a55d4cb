//! The attacks, as the sources of their tests describe them.

use std::{collections::BTreeSet, path::Path};

use anyhow::{Context, bail, ensure};
use syn::{Attribute, Expr, Item, Lit, Meta};

/// Who attacks, in the order of the table: the name of the module and the words for people.
const ATTACKERS: [(&str, &str); 9] = [
    ("stranger", "Un inconnu, sans compte"),
    ("agent", "Un agent, avec son mot de passe"),
    ("mail_pod", "Le pod de messagerie d'un espace, compromis"),
    (
        "database_role",
        "Le rôle de base de données d'un espace, volé",
    ),
    ("helpdesk", "L'équipe d'assistance d'un espace"),
    ("dsi", "La DSI d'un espace"),
    ("hoster", "Une personne de l'hébergeur"),
    ("platform", "Une personne qui tient la plateforme"),
    ("operator_token", "Le jeton de l'opérateur, volé"),
];
/// Modules that hold no attack.
const HELPERS: [&str; 2] = ["mod", "bystander"];

/// One attack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attack {
    /// The module of its attacker.
    pub module: String,
    /// The name of its test.
    pub test: String,
    /// What is tried.
    pub attempt: String,
    /// What succeeds beside it.
    pub control: String,
    /// Why it neither stops nor changes anything, if so.
    pub harmless: Option<String>,
}

impl Attack {
    /// The test's full name in its program.
    pub fn path(&self) -> String {
        format!("attacks::{}::{}", self.module, self.test)
    }

    /// Who attacks, in words.
    pub fn attacker(&self) -> &'static str {
        let known = ATTACKERS.iter().find(|(module, _)| *module == self.module);
        known.map_or("?", |(_, words)| words)
    }
}

/// Reads the attacks of a folder of sources, in the order of the table.
pub fn read(folder: &Path) -> anyhow::Result<Vec<Attack>> {
    let listed = std::fs::read_dir(folder)
        .with_context(|| format!("failed to list {}", folder.display()))?;
    let mut unknown = BTreeSet::new();
    for entry in listed {
        let path = entry.context("failed to list the attacks")?.path();
        if let Some(name) = path.file_stem().map(|name| name.to_string_lossy()) {
            unknown.insert(name.into_owned());
        }
    }
    let mut attacks = Vec::new();
    for (module, _) in ATTACKERS {
        ensure!(unknown.remove(module), "no file {module}.rs of attacks");
        let file = folder.join(format!("{module}.rs"));
        let source = std::fs::read_to_string(&file)
            .with_context(|| format!("failed to read {}", file.display()))?;
        attacks.extend(of(module, &source).with_context(|| file.display().to_string())?);
    }
    unknown.retain(|name| !HELPERS.contains(&name.as_str()));
    ensure!(
        unknown.is_empty(),
        "{unknown:?} is no attacker of the table: add it to ATTACKERS or to HELPERS"
    );
    Ok(attacks)
}

fn of(module: &str, source: &str) -> anyhow::Result<Vec<Attack>> {
    let file = syn::parse_file(source).context("failed to read the source")?;
    let mut attacks = Vec::new();
    for item in file.items {
        let Item::Fn(function) = item else { continue };
        if !function
            .attrs
            .iter()
            .any(|attribute| attribute.path().is_ident("test"))
        {
            continue;
        }
        let test = function.sig.ident.to_string();
        let told = described(&function.attrs);
        let [attempt, control, harmless] = told;
        let (Some(attempt), Some(control)) = (attempt, control) else {
            bail!("{test} needs a line « /// Attaque : … » and a line « /// Témoin : … »");
        };
        attacks.push(Attack {
            module: module.into(),
            test,
            attempt,
            control,
            harmless,
        });
    }
    Ok(attacks)
}

/// What follows each key, over several lines if need be.
fn described(attributes: &[Attribute]) -> [Option<String>; 3] {
    const KEYS: [&str; 3] = ["Attaque", "Témoin", "Sans effet"];
    let mut told = [None, None, None];
    let mut current: Option<usize> = None;
    for line in attributes.iter().filter_map(doc) {
        let line = line.trim();
        let key = KEYS.iter().enumerate().find_map(|(place, key)| {
            let rest = line.strip_prefix(key)?.trim_start().strip_prefix(':')?;
            Some((place, rest.trim()))
        });
        match (key, current) {
            (Some((place, rest)), _) => {
                told[place] = Some(rest.to_owned());
                current = Some(place);
            }
            (None, Some(place)) if !line.is_empty() => {
                if let Some(text) = &mut told[place] {
                    text.push(' ');
                    text.push_str(line);
                }
            }
            (None, _) => current = None,
        }
    }
    told.map(|text: Option<String>| text.filter(|text| !text.is_empty()))
}

fn doc(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(pair) = &attribute.meta else {
        return None;
    };
    let Expr::Lit(literal) = &pair.value else {
        return None;
    };
    match (&literal.lit, pair.path.is_ident("doc")) {
        (Lit::Str(text), true) => Some(text.value()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_is_read_with_what_its_lines_say() {
        let source = "
            fn helper() {}
            /// Attaque : on nomme
            /// la clé d'un autre.
            /// Témoin : la sienne\u{a0}: acceptée.
            /// Sans effet : essai à blanc.
            #[test]
            #[ignore = \"x\"]
            fn a_name() {}
        ";
        let read = of("helpdesk", source).unwrap();
        assert_eq!(
            read,
            [Attack {
                module: "helpdesk".into(),
                test: "a_name".into(),
                attempt: "on nomme la clé d'un autre.".into(),
                control: "la sienne\u{a0}: acceptée.".into(),
                harmless: Some("essai à blanc.".into()),
            }]
        );
        assert_eq!(read[0].path(), "attacks::helpdesk::a_name");
    }

    #[test]
    fn a_test_without_its_lines_is_refused_by_name() {
        for lines in [
            "",
            "/// Attaque : x\n",
            "/// Témoin : x\n",
            "/// Attaque :\n/// Témoin : x\n",
        ] {
            let said = of("dsi", &format!("{lines}#[test]\nfn bare() {{}}"))
                .unwrap_err()
                .to_string();
            assert!(said.contains("bare") && said.contains("Témoin"), "{said}");
        }
    }

    #[test]
    fn every_attack_of_the_suite_can_be_shown() {
        read(&super::super::folder()).unwrap();
    }
}
