//! A hundred mail clients at once, in a space and at both relays.

use std::{path::Path, process::Command};

use anyhow::ensure;
use melouvert_e2e::{field, kubectl, platform, two_spaces};
use xtask::{platform::SYSTEM, shell, space};

const CROWD: &str = "100";

/// How many of the crowd's connections to a service still answer while all of them are open.
fn answered(
    (namespace, service, port): (&str, &str, u16),
    (name, how): (&str, &str),
    client: Option<&Path>,
) -> anyhow::Result<String> {
    let address = field("service", namespace, service, "{.spec.clusterIP}")?;
    let local = platform().cluster.forward(&format!("{address}:{port}"))?;
    let authority = space::authority(platform())?;
    let mut python = Command::new("python3");
    python
        .args([
            "-c",
            include_str!("../../src/crowd.py"),
            &local.to_string(),
            CROWD,
            name,
        ])
        .arg(authority)
        .arg(how)
        .args(client);
    Ok(shell::output(&mut python)?.trim().to_owned())
}

/// Caen's certificate as a client of the region, with its key, in one file.
pub(crate) fn client_of(namespace: &str, folder: &Path) -> anyhow::Result<std::path::PathBuf> {
    let template = "go-template={{index .data \"tls.key\" | base64decode}}{{index .data \"tls.crt\" | base64decode}}";
    let pem = kubectl(&[
        "get",
        "secret",
        "mail-client-tls",
        "-n",
        namespace,
        "-o",
        template,
    ])?;
    let file = folder.join("client.pem");
    std::fs::write(&file, pem)?;
    Ok(file)
}

/// How often the containers of a pod were started.
fn restarts(namespace: &str, pod: &str) -> anyhow::Result<String> {
    field(
        "pod",
        namespace,
        pod,
        "{.status.containerStatuses[*].restartCount}",
    )
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn a_hundred_connections_are_served_at_once() -> anyhow::Result<()> {
    let (caen, _) = two_spaces()?;
    let folder = tempfile::tempdir()?;
    let namespace = caen.namespace();
    let client = client_of(&namespace, folder.path())?;
    for (place, pod, called, client) in [
        (
            (namespace.as_str(), "mail", 465),
            "mail-0",
            ("smtp.caen.example", "tls"),
            None,
        ),
        (
            (namespace.as_str(), "mail", 587),
            "mail-0",
            ("smtp.caen.example", "starttls"),
            None,
        ),
        (
            (SYSTEM, "melouvert-relay-in", 25),
            "melouvert-relay-in-0",
            ("mx.normandie.melouvert.example", "starttls"),
            None,
        ),
        (
            (SYSTEM, "melouvert-relay-out", 587),
            "melouvert-relay-out-0",
            ("smtp-out.normandie.melouvert.example", "starttls"),
            Some(client.as_path()),
        ),
    ] {
        let before = restarts(place.0, pod)?;
        let answered = answered(place, called, client)?;
        ensure!(
            answered == CROWD,
            "{place:?}: {answered} of {CROWD} answered"
        );
        ensure!(restarts(place.0, pod)? == before, "{pod} was restarted");
    }
    Ok(())
}
