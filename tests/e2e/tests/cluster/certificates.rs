//! A certificate due at two thirds of its life is renewed, and shown by the servers.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, ensure};
use melouvert_e2e::{
    PASSWORD, await_ready, eventually, kubectl, melouvert_json, platform, two_spaces,
};
use xtask::{
    shell,
    space::{CAEN, authority},
};

const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

fn secret(name: &str, key: &str) -> anyhow::Result<String> {
    let template = format!("go-template={{{{index .data \"{key}\" | base64decode}}}}");
    let namespace = format!("col-{}", CAEN.siren);
    kubectl(&["get", "secret", name, "-n", &namespace, "-o", &template])
}

fn openssl(folder: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    shell::output(Command::new("openssl").args(arguments).current_dir(folder))
}

/// The serial number of a PEM certificate, in lower-case hexadecimal.
fn serial(folder: &Path, pem: &str) -> anyhow::Result<String> {
    fs::write(folder.join("any.pem"), pem)?;
    let said = openssl(folder, &["x509", "-in", "any.pem", "-noout", "-serial"])?;
    let hex = said.trim().trim_start_matches("serial=");
    Ok(hex.to_lowercase())
}

/// A certificate of the mail servers as the tenant's authority issued it 61 days ago for 90 days:
/// past two thirds of its life, still valid.
fn due(folder: &Path) -> anyhow::Result<()> {
    let chain = secret("mail-tls", "tls.crt")?;
    fs::write(folder.join("chain.pem"), &chain)?;
    fs::write(folder.join("ca.pem"), secret("tenant-ca", "tls.crt")?)?;
    fs::write(folder.join("ca.key"), secret("tenant-ca", "tls.key")?)?;
    fs::write(folder.join("leaf.key"), secret("mail-tls", "tls.key")?)?;
    let names = openssl(
        folder,
        &[
            "x509",
            "-in",
            "chain.pem",
            "-noout",
            "-ext",
            "subjectAltName",
        ],
    )?;
    let names = names
        .lines()
        .nth(1)
        .context("the leaf has no names")?
        .replace(' ', "");
    fs::write(
        folder.join("leaf.cnf"),
        format!(
            "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n\
             extendedKeyUsage=serverAuth\nsubjectAltName={names}\n"
        ),
    )?;
    let subject = format!("/CN=mail.col-{}.svc.cluster.local", CAEN.siren);
    openssl(
        folder,
        &[
            "req", "-new", "-key", "leaf.key", "-subj", &subject, "-out", "leaf.csr",
        ],
    )?;
    let mut issue = Command::new("openssl");
    issue
        .args([
            "x509", "-req", "-days", "90", "-in", "leaf.csr", "-CA", "ca.pem",
        ])
        .args([
            "-CAkey", "ca.key", "-extfile", "leaf.cnf", "-out", "leaf.pem",
        ])
        .env("LD_PRELOAD", FAKETIME)
        .env("FAKETIME", "-61d");
    shell::output(issue.current_dir(folder))?;
    let leaf = fs::read_to_string(folder.join("leaf.pem"))?;
    let own = "-----END CERTIFICATE-----\n";
    let (_, above) = chain.split_once(own).context("the chain is a leaf alone")?;
    fs::write(folder.join("due.pem"), format!("{leaf}{above}"))?;
    Ok(())
}

/// Puts the due certificate into the Secret, as time would.
fn age(folder: &Path) -> anyhow::Result<()> {
    let encoded = shell::output(
        Command::new("base64")
            .args(["-w0", "due.pem"])
            .current_dir(folder),
    )?;
    let patch = serde_json::json!({"data": {"tls.crt": encoded.trim()}}).to_string();
    let namespace = format!("col-{}", CAEN.siren);
    kubectl(&[
        "patch",
        "secret",
        "mail-tls",
        "-n",
        &namespace,
        "--type=merge",
        "-p",
        &patch,
    ])
    .map(drop)
}

/// The serial number of what a port shows, under the region's root.
fn shown(folder: &Path, port: u16, host: &str) -> anyhow::Result<String> {
    let authority = authority(platform())?;
    let mut client = Command::new("openssl");
    client
        .args([
            "s_client",
            "-verify_return_error",
            "-connect",
            &format!("127.0.0.1:{port}"),
        ])
        .args(["-servername", host, "-verify_hostname", host, "-CAfile"])
        .arg(authority);
    serial(folder, &shell::output_with(&mut client, Some("Q\n"))?)
}

/// The journal and an Event tell the renewal.
fn told(serial: &str) -> anyhow::Result<()> {
    eventually("the journal", || {
        let entries = melouvert_json(&["journal", "show", "--siren", CAEN.siren])?;
        let told = entries.as_array().is_some_and(|all| {
            all.iter().any(|entry| {
                entry["action"] == "certificate.renewed"
                    && entry["detail"]["secret"] == "mail-tls"
                    && entry["detail"]["serial"] == serial
            })
        });
        ensure!(told, "{serial} is not in the journal: {entries}");
        Ok(())
    })?;
    eventually("the Event", || {
        let only = ["get", "events", "-A", "--field-selector"];
        let what = [
            "reason=CertificateRenewed",
            "-o",
            "jsonpath={.items[*].message}",
        ];
        let events = kubectl(&[&only[..], &what].concat())?;
        ensure!(events.contains(serial), "{events}");
        Ok(())
    })
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn a_due_certificate_is_renewed_and_shown() -> anyhow::Result<()> {
    let (caen, _) = two_spaces()?;
    await_ready(CAEN)?;
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let first = serial(folder, &secret("mail-tls", "tls.crt")?)?;
    due(folder)?;
    let aged = serial(folder, &fs::read_to_string(folder.join("due.pem"))?)?;
    ensure!(aged != first, "the aged certificate is the first one");
    age(folder)?;

    let renewed = eventually("another certificate in the Secret", || {
        let now = serial(folder, &secret("mail-tls", "tls.crt")?)?;
        ensure!(now != first && now != aged, "still {now}");
        Ok(now)
    })?;
    told(&renewed)?;
    let (imaps, submissions) = caen.ports();
    for (port, host) in [
        (imaps, "imap.caen.example"),
        (submissions, "smtp.caen.example"),
    ] {
        eventually(&format!("{host} to show it"), || {
            let now = shown(folder, port, host)?;
            ensure!(now == renewed, "{now} instead of {renewed}");
            Ok(())
        })?;
    }
    await_ready(CAEN)?;
    let jeanne = caen.address("jeanne.martin");
    caen.mailbox(&jeanne, PASSWORD).login()
}
