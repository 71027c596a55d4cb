//! Whoever has the token of the operator's ServiceAccount.

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use xtask::platform::SYSTEM;

use super::bystander::{ADMINISTRATOR, As, a_space, asked, kubectl, operator, read, would_refuse};

/// Outside of spaces two of our policies refuse a binding, and either may speak first.
const OUTSIDE: &str = "ValidatingAdmissionPolicy 'melouvert-";

/// Asks as the operator; the refusal must be by one of its policies.
fn refused_by(policy: &str, what: &str, refusal: Option<String>) -> anyhow::Result<()> {
    let said = refusal.with_context(|| format!("{what} was accepted"))?;
    ensure!(
        said.contains(policy),
        "{what}: refused for another reason: {said}"
    );
    Ok(())
}

fn accepted(what: &str, refusal: Option<String>) -> anyhow::Result<()> {
    match refusal {
        None => Ok(()),
        Some(said) => bail!("control: {what}: {said}"),
    }
}

fn create(object: &Value) -> anyhow::Result<Option<String>> {
    let user = operator();
    let who = As {
        user: &user,
        groups: &[],
    };
    would_refuse(who, "create", object)
}

fn change(arguments: &[&str]) -> anyhow::Result<Option<String>> {
    let user = operator();
    let who = As {
        user: &user,
        groups: &[],
    };
    asked(kubectl(who, arguments).arg("--dry-run=server"))
}

fn secret(namespace: &str, name: &str, kind: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "type": kind,
        "metadata": {"name": name, "namespace": namespace,
            "annotations": {"kubernetes.io/service-account.name": "default"}}})
}

fn binding(namespace: &str, role: &str, account: (&str, &str)) -> Value {
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "essai", "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "namespace": account.0, "name": account.1}]})
}

/// Attaque : se donner ses droits sur un espace de noms qui n'est pas celui d'une collectivité, ou les
/// donner à un autre compte dans celui d'une collectivité.
/// Témoin : se les donner à lui-même dans un espace ouvert.
/// Sans effet : essais à blanc.
#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn binds_its_rights_elsewhere_or_to_others() -> anyhow::Result<()> {
    let space = a_space()?;
    let (role, own) = ("melouvert-tenant-manager", (SYSTEM, "melouvert-operator"));
    accepted("in a space", create(&binding(&space, role, own))?)?;
    for namespace in ["kube-system", "default", SYSTEM] {
        let refusal = create(&binding(namespace, role, own))?;
        refused_by(OUTSIDE, namespace, refusal)?;
    }
    for account in [
        (space.as_str(), "default"),
        (SYSTEM, "default"),
        ("kube-system", "melouvert-operator"),
    ] {
        let refusal = create(&binding(&space, role, account))?;
        refused_by("melouvert-operator-bindings", account.1, refusal)?;
    }
    let worker = "melouvert-migration-worker";
    accepted(
        "its workers",
        create(&binding(&space, worker, (&space, "migration")))?,
    )?;
    let refusal = create(&binding(&space, worker, ("kube-system", "migration")))?;
    refused_by("melouvert-operator-bindings", worker, refusal)
}

/// Attaque : écrire un Secret hors des espaces, ou un Secret qui donne un jeton, ou un Secret de la
/// plateforme qui n'est pas à lui (une version Helm).
/// Témoin : un Secret ordinaire dans un espace ouvert.
/// Sans effet : essais à blanc.
#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn writes_secrets_that_give_rights() -> anyhow::Result<()> {
    let space = a_space()?;
    accepted("in a space", create(&secret(&space, "essai", "Opaque"))?)?;
    for namespace in ["kube-system", "default"] {
        let refusal = create(&secret(namespace, "essai", "Opaque"))?;
        ensure!(refusal.is_some(), "a Secret of {namespace} was accepted");
    }
    for namespace in [space.as_str(), SYSTEM] {
        let token = secret(
            namespace,
            "melouvert-essai",
            "kubernetes.io/service-account-token",
        );
        refused_by("melouvert-operator-secrets", "a token", create(&token)?)?;
    }
    let release = secret(
        SYSTEM,
        "sh.helm.release.v1.melouvert.v999",
        "helm.sh/release.v1",
    );
    refused_by("melouvert-operator-secrets", "a release", create(&release)?)
}

