//! Whoever has the token of the operator's ServiceAccount.

use anyhow::ensure;
use serde_json::{Value, json};

use super::bystander::{As, a_space, operator, would_refuse};

fn secret(namespace: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "essai", "namespace": namespace}, "stringData": {"a": "b"}})
}

/// Attaque : écrire un Secret dans un espace de noms qui n'est pas celui d'une collectivité.
/// Témoin : le même Secret dans un espace ouvert.
/// Sans effet : essais à blanc.
#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn writes_secrets_outside_of_spaces() -> anyhow::Result<()> {
    let user = operator();
    let who = As {
        user: &user,
        groups: &[],
    };
    let control = would_refuse(who, "create", &secret(&a_space()?))?;
    ensure!(control.is_none(), "control: {control:?}");
    for namespace in ["kube-system", "default"] {
        let refusal = would_refuse(who, "create", &secret(namespace))?;
        ensure!(refusal.is_some(), "a Secret of {namespace} was accepted");
    }
    Ok(())
}
