//! What the platform is unsure of is put off, never refused for good; what was made once is never
//! made again by itself.

use std::process::Command;

use anyhow::{Context, ensure};
use melouvert_e2e::{
    await_ready, eventually, field, kubectl, melouvert, melouvert_json, melouvert_refuses, outcome,
    platform, psql, text, two_spaces,
};
use serde_json::Value;
use xtask::{
    platform::SYSTEM,
    shell,
    space::{CAEN, Example, ROUEN},
};

/// What the MX answers for the postmaster of a domain.
fn answer(domain: &str) -> anyhow::Result<String> {
    let address = field("service", SYSTEM, "melouvert-relay-in", "{.spec.clusterIP}")?;
    let port = platform().cluster.forward(&format!("{address}:25"))?;
    let output = outcome(Command::new("swaks").args([
        "--server",
        "127.0.0.1",
        "--port",
        &port.to_string(),
        "--helo",
        "dehors.example",
        "--tls",
        "--from",
        "x@dehors.example",
        "--to",
        &format!("postmaster@{domain}"),
        "--quit-after",
        "RCPT",
    ]))?;
    Ok(text(&output))
}

fn taken(domain: &str) -> anyhow::Result<()> {
    let said = answer(domain)?;
    ensure!(
        said.contains(" 250 Accepted"),
        "{domain} is not taken: {said}"
    );
    Ok(())
}

fn restart_operator() -> anyhow::Result<()> {
    let pod = ["pod", "melouvert-operator-0", "-n", SYSTEM];
    kubectl(&[&["delete"], &pod[..]].concat())?;
    eventually("the operator to lead again", || {
        kubectl(
            &[
                &["wait"],
                &pod[..],
                &["--for=condition=Ready", "--timeout=30s"],
            ]
            .concat(),
        )
    })?;
    Ok(())
}

/// Patches of objects that are taken back, also after a failure: argument lists of kubectl.
struct Back(Vec<Vec<String>>);

impl Back {
    fn by(arguments: &[&str]) -> Vec<String> {
        arguments.iter().map(|text| (*text).to_owned()).collect()
    }
}

impl Drop for Back {
    #[expect(clippy::print_stderr, reason = "nobody else hears of it")]
    fn drop(&mut self) {
        for arguments in &self.0 {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            if let Err(error) = kubectl(&arguments) {
                eprintln!("{error:#}");
            }
        }
    }
}

/// The definitions of the chart, put back also after a failure, as Helm's own: an upgrade would stop
/// at a field that somebody else wrote.
struct Definitions;

impl Definitions {
    fn put_back() -> anyhow::Result<()> {
        let chart = shell::root().join("charts/melouvert-crds");
        let text = shell::output(platform().tool("helm").args(["template", "x"]).arg(chart))?;
        let mut apply = platform().tool("kubectl");
        apply.args(["apply", "--server-side", "--force-conflicts"]);
        apply.args(["--field-manager=helm", "-f", "-"]);
        shell::output_with(&mut apply, Some(&text)).map(drop)
    }
}

impl Drop for Definitions {
    #[expect(clippy::print_stderr, reason = "nobody else hears of it")]
    fn drop(&mut self) {
        if let Err(error) = Self::put_back() {
            eprintln!("{error:#}");
        }
    }
}