/// Attaque : lister les Secrets de tout le cluster.
/// Témoin : lire ceux d'un espace ouvert, et suivre partout les noms que portent les siens.
/// Sans effet : questions à l'API des droits.
#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn lists_every_secret() -> anyhow::Result<()> {
    let space = a_space()?;
    let user = operator();
    let who = As {
        user: &user,
        groups: &[],
    };
    let may = |arguments: &[&str]| {
        let output = kubectl(who, &[&["auth", "can-i"], arguments].concat()).output();
        Ok::<_, anyhow::Error>(output.context("failed to start kubectl")?.status.success())
    };
    ensure!(may(&["get", "secrets", "-n", &space])?, "control: its own");
    ensure!(
        may(&["list", "secrets/tenant-ca", "-A"])?,
        "control: by name"
    );
    for verb in ["get", "list", "watch", "create", "delete"] {
        for scope in ["-A", "-nkube-system", "-ndefault"] {
            ensure!(
                !may(&[verb, "secrets", scope])?,
                "it may {verb} Secrets {scope}"
            );
        }
    }
    ensure!(
        !may(&["list", "configmaps", "-A"])?,
        "it may list ConfigMaps"
    );
    Ok(())
}

/// Attaque : ouvrir un espace de noms sans la marque d'un espace, avec celle d'un autre, ou sans Pod
/// Security.
/// Témoin : ouvrir un espace bien marqué.
/// Sans effet : essais à blanc.
#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn opens_namespaces_without_a_mark() -> anyhow::Result<()> {
    let policy = "melouvert-operator-namespaces";
    let namespace = |name: &str, labels: Value| {
        let mut all = json!({"melouvert.fr/siren": "356000000", "melouvert.fr/installation": SYSTEM,
            "app.kubernetes.io/managed-by": "melouvert",
            "pod-security.kubernetes.io/enforce": "restricted",
            "pod-security.kubernetes.io/audit": "restricted",
            "pod-security.kubernetes.io/warn": "restricted"});
        for (key, value) in labels.as_object().into_iter().flatten() {
            all[key] = value.clone();
        }
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": all}})
    };
    let good = |labels| namespace("col-356000000", labels);
    accepted("a space", create(&good(json!({})))?)?;
    for (what, object) in [
        ("another's name", namespace("a-moi", json!({}))),
        (
            "another SIREN",
            good(json!({"melouvert.fr/siren": "211401187"})),
        ),
        (
            "another installation",
            good(json!({"melouvert.fr/installation": "default"})),
        ),
        (
            "no Pod Security",
            good(json!({"pod-security.kubernetes.io/enforce": "privileged"})),
        ),
        (
            "an old Pod Security",
            good(json!({"pod-security.kubernetes.io/enforce-version": "v1.0"})),
        ),
        (
            "no mark",
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "col-356000000"}}),
        ),
    ] {
        refused_by(policy, what, create(&object)?)?;
    }
    Ok(())
}

/// Attaque : marquer un espace de noms qui existe, changer la marque ou Pod Security d'un espace,
/// supprimer un espace de noms étranger.
/// Témoin : annoter un espace.
/// Sans effet : essais à blanc.
#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn changes_marks() -> anyhow::Result<()> {
    let space = a_space()?;
    let policy = "melouvert-operator-namespaces";
    for (what, arguments) in [
        (
            "kube-system",
            &[
                "label",
                "namespace",
                "kube-system",
                "melouvert.fr/siren=211401187",
            ][..],
        ),
        (
            "its own",
            &[
                "label",
                "namespace",
                SYSTEM,
                "--overwrite",
                "pod-security.kubernetes.io/enforce=privileged",
            ],
        ),
        (
            "Pod Security",
            &[
                "label",
                "namespace",
                &space,
                "--overwrite",
                "pod-security.kubernetes.io/enforce=baseline",
            ],
        ),
        (
            "the mark",
            &[
                "label",
                "namespace",
                &space,
                "--overwrite",
                "melouvert.fr/siren=356000000",
            ],
        ),
        (
            "another gone",
            &["delete", "namespace", "kube-node-lease", "--wait=false"],
        ),
        (
            "its own gone",
            &["delete", "namespace", SYSTEM, "--wait=false"],
        ),
    ] {
        refused_by(policy, what, change(arguments)?)?;
    }
    accepted(
        "a note",
        change(&["annotate", "namespace", &space, "essai=1"])?,
    )
}

