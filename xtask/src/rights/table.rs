//! The table of who may do what, in French, made of the roles themselves.

use std::fmt::Write as _;

use anyhow::Context;

use super::{Bound, Role, Roles};

/// The roles in the order of their columns.
const COLUMNS: [(&str, &str); 5] = [
    ("platform", "Plateforme"),
    ("hoster", "Hébergeur"),
    ("helpdesk", "Assistance"),
    ("dsi", "DSI"),
    ("auditor", "Auditeur"),
];

/// One row: what is done, the resource, and every verb that it takes.
const ROWS: [(&str, &str, &[&str]); 14] = [
    (
        "Régler régions et images",
        "regions",
        &["create", "update", "patch"],
    ),
    ("Régler les offres", "plans", &["create", "update", "patch"]),
    (
        "Ouvrir, suspendre, fermer un espace",
        "collectivities",
        &["create", "update", "patch", "delete"],
    ),
    (
        "Donner et retirer les rôles d'un espace",
        "accesses",
        &["create", "update", "patch"],
    ),
    (
        "Voir qui a quel rôle dans l'espace",
        "accesses",
        &["get", "list", "watch"],
    ),
    ("Lister les agents", "agents", &["get", "list"]),
    ("Ajouter, retirer un agent", "agents", &["create", "delete"]),
    ("Changer un mot de passe", "agents", &["update"]),
    (
        "Voir l'occupation des boîtes",
        "mailboxes",
        &["get", "list"],
    ),
    (
        "Lancer une migration",
        "migrations",
        &["create", "update", "patch"],
    ),
    ("Supprimer une migration", "migrations", &["delete"]),
    (
        "Suivre une migration",
        "migrations",
        &["get", "list", "watch"],
    ),
    (
        "Lire une preuve de migration",
        "migrationreports",
        &["get", "list"],
    ),
    ("Lire le journal de l'espace", "journal", &["get", "list"]),
];

/// The table, and what it does not say.
pub fn table(roles: &Roles) -> anyhow::Result<String> {
    let columns: Vec<(&str, &str, &Role)> = COLUMNS
        .iter()
        .map(|(name, title)| {
            let role = roles.get(*name);
            Ok((
                *name,
                *title,
                role.with_context(|| format!("no role {name}"))?,
            ))
        })
        .collect::<anyhow::Result<_>>()?;
    let mut text = String::new();
    let mut row = |head: &str, cells: Vec<String>| {
        let _ = writeln!(text, "| {head} | {} |", cells.join(" | "));
    };
    let every = |cell: fn(&(&str, &str, &Role)) -> String| columns.iter().map(cell).collect();
    row("", every(|(_, title, _)| (*title).into()));
    row("---", every(|_| "---".into()));
    row("Rôle", every(|(name, ..)| format!("`melouvert-{name}`")));
    row("Portée", every(|(.., role)| scope(role).into()));
    for (doing, resource, verbs) in ROWS {
        let cells = columns.iter().map(|(.., role)| {
            let may = verbs.iter().all(|verb| role.allows(verb, resource));
            yes(may).into()
        });
        row(doing, cells.collect());
    }
    row(
        "Lire le journal de la plateforme",
        every(|(.., role)| platforms_journal(role).into()),
    );
    row(
        "Lire le contenu d'une boîte",
        every(|(.., role)| {
            // As long as no list bounds them, an image of its own reads what a space's server reads.
            let images = role.allows("update", "regions");
            if images {
                "par une image à soi, vue au journal"
            } else {
                "non"
            }
            .into()
        }),
    );
    Ok(text)
}

fn scope(role: &Role) -> &'static str {
    match (role.is_bound(Bound::Cluster), role.is_bound(Bound::Space)) {
        (true, false) => "toute la région",
        (true, true) => "toute la région ou un espace",
        _ => "un espace",
    }
}

fn platforms_journal(role: &Role) -> &'static str {
    match (
        role.allows("list", "journal"),
        role.is_bound(Bound::Cluster),
    ) {
        (true, true) if role.is_bound(Bound::Space) => "si donné sur la région",
        (true, true) => "oui",
        _ => "non",
    }
}

fn yes(may: bool) -> &'static str {
    if may { "oui" } else { "non" }
}

#[cfg(test)]
mod tests {
    use super::super::{judge, roles};
    use super::*;

    /// Nothing that a role allows is left out, and no row tells half of a right as none.
    #[test]
    fn every_right_on_our_resources_has_its_row() {
        for (name, _) in COLUMNS {
            let role = &roles().unwrap()[name];
            for rule in role
                .rules
                .iter()
                .filter(|r| r.api_groups == ["melouvert.fr"])
            {
                for resource in &rule.resources {
                    for verb in &rule.verbs {
                        let told = ROWS.iter().any(|(_, of, verbs)| {
                            of == resource
                                && verbs.contains(&verb.as_str())
                                && verbs.iter().all(|verb| role.allows(verb, resource))
                        });
                        let offered = ["collectivities", "plans", "regions"];
                        let public = offered.contains(&resource.as_str())
                            && ["get", "list", "watch"].contains(&verb.as_str());
                        assert!(told || public, "{name}: {verb} {resource} is not told");
                    }
                }
            }
        }
    }

    /// The last row of the table is not a promise: no role of people holds a way into mail.
    #[test]
    fn no_role_opens_a_mailbox() {
        for (name, _) in COLUMNS {
            for rule in &roles().unwrap()[name].rules {
                let ways: Vec<_> = judge::powers(rule)
                    .unwrap()
                    .into_iter()
                    .filter(|power| power.escapes())
                    .collect();
                assert!(ways.is_empty(), "{name}: {ways:?}");
            }
        }
    }
}
