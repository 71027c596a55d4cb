//! Who runs the platform of the hoster: regions and offers, no space.

use anyhow::{Context, ensure};
use serde_json::json;

use super::bystander::{ADMINISTRATOR, As, a_space, asked, kubectl};

const PLATFORM: As<'static> = As {
    user: "pierre",
    groups: &["melouvert:platform"],
};

fn refused(who: As<'_>, because: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let said = asked(kubectl(who, arguments).arg("--dry-run=server"))?;
    let said = said.with_context(|| format!("{arguments:?} was accepted"))?;
    ensure!(
        said.contains(because),
        "{arguments:?}: refused for another reason: {said}"
    );
    Ok(())
}

fn accepted(who: As<'_>, arguments: &[&str]) -> anyhow::Result<()> {
    let refusal = asked(kubectl(who, arguments).arg("--dry-run=server"))?;
    ensure!(refusal.is_none(), "control: {arguments:?}: {refusal:?}");
    Ok(())
}

/// Attaque : la personne qui tient la plateforme suspend un espace, y crée un Secret, s'y donne un rôle,
/// change un mot de passe, supprime la région ou l'offre.
/// Témoin : elle change une offre.
/// Sans effet : essais à blanc et questions.
#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn reaches_into_a_space() -> anyhow::Result<()> {
    let space = a_space()?;
    let cannot = "cannot";
    let suspended = json!({"spec": {"lifecycle": "Suspended"}}).to_string();
    let merge = ["--type=merge", "-p"];
    let plan = json!({"spec": {"agents": 7}}).to_string();
    accepted(
        PLATFORM,
        &["patch", "plan", "village", merge[0], merge[1], &plan],
    )?;
    refused(
        PLATFORM,
        cannot,
        &[
            "patch",
            "collectivity",
            &space,
            merge[0],
            merge[1],
            &suspended,
        ],
    )?;
    let accounts = "migration-essai-accounts";
    refused(
        PLATFORM,
        cannot,
        &["create", "secret", "generic", accounts, "-n", &space],
    )?;
    refused(PLATFORM, cannot, &["delete", "plan", "village"])?;
    refused(PLATFORM, cannot, &["delete", "region", "normandie"])?;
    for (verb, resource) in [
        ("update", "accesses.melouvert.fr"),
        ("update", "agents.melouvert.fr"),
        ("get", "mailboxes.melouvert.fr"),
        ("get", "secrets"),
        ("create", "pods"),
        ("create", "pods/exec"),
        ("create", "rolebindings.rbac.authorization.k8s.io"),
    ] {
        let said = super::bystander::may(PLATFORM, verb, resource, &space)?;
        ensure!(!said, "{verb} {resource} is allowed");
    }
    Ok(())
}

/// Attaque : un rôle de Melouvert donné à la main, dans un espace, ailleurs ou sur tout le cluster, sous
/// le nom et les étiquettes de l'installation ou non ; ceux de l'opérateur retirés ; y compris en
/// administrateur de Kubernetes.
/// Témoin : un rôle de Kubernetes, au même endroit.
/// Sans effet : essais à blanc.
#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn binds_a_role_by_hand() -> anyhow::Result<()> {
    let space = a_space()?;
    let policy = "melouvert-bindings";
    let in_space = |role| {
        [
            "create",
            "rolebinding",
            "essai",
            "--user=mallory",
            role,
            "-n",
        ]
    };
    accepted(
        ADMINISTRATOR,
        &[&in_space("--clusterrole=view")[..], &[&space]].concat(),
    )?;
    for role in [
        "--clusterrole=melouvert-dsi",
        "--clusterrole=melouvert-hoster",
        "--clusterrole=melouvert-tenant-manager",
        "--clusterrole=melouvert-migration-accounts",
    ] {
        for namespace in [space.as_str(), "default", "kube-system"] {
            let binding = [&in_space(role)[..], &[namespace]].concat();
            refused(ADMINISTRATOR, policy, &binding)?;
        }
        // Under the very name that the installation would give it.
        let name = role.trim_start_matches("--clusterrole=");
        for name in ["essai", name] {
            refused(
                ADMINISTRATOR,
                policy,
                &["create", "clusterrolebinding", name, "--user=mallory", role],
            )?;
        }
    }
    let binding = ["melouvert-operator", "-n", space.as_str()];
    let delete = [&["delete", "rolebinding"], &binding[..]].concat();
    refused(ADMINISTRATOR, policy, &delete)?;
    let add = json!([{"op": "add", "path": "/subjects/-", "value":
        {"kind": "User", "name": "mallory", "apiGroup": "rbac.authorization.k8s.io"}}])
    .to_string();
    let patch = [
        &["patch", "rolebinding"],
        &binding[..],
        &["--type=json", "-p", &add],
    ]
    .concat();
    refused(ADMINISTRATOR, policy, &patch)
}