/// Attaque : changer ce qui tourne dans l'espace de noms de la plateforme, ou y lancer un pod.
/// Témoin : redémarrer un de ses services par une annotation.
/// Sans effet : essais à blanc.
#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn runs_its_own_image_beside_the_platform() -> anyhow::Result<()> {
    let patch = |name: &str, patch: Value| {
        let patch = patch.to_string();
        let kind = [
            "patch",
            "statefulset",
            name,
            "-n",
            SYSTEM,
            "--type=strategic",
            "-p",
            &patch,
        ];
        change(&kind)
    };
    let relay = "melouvert-relay-in";
    let note = json!({"spec": {"template": {"metadata": {"annotations": {"essai": "1"}}}}});
    accepted("a restart", patch(relay, note)?)?;
    let name = "jsonpath={.spec.template.spec.containers[0].name}";
    let container = read(
        ADMINISTRATOR,
        &["get", "statefulset", relay, "-n", SYSTEM, "-o", name],
    )?;
    let containers = json!([{"name": container, "image": "intrus.example/x:1"}]);
    for (what, spec) in [
        (
            "an image",
            json!({"template": {"spec": {"containers": containers}}}),
        ),
        (
            "an account",
            json!({"template": {"spec": {"serviceAccountName": "melouvert-operator"}}}),
        ),
        ("no replica", json!({"replicas": 0})),
    ] {
        let refusal = patch(relay, json!({"spec": spec}))?;
        refused_by("melouvert-operator-workloads", what, refusal)?;
    }
    Ok(())
}

/// Attaque : supprimer les clés d'un espace, prendre par un Service l'adresse d'un autre, s'attacher
/// le volume d'un autre.
/// Témoin : un Service et un volume ordinaires.
/// Sans effet : essais à blanc.
#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn reaches_beyond_a_space_from_inside() -> anyhow::Result<()> {
    let space = a_space()?;
    for name in ["tenant-ca", "mail-dkim", "mail-db"] {
        let refusal = change(&["delete", "secret", name, "-n", &space])?;
        refused_by("melouvert-operator-secrets", name, refusal)?;
    }
    let service = |spec: Value| {
        json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "essai", "namespace": space}, "spec": spec})
    };
    let ports = json!([{"port": 53}]);
    accepted("a Service", create(&service(json!({"ports": ports})))?)?;
    for spec in [
        json!({"ports": ports, "externalIPs": ["192.0.2.1"]}),
        json!({"ports": ports, "type": "NodePort"}),
        json!({"ports": ports, "type": "LoadBalancer"}),
        json!({"type": "ExternalName", "externalName": "a.example"}),
    ] {
        let refusal = create(&service(spec.clone()))?;
        // The quota of a space may refuse it as well, first or second.
        let said = refusal.with_context(|| format!("{spec} was accepted"))?;
        ensure!(said.contains("melouvert-operator-reach"), "{spec}: {said}");
    }
    let claim = |volume: Option<&str>| {
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": "migration-essai", "namespace": space},
            "spec": {"accessModes": ["ReadWriteOnce"], "volumeName": volume,
                "resources": {"requests": {"storage": "1Mi"}}}})
    };
    accepted("a claim", create(&claim(None))?)?;
    let refusal = create(&claim(Some("pvc-d-un-autre")))?;
    refused_by("melouvert-operator-reach", "a volume by name", refusal)
}
