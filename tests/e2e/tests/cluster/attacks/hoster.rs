//! Who runs the platform, and who runs collectivities, of the hoster.

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::bystander::{ADMINISTRATOR, a_space, asked, kubectl, would_refuse};

fn ask(arguments: &[&str]) -> anyhow::Result<Option<String>> {
    asked(kubectl(ADMINISTRATOR, arguments).arg("--dry-run=server"))
}

fn refused(policy: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let said = ask(arguments)?.with_context(|| format!("{arguments:?} was accepted"))?;
    ensure!(
        said.contains(policy),
        "{arguments:?}: refused for another reason: {said}"
    );
    Ok(())
}

fn accepted(arguments: &[&str]) -> anyhow::Result<()> {
    let refusal = ask(arguments)?;
    ensure!(refusal.is_none(), "control: {arguments:?}: {refusal:?}");
    Ok(())
}

/// Attaque : ôter à un volume, à une clé ou à un espace de noms la marque qui les protège, puis les
/// supprimer ; y compris en administrateur de Kubernetes.
/// Témoin : une annotation sans portée.
/// Sans effet : essais à blanc.
#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn takes_marks_off() -> anyhow::Result<()> {
    let space = a_space()?;
    let on = ["-n", space.as_str()];
    accepted(&["annotate", "pvc", "mail-data", on[0], on[1], "essai=1"])?;
    accepted(&["annotate", "namespace", &space, "essai=1"])?;
    for label in [
        "melouvert.fr/siren-",
        "app.kubernetes.io/managed-by-",
        "app.kubernetes.io/managed-by=x",
    ] {
        for kind in [["pvc", "mail-data"], ["secret", "tenant-ca"]] {
            let change = [
                "label",
                kind[0],
                kind[1],
                on[0],
                on[1],
                "--overwrite",
                label,
            ];
            refused("melouvert-space-owners", &change)?;
        }
        refused(
            "melouvert-space-marks",
            &["label", "namespace", &space, "--overwrite", label],
        )?;
    }
    let weaker = "pod-security.kubernetes.io/enforce=privileged";
    refused(
        "melouvert-space-marks",
        &["label", "namespace", &space, "--overwrite", weaker],
    )?;
    let status = json!({"metadata": {"labels": {"melouvert.fr/siren": null}}}).to_string();
    let through = [
        "patch",
        "namespace",
        &space,
        "--subresource=status",
        "--type=merge",
        "-p",
        &status,
    ];
    refused("melouvert-space-marks", &through)?;
    refused(
        "melouvert-tenant-data",
        &["delete", "pvc", "mail-data", on[0], on[1]],
    )?;
    refused("melouvert-tenant-data", &["delete", "namespace", &space])
}

/// Attaque : donner à une clé ou à un volume d'un espace un propriétaire qui n'existe pas, pour que le
/// ramasse-miettes les supprime ; y compris en administrateur de Kubernetes.
/// Témoin : une annotation sans portée.
/// Sans effet : essais à blanc.
#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn gives_keys_an_owner_that_goes() -> anyhow::Result<()> {
    let space = a_space()?;
    let owner = json!({"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap",
        "name": "absent", "uid": "00000000-0000-4000-8000-000000000000"}]}})
    .to_string();
    for kind in [
        ["secret", "tenant-ca"],
        ["secret", "mail-dkim"],
        ["pvc", "mail-data"],
        ["statefulset", "mail"],
    ] {
        accepted(&["annotate", kind[0], kind[1], "-n", &space, "essai=1"])?;
        let change = [
            "patch",
            kind[0],
            kind[1],
            "-n",
            &space,
            "--type=merge",
            "-p",
            &owner,
        ];
        refused("melouvert-space-owners", &change)?;
    }
    Ok(())
}

/// Attaque : ôter à une collectivité le finaliseur qui la garde jusqu'à l'effacement de ses données.
/// Témoin : en ajouter un autre.
/// Sans effet : essais à blanc.
#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn strips_a_finalizer() -> anyhow::Result<()> {
    let space = a_space()?;
    let change =
        |finalizers: serde_json::Value| json!({"metadata": {"finalizers": finalizers}}).to_string();
    let (none, more) = (
        change(json!([])),
        change(json!(["melouvert.fr/tenant", "essai.example/x"])),
    );
    let patch = |body| ["patch", "collectivity", &space, "--type=merge", "-p", body];
    accepted(&patch(&more))?;
    refused("melouvert-finalizer", &patch(&none))
}

/// Attaque : donner à une collectivité le domaine d'un fournisseur public de messagerie, ou un nom qui
/// se lit à l'envers de ce qu'il dit.
/// Témoin : un domaine et un nom ordinaires.
/// Sans effet : essais à blanc.
#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn takes_everybodys_domain() -> anyhow::Result<()> {
    let ask = |spec: Value| {
        would_refuse(
            ADMINISTRATOR,
            "create",
            &super::super::fields::collectivity(&spec),
        )
    };
    let control = ask(json!({"legalName": "L'Haÿ-les-Roses", "domains": ["lisieux.example"]}))?;
    ensure!(control.is_none(), "control: {control:?}");
    for domain in ["laposte.net", "gmail.com", "orange.fr", "mairie.free.fr"] {
        let said = ask(json!({"domains": ["lisieux.example", domain]}))?;
        let said = said.with_context(|| format!("{domain} was accepted"))?;
        ensure!(said.contains(domain), "{domain}: {said}");
    }
    for name in [
        "Caen\u{202E}xueisiL",
        "Caen\u{200B}",
        "Caen\u{2066}",
        "Caen\u{7}",
    ] {
        let said = ask(json!({"legalName": name}))?;
        let said = said.with_context(|| format!("{name:?} was accepted"))?;
        ensure!(said.contains("spec.legalName"), "{name:?}: {said}");
    }
    let said = ask(json!({"contacts": {"dsi": "dsi\u{202E}@lisieux.example"}}))?;
    ensure!(
        said.is_some_and(|said| said.contains("spec.contacts.dsi")),
        "an address was accepted"
    );
    Ok(())
}
