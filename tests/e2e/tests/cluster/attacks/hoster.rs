//! Who runs the platform, and who runs collectivities, of the hoster.

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::bystander::{ADMINISTRATOR, As, a_space, asked, kubectl, read, would_refuse};

const HOSTER: As<'static> = As {
    user: "bob",
    groups: &["melouvert:hosters"],
};

/// Attaque : l'hébergeur qui tient les collectivités met dans la région une image à lui, change une offre
/// ou la base de la région.
/// Témoin : il renomme une collectivité, et la plateforme change la région.
/// Sans effet : essais à blanc.
#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn changes_what_every_space_runs() -> anyhow::Result<()> {
    let space = a_space()?;
    let ask = |who: As<'_>, kind: &str, name: &str, spec: serde_json::Value| {
        let patch = json!({ "spec": spec }).to_string();
        let arguments = ["patch", kind, name, "--type=merge", "-p", &patch];
        asked(kubectl(who, &arguments).arg("--dry-run=server"))
    };
    let region = read(
        ADMINISTRATOR,
        &["get", "regions", "-o", "jsonpath={.items[0].metadata.name}"],
    )?;
    let control = ask(
        HOSTER,
        "collectivity",
        &space,
        json!({"legalName": "Essai"}),
    )?;
    ensure!(control.is_none(), "control: {control:?}");
    let platform = As {
        user: "pierre",
        groups: &["melouvert:platform"],
    };
    let control = ask(platform, "region", &region, json!({"migrationDoor": true}))?;
    ensure!(control.is_none(), "control: {control:?}");
    for (kind, name, spec) in [
        (
            "region",
            region.as_str(),
            json!({"images": {"dovecot": "mallory.example/dovecot:1"}}),
        ),
        ("region", &region, json!({"migrationDoor": true})),
        (
            "region",
            &region,
            json!({"database": {"host": "mallory.example"}}),
        ),
        ("plan", "village", json!({"agents": 7})),
    ] {
        let said = ask(HOSTER, kind, name, spec.clone())?;
        let said = said.with_context(|| format!("{kind} {spec} was accepted"))?;
        ensure!(said.contains("cannot patch"), "{said}");
    }
    Ok(())
}

/// Attaque : l'hébergeur crée, hors des espaces, un jeton d'amorçage, un jeton de compte de service ou une
/// version Helm ; dans un espace, un jeton ou la clé d'un serveur.
/// Témoin : dans un espace, les comptes d'une migration.
/// Sans effet : essais à blanc.
#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn makes_secrets_that_give_rights() -> anyhow::Result<()> {
    let space = a_space()?;
    let secret = |namespace: &str, name: &str, kind: &str| {
        json!({"apiVersion": "v1", "kind": "Secret", "type": kind,
            "metadata": {"name": name, "namespace": namespace,
                "annotations": {"kubernetes.io/service-account.name": "default"}}})
    };
    let ask = |secret: &serde_json::Value| would_refuse(HOSTER, "create", secret);
    let control = ask(&secret(&space, "migration-essai-accounts", "Opaque"))?;
    ensure!(control.is_none(), "control: {control:?}");
    let system = xtask::platform::SYSTEM;
    for (namespace, name, kind, because) in [
        (
            "kube-system",
            "bootstrap-token-abcdef",
            "bootstrap.kubernetes.io/token",
            "cannot create",
        ),
        (
            system,
            "jeton",
            "kubernetes.io/service-account-token",
            "cannot create",
        ),
        (
            system,
            "sh.helm.release.v1.melouvert.v9",
            "helm.sh/release.v1",
            "cannot create",
        ),
        (
            "default",
            "migration-essai-accounts",
            "Opaque",
            "cannot create",
        ),
        (
            &space,
            "jeton",
            "kubernetes.io/service-account-token",
            "melouvert-accounts-secrets",
        ),
        (
            &space,
            "migration-essai-accounts",
            "kubernetes.io/service-account-token",
            "melouvert-accounts-secrets",
        ),
        (&space, "mail-extra", "Opaque", "melouvert-accounts-secrets"),
    ] {
        let said = ask(&secret(namespace, name, kind))?;
        let said = said.with_context(|| format!("{kind} {namespace}/{name} was accepted"))?;
        ensure!(said.contains(because), "{namespace}/{name}: {said}");
    }
    Ok(())
}

/// Attaque : l'hébergeur donne un rôle au nom d'un autre, supprime la liste des rôles d'un espace, ou y
/// inscrit un groupe de Kubernetes qui est tout le monde.
/// Témoin : il donne un rôle en son nom.
#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn hides_who_gave_a_role() -> anyhow::Result<()> {
    melouvert_e2e::two_spaces()?;
    let siren = xtask::space::CAEN.siren;
    let space = format!("col-{siren}");
    melouvert_e2e::melouvert(&[
        "access",
        "grant",
        "auditor",
        "--user",
        "cour-des-comptes",
        "--siren",
        siren,
    ])?;
    let ask = |patch: serde_json::Value| {
        let patch = patch.to_string();
        let arguments = [
            "patch",
            "access",
            "access",
            "-n",
            &space,
            "--type=merge",
            "-p",
            &patch,
        ];
        asked(kubectl(HOSTER, &arguments).arg("--dry-run=server"))
    };
    let grants = |name: &str| json!({"grants": [{"role": "dsi", "kind": "Group", "name": name}]});
    let control = ask(json!({"spec": grants("dsi-caen")}))?;
    ensure!(control.is_none(), "control: {control:?}");
    let forged = json!({"metadata": {"annotations": {"melouvert.fr/changed-by": "alice"}}});
    for (patch, because) in [
        (forged, "melouvert-changed-by"),
        (json!({"spec": grants("system:authenticated")}), "system:"),
        (json!({"spec": grants("a\u{202e}b")}), "invisible"),
    ] {
        let said = ask(patch.clone())?.with_context(|| format!("{patch} was accepted"))?;
        ensure!(said.contains(because), "{patch}: {said}");
    }
    // Kubernetes' administrator may delete nearly anything.
    for who in [HOSTER, ADMINISTRATOR] {
        let delete = [
            "delete",
            "access",
            "access",
            "-n",
            &space,
            "--dry-run=server",
        ];
        let said = asked(&mut kubectl(who, &delete))?;
        let said = said.context("the list was deleted")?;
        ensure!(
            said.contains("cannot delete") || said.contains("melouvert-access-deletion"),
            "{said}"
        );
    }
    Ok(())
}

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