fn patch_lifecycle(of: Example, lifecycle: &str) -> Vec<String> {
    Back::by(&[
        "patch",
        "collectivity",
        &format!("col-{}", of.siren),
        "--type=merge",
        "-p",
        &format!(r#"{{"spec":{{"lifecycle":"{lifecycle}"}}}}"#),
    ])
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn an_object_that_cannot_be_read_stops_nobodys_mail() -> anyhow::Result<()> {
    two_spaces()?;
    let crd = [
        "patch",
        "crd",
        "collectivities.melouvert.fr",
        "--type=json",
        "-p",
    ];
    let states =
        "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/lifecycle/enum";
    let newer = format!(r#"[{{"op":"add","path":"{states}/-","value":"Archived"}}]"#);
    let definitions = Definitions;
    // Dropped first: the object must be readable again by the older definition.
    let back = Back(vec![patch_lifecycle(ROUEN, "Active")]);
    kubectl(&[&crd[..], &[&newer]].concat())?;
    let archived = patch_lifecycle(ROUEN, "Archived");
    let archived: Vec<&str> = archived.iter().map(String::as_str).collect();
    eventually("the newer definition", || kubectl(&archived).map(drop))?;
    restart_operator()?;
    eventually("the operator to name it", || {
        let (_, said) = said_by_doctor()?;
        ensure!(said.contains("col-217605401"), "{said}");
        Ok(())
    })?;
    taken(CAEN.domain)?;
    taken(ROUEN.domain)?;
    // The control: what is known to be hosted nowhere is refused for good.
    let said = answer("ailleurs.example")?;
    ensure!(said.contains(" 550 "), "{said}");
    // Another space is still kept.
    kubectl(&["delete", "limitrange", "--all", "-n", "col-211401187"])?;
    eventually("the LimitRange to come back", || {
        let found = kubectl(&["get", "limitrange", "-n", "col-211401187", "-o", "name"])?;
        ensure!(!found.trim().is_empty(), "not yet");
        Ok(())
    })?;
    let (_, said) = melouvert_lists()?;
    ensure!(said.contains("col-217605401"), "{said}");
    drop(back);
    drop(definitions);
    await_ready(ROUEN)
}

/// The doctor's words, whatever its exit status.
fn said_by_doctor() -> anyhow::Result<(bool, String)> {
    let output = outcome(platform().melouvert().arg("doctor"))?;
    Ok((output.status.success(), text(&output)))
}

fn melouvert_lists() -> anyhow::Result<(bool, String)> {
    let output = outcome(platform().melouvert().args(["collectivity", "list"]))?;
    ensure!(
        text(&output).contains(CAEN.siren) && !output.status.success(),
        "{}",
        text(&output)
    );
    Ok((output.status.success(), text(&output)))
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn a_table_that_is_not_whole_refuses_nobody() -> anyhow::Result<()> {
    two_spaces()?;
    let config = |name: &str| {
        kubectl(&[
            "exec",
            "melouvert-relay-in-0",
            "-n",
            SYSTEM,
            "--",
            "busybox",
            "cat",
            &format!("/etc/melouvert/{name}"),
        ])
    };
    taken(CAEN.domain)?;
    // With the operator away nobody repairs it at once.
    kubectl(&[
        "scale",
        "statefulset",
        "melouvert-operator",
        "-n",
        SYSTEM,
        "--replicas=0",
    ])?;
    let back = Back(vec![Back::by(&[
        "scale",
        "statefulset",
        "melouvert-operator",
        "-n",
        SYSTEM,
        "--replicas=1",
    ])]);
    let emptied = [
        "patch",
        "configmap",
        "melouvert-relay-maps",
        "-n",
        SYSTEM,
        "--type=merge",
        "-p",
    ];
    kubectl(&[&emptied[..], &[r#"{"data":{"domains":""}}"#]].concat())?;
    // The kubelet looks at a pod's ConfigMaps at once when the pod changes.
    kubectl(&[
        "annotate",
        "pod",
        "melouvert-relay-in-0",
        "-n",
        SYSTEM,
        "poke=1",
        "--overwrite",
    ])?;
    eventually("the relay to read the emptied table", || {
        ensure!(config("domains")?.trim().is_empty(), "not yet");
        Ok(())
    })?;
    for domain in [CAEN.domain, "ailleurs.example"] {
        let said = answer(domain)?;
        ensure!(said.contains(" 451 ") && !said.contains(" 550 "), "{said}");
    }
    drop(back);
    eventually("the table to be put back", || taken(CAEN.domain))?;
    let said = answer("ailleurs.example")?;
    ensure!(said.contains(" 550 "), "{said}");
    Ok(())
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn definitions_stay_as_long_as_there_is_a_space() -> anyhow::Result<()> {
    two_spaces()?;
    for name in ["collectivities", "plans"] {
        let name = format!("{name}.melouvert.fr");
        let error = kubectl(&["delete", "crd", &name, "--wait=false"])
            .err()
            .with_context(|| format!("{name} was deleted"))?
            .to_string();
        ensure!(error.contains("melouvert-definitions"), "{error}");
    }
    let all = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions?labelSelector=app.kubernetes.io/part-of%3Dmelouvert";
    let error = kubectl(&["delete", "--raw", all])
        .err()
        .context("all definitions were deleted at once")?
        .to_string();
    ensure!(error.contains("melouvert-definitions"), "{error}");
    // The control: another definition is nobody's business here.
    let other = serde_json::json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "choses.dehors.example"},
        "spec": {"group": "dehors.example", "scope": "Cluster",
            "names": {"plural": "choses", "singular": "chose", "kind": "Chose"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object"}}}]},
    });
    let mut apply = platform().tool("kubectl");
    apply.args(["apply", "-f", "-"]);
    shell::output_with(&mut apply, Some(&other.to_string()))?;
    kubectl(&["delete", "crd", "choses.dehors.example", "--wait=false"])?;
    taken(CAEN.domain)
}

/// The reason and the message of the condition that holds.
fn stalled(of: Example) -> anyhow::Result<(String, String)> {
    let name = format!("col-{}", of.siren);
    let path = |what: &str| format!("{{.status.conditions[?(@.type==\"Stalled\")].{what}}}");
    let read = |what: &str| field("collectivity", "", &name, &path(what));
    ensure!(
        read("status")? == "True",
        "not stalled: {}",
        read("reason")?
    );
    Ok((read("reason")?, read("message")?))
}

fn poke(of: Example) -> anyhow::Result<()> {
    let name = format!("col-{}", of.siren);
    let now = format!("poke={}", std::process::id());
    kubectl(&["label", "namespace", &name, &now, "--overwrite"])?;
    kubectl(&["label", "namespace", &name, "poke-"]).map(drop)
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn published_signing_keys_are_waited_for() -> anyhow::Result<()> {
    two_spaces()?;
    await_ready(ROUEN)?;
    let name = format!("col-{}", ROUEN.siren);
    let secret = ["secret", "mail-dkim", "-n", &name];
    let mut saved: Value = serde_json::from_str(&kubectl(
        &[&["get"], &secret[..], &["-o", "json"]].concat(),
    )?)?;
    let metadata = saved["metadata"].as_object_mut().context("no metadata")?;
    for field in [
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "managedFields",
    ] {
        metadata.remove(field);
    }
    kubectl(&[&["delete"], &secret[..]].concat())?;
    let (reason, _) = eventually("the space to stall", || stalled(ROUEN))?;
    ensure!(reason == "KeysLost", "{reason}");
    let (good, said) = said_by_doctor()?;
    ensure!(!good, "the doctor is content: {said}");
    poke(ROUEN)?;
    ensure!(
        kubectl(&[&["get"], &secret[..]].concat()).is_err(),
        "keys were made anew"
    );
    taken(ROUEN.domain)?;
    let mut create = platform().tool("kubectl");
    create.args(["create", "-f", "-"]);
    shell::output_with(&mut create, Some(&saved.to_string()))?;
    await_ready(ROUEN)?;
    let key = |value: &Value| value["data"]["ed25519.pem"].clone();
    let now: Value = serde_json::from_str(&kubectl(
        &[&["get"], &secret[..], &["-o", "json"]].concat(),
    )?)?;
    ensure!(key(&now) == key(&saved), "another key");
    Ok(())
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn a_lost_database_is_waited_for() -> anyhow::Result<()> {
    two_spaces()?;
    let (database, aside) = ("col_217605401", "col_217605401_aside");
    let rename = |from: &str, to: &str| {
        // Whoever connects in between is sent away again.
        eventually("the database to be moved", || {
            let closed = format!(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{from}'"
            );
            psql("melouvert_platform", &closed)?;
            psql(
                "melouvert_platform",
                &format!("alter database {from} rename to {to}"),
            )
        })
    };
    let agents = melouvert_json(&["agent", "list", "--siren", ROUEN.siren])?;
    rename(database, aside)?;
    poke(ROUEN)?;
    let (reason, _) = eventually("the space to stall", || stalled(ROUEN))?;
    let exists = format!("select count(*) from pg_database where datname = '{database}'");
    let made = psql("melouvert_platform", &exists)?;
    let said = answer(ROUEN.domain)?;
    let refused = melouvert_refuses(&["agent", "list", "--siren", ROUEN.siren]);
    rename(aside, database)?;
    ensure!(reason == "DatabaseLost", "{reason}");
    ensure!(made.trim() == "0", "an empty database was made");
    ensure!(!said.contains(" 550 "), "mail was refused for good: {said}");
    refused?;
    await_ready(ROUEN)?;
    let now = eventually("the platform API", || {
        melouvert_json(&["agent", "list", "--siren", ROUEN.siren])
    })?;
    ensure!(now == agents, "{now} is not {agents}");
    melouvert(&["journal", "verify", "--siren", ROUEN.siren]).map(drop)
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn every_author_of_quick_changes_is_in_the_journal() -> anyhow::Result<()> {
    two_spaces()?;
    let name = format!("col-{}", CAEN.siren);
    // The operator is away, so that it sees the last change alone.
    let away = Back(vec![Back::by(&[
        "scale",
        "statefulset",
        "melouvert-operator",
        "-n",
        SYSTEM,
        "--replicas=1",
    ])]);
    kubectl(&[
        "scale",
        "statefulset",
        "melouvert-operator",
        "-n",
        SYSTEM,
        "--replicas=0",
    ])?;
    kubectl(&[
        "wait",
        "pod/melouvert-operator-0",
        "-n",
        SYSTEM,
        "--for=delete",
        "--timeout=60s",
    ])?;
    for (turn, user) in ["anne", "bruno", "admin"].into_iter().enumerate() {
        let contact = format!("dsi{turn}.{}@{}", std::process::id(), CAEN.domain);
        let patch = serde_json::json!({"spec": {"contacts": {"dsi": contact}}}).to_string();
        let change = ["patch", "collectivity", &name, "--type=merge", "-p", &patch];
        kubectl(&[&change[..], &["--as", user, "--as-group", "system:masters"]].concat())?;
    }
    // Nobody writes in another's name.
    let forged = r#"{"metadata":{"annotations":{"melouvert.fr/authors":"1=quelqu'un"}}}"#;
    let refused = kubectl(&["patch", "collectivity", &name, "--type=merge", "-p", forged]);
    drop(away);
    let refused = refused
        .err()
        .context("the authors were forged")?
        .to_string();
    ensure!(refused.contains("melouvert-authors"), "{refused}");
    eventually("all three in the journal", || {
        let entries = melouvert_json(&["journal", "show", "--siren", CAEN.siren])?;
        let entries = entries.as_array().context("not a list")?;
        let authors: Vec<_> = entries
            .iter()
            .filter(|entry| entry["action"] == "collectivity.spec-changed")
            .filter_map(|entry| entry["actor"].as_str())
            .collect();
        let last = authors.iter().rev().take(3).copied().collect::<Vec<_>>();
        ensure!(last == ["admin", "bruno", "anne"], "{authors:?}");
        Ok(())
    })?;
    await_ready(CAEN)
}
