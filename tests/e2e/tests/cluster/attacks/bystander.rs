//! What a test may do where others work: read, and ask by dry runs. Every command goes to the
//! installation that `cargo xtask attack --kubeconfig` names, else to the tests' cluster.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, ensure};
use melouvert_e2e::{outcome, platform, text, two_spaces};
use serde_json::{Value, json};
use xtask::platform::SYSTEM;

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct As<'a> {
    /// The user.
    pub user: &'a str,
    /// Its groups.
    pub groups: &'a [&'a str],
}

/// Kubernetes' administrator: whoever runs the suite.
pub const ADMINISTRATOR: As<'static> = As {
    user: "",
    groups: &[],
};

/// The operator.
pub fn operator() -> String {
    format!("system:serviceaccount:{SYSTEM}:melouvert-operator")
}

/// A `kubectl` that must only read or ask by `--dry-run=server`.
pub fn kubectl(who: As<'_>, arguments: &[&str]) -> Command {
    let mut command = match std::env::var_os(xtask::commands::attack::KUBECONFIG) {
        Some(kubeconfig) => {
            let mut command = Command::new("kubectl");
            command.env("KUBECONFIG", PathBuf::from(kubeconfig));
            command
        }
        None => platform().tool("kubectl"),
    };
    command.args(arguments);
    if !who.user.is_empty() {
        command.arg("--as").arg(who.user);
    }
    for group in who.groups {
        command.arg("--as-group").arg(group);
    }
    command
}

/// What a command says; it must succeed.
pub fn read(who: As<'_>, arguments: &[&str]) -> anyhow::Result<String> {
    xtask::shell::output(&mut kubectl(who, arguments))
}

/// Asks the API server what it would say to an object: `Ok(None)` when it would take it, else why
/// not. Nothing is changed.
pub fn would_refuse(who: As<'_>, verb: &str, object: &Value) -> anyhow::Result<Option<String>> {
    let file = tempfile::NamedTempFile::new().context("failed to make a file")?;
    std::fs::write(file.path(), object.to_string()).context("failed to write the object")?;
    let path = file.path().to_string_lossy().into_owned();
    asked(&mut kubectl(
        who,
        &[verb, "--dry-run=server", "-o", "name", "-f", &path],
    ))
}

/// The same for a command that is complete, its `--dry-run=server` included.
pub fn asked(command: &mut Command) -> anyhow::Result<Option<String>> {
    let output = outcome(command)?;
    if output.status.success() {
        return Ok(None);
    }
    let said = text(&output);
    // An API server that is away, or an object that is wrong, refuses nothing.
    ensure!(
        said.contains("(Forbidden)") || said.contains("forbidden") || said.contains("is invalid"),
        "failed to ask: {said}"
    );
    Ok(Some(said))
}

/// The namespace of a space that is open. On the tests' cluster it is opened; elsewhere nothing is.
pub fn a_space() -> anyhow::Result<String> {
    if std::env::var_os(xtask::commands::attack::KUBECONFIG).is_none() {
        two_spaces()?;
    }
    let names = read(
        ADMINISTRATOR,
        &[
            "get",
            "namespaces",
            "-l",
            "melouvert.fr/siren,app.kubernetes.io/managed-by=melouvert",
            "-o",
            "jsonpath={.items[*].metadata.name}",
        ],
    )?;
    let first = names.split_whitespace().next();
    first
        .map(Into::into)
        .context("no space is open: the attack has no aim and its control no witness")
}

/// Whether somebody has a right in a namespace (`agents.melouvert.fr`, `pods/exec`), as the API server
/// says it. Asked by a review: `kubectl auth can-i` loses the group of a resource that is not served.
pub fn may(who: As<'_>, verb: &str, resource: &str, namespace: &str) -> anyhow::Result<bool> {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"namespace": namespace, "verb": verb, "group": group,
            "resource": resource, "subresource": subresource}}});
    let file = tempfile::NamedTempFile::new().context("failed to make a file")?;
    std::fs::write(file.path(), review.to_string()).context("failed to write the review")?;
    let path = file.path().to_string_lossy().into_owned();
    // Who asks may not read the definitions that kubectl would validate it with.
    let path = format!("--filename={path}");
    let output = "--output=jsonpath={.status.allowed}";
    let allowed = ["create", "--validate=false", output, &path];
    Ok(read(who, &allowed)?.trim() == "true")
}
