//! The DSI of a space: its agents, its journal.

use anyhow::ensure;
use melouvert_e2e::{melouvert, melouvert_refuses, two_spaces};

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
