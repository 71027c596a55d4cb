//! The DSI of a space: its agents, its journal.

use anyhow::ensure;
use melouvert_e2e::{melouvert, melouvert_refuses, two_spaces};
use xtask::space::{CAEN, ROUEN};

use super::bystander::{As, may};

const DSI: As<'static> = As {
    user: "dsi-curieuse",
    groups: &[],
};

/// Attaque : la DSI d'un espace lit ou change un autre espace, se donne un rôle, lit une clé, entre dans un
/// pod, change la région ou l'offre.
/// Témoin : elle gère ses agents et lit son journal et la liste de ses rôles.
#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn goes_beyond_its_space() -> anyhow::Result<()> {
    melouvert_e2e::two_spaces()?;
    melouvert_e2e::melouvert(&[
        "access", "grant", "dsi", "--user", DSI.user, "--siren", CAEN.siren,
    ])?;
    let (own, other) = (
        format!("col-{}", CAEN.siren),
        format!("col-{}", ROUEN.siren),
    );
    for (verb, resource, here) in [
        ("create", "agents.melouvert.fr", true),
        ("list", "journal.melouvert.fr", true),
        ("get", "accesses.melouvert.fr", true),
        ("update", "accesses.melouvert.fr", false),
        ("create", "rolebindings.rbac.authorization.k8s.io", false),
        ("create", "secrets", false),
        ("get", "secrets", false),
        ("create", "pods", false),
        ("create", "pods/exec", false),
        ("create", "pods/portforward", false),
        ("create", "serviceaccounts/token", false),
        ("create", "migrations.melouvert.fr", false),
        ("patch", "regions.melouvert.fr", false),
        ("patch", "plans.melouvert.fr", false),
        ("patch", "collectivities.melouvert.fr", false),
        ("list", "collectivities.melouvert.fr", false),
    ] {
        ensure!(
            may(DSI, verb, resource, &own)? == here,
            "own space: {verb} {resource}"
        );
        ensure!(
            !may(DSI, verb, resource, &other)?,
            "another space: {verb} {resource}"
        );
    }
    Ok(())
}

/// Attaque : donner à un agent un nom qui porte des caractères invisibles ou qui retournent le texte,
/// pour le faire passer pour un autre.
/// Témoin : un nom avec accents et apostrophe.
#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn names_an_agent_to_deceive() -> anyhow::Result<()> {
    let (caen, _) = two_spaces()?;
    let address = caen.address("essai.noms");
    for name in [
        "Jeanne\u{202E}nitraM",
        "Jeanne\u{200B} Martin",
        "\u{2067}Martin",
        "Jeanne\u{AD}",
    ] {
        let (code, said) = melouvert_refuses(&["agent", "add", &address, "--name", name])?;
        ensure!(
            code != 0 && said.contains("caractère invisible"),
            "{name:?}: {said}"
        );
    }
    let list = || melouvert(&["agent", "list", "--siren", caen.of.siren, "-o", "name"]);
    ensure!(!list()?.contains(&address), "a deceptive name was taken");
    melouvert(&["agent", "add", &address, "--name", "Zoé d'Haÿ-Œuvre"])?;
    ensure!(list()?.contains(&address), "control: an ordinary name");
    melouvert(&[
        "agent",
        "remove",
        &address,
        "--siren",
        caen.of.siren,
        "--yes",
    ])
    .map(drop)
}
