//! The old mail server of the try-out and of the tests: a real Dovecot outside every space, filled
//! from real messages.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::Context;
use serde_json::json;

use crate::{images::BuiltImage, platform::Platform, shell, wait};

const NAMESPACE: &str = "ancien-serveur";
/// The administrator of the old server, who may open every mailbox, and the password.
pub const MASTER: (&str, &str) = ("administrateur", "mot-de-passe-de-l-administrateur");

/// An old server that answers IMAP over TLS.
pub struct LegacyServer {
    /// Its address in the cluster.
    pub address: String,
    /// The PEM file of the authority of its certificate.
    pub authority: PathBuf,
    /// Its name, which its certificate carries.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The folder of its mailboxes.
    mail: PathBuf,
}

/// One account of the old server.
pub struct LegacyAccount<'a> {
    /// Its login.
    pub user: &'a str,
    /// Its password.
    pub password: &'a str,
    /// How many messages fill it.
    pub messages: u32,
}

impl LegacyServer {
    /// Fills the accounts and starts the server; again, it replaces both.
    pub fn start(
        platform: &Platform,
        dovecot: &BuiltImage,
        accounts: &[LegacyAccount<'_>],
    ) -> anyhow::Result<Self> {
        let state = platform
            .cluster
            .kubeconfig()
            .with_file_name("ancien-serveur");
        if state.exists() {
            fs::remove_dir_all(&state).context("failed to empty the old server's folder")?;
        }
        fs::create_dir_all(state.join("config")).context("failed to make a folder")?;
        fill(&state, accounts)?;
        let host = format!("imap.{NAMESPACE}.svc.cluster.local");
        let authority = certificate(&state, &host)?;
        configure(&state, accounts)?;
        own(&state)?;
        let address = run(platform, &state, dovecot)?;
        list(platform, &address)?;
        Ok(Self {
            address,
            authority,
            host,
            port: 993,
            mail: state.join("mail"),
        })
    }
}

impl LegacyServer {
    /// Puts a message into an account's INBOX, as a delivery would.
    pub fn deliver(&self, user: &str, name: &str, message: &str) -> anyhow::Result<()> {
        let inbox = self.mail.join(user).join("agent01");
        let (draft, file) = (inbox.join("tmp").join(name), inbox.join("new").join(name));
        fs::write(&draft, message).context("failed to write a message")?;
        std::os::unix::fs::chown(&draft, Some(10_001), Some(10_001))
            .context("failed to give a message away")?;
        fs::rename(draft, file).context("failed to deliver a message")
    }
}

/// Lets migrations read there, as whoever runs the platform would: it is a private address.
fn list(platform: &Platform, address: &str) -> anyhow::Result<()> {
    let regions = platform
        .cluster
        .kubectl(&["get", "regions", "-o", "name"])?;
    let region = regions.lines().next().context("there is no region")?;
    let patch = json!({"spec": {"sourceCidrs": [format!("{address}/32")]}}).to_string();
    let patch = ["patch", region, "--type=merge", "-p", &patch];
    platform
        .cluster
        .kubectl(&patch)
        .map(drop)
        .map_err(Into::into)
}

/// Replaces the server's pod, waits until it answers and returns its address.
fn run(
    platform: &Platform,
    state: &std::path::Path,
    dovecot: &BuiltImage,
) -> anyhow::Result<String> {
    let manifest = state.join("manifest.json");
    fs::write(
        &manifest,
        serde_json::to_string_pretty(&objects(state, dovecot))?,
    )
    .context("failed to write the old server's manifest")?;
    let path = manifest.to_string_lossy().into_owned();
    let pod = |arguments: &[&str]| {
        Ok::<_, anyhow::Error>(
            platform
                .cluster
                .kubectl(&[&["-n", NAMESPACE], arguments].concat())?,
        )
    };
    pod(&["delete", "pod", "imap", "--ignore-not-found"])?;
    // A new namespace's default ServiceAccount appears a moment after it.
    wait::until(
        "the old server's namespace",
        Duration::from_secs(20),
        || Ok(platform.cluster.kubectl(&["apply", "-f", &path])?),
    )?;
    pod(&["wait", "pod/imap", "--for=condition=Ready", "--timeout=60s"])?;
    pod(&["get", "pod", "imap", "-o", "jsonpath={.status.podIP}"])
}

/// Real messages, recombined, as Maildirs: one corpus for each number of messages asked for.
fn fill(state: &std::path::Path, accounts: &[LegacyAccount<'_>]) -> anyhow::Result<()> {
    let mut by_size: std::collections::BTreeMap<u32, Vec<&str>> = std::collections::BTreeMap::new();
    for account in accounts {
        by_size
            .entry(account.messages)
            .or_default()
            .push(account.user);
    }
    for (messages, users) in by_size {
        let corpus = state.join(format!("corpus-{messages}"));
        let all = messages * u32::try_from(users.len()).context("too many accounts")?;
        shell::output(
            shell::cargo()
                .args(["run", "--quiet", "--package", "melouvert-bench", "--"])
                .args(["corpus", "--out"])
                .arg(&corpus)
                .args(["--messages", &all.to_string()])
                .args(["--mailboxes", &users.len().to_string()]),
        )?;
        for (place, user) in users.iter().enumerate() {
            let home = state.join("mail").join(user);
            fs::create_dir_all(&home).context("failed to make a mailbox")?;
            let made = corpus.join(format!("agent{:02}", place + 1));
            fs::rename(made, home.join("agent01")).context("failed to place a mailbox")?;
        }
    }
    Ok(())
}

/// A certificate of an authority of its own, as a server that is not Melouvert's would have: in
/// `config` of the folder, `tls.pem`, `tls.key` and the authority's, whose path is returned.
///
/// # Errors
/// When `openssl` fails.
pub fn certificate(state: &std::path::Path, host: &str) -> anyhow::Result<PathBuf> {
    let authority = state.join("config/ca.pem");
    let openssl = |arguments: &[&str]| {
        shell::output(
            std::process::Command::new("openssl")
                .args(arguments)
                .current_dir(state.join("config")),
        )
        .map(drop)
    };
    let subject_alt = format!("subjectAltName=DNS:{host}");
    openssl(&[
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "30",
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
        "-subj",
        "/CN=Ancienne autorite",
        "-addext",
        "basicConstraints=critical,CA:TRUE",
        "-addext",
        "keyUsage=critical,keyCertSign",
    ])?;
    openssl(&[
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "30",
        "-keyout",
        "tls.key",
        "-out",
        "tls.pem",
        "-subj",
        "/CN=Ancien serveur",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-addext",
        &subject_alt,
        "-addext",
        "basicConstraints=critical,CA:FALSE",
        "-addext",
        "extendedKeyUsage=serverAuth",
    ])?;
    Ok(authority)
}

fn configure(state: &std::path::Path, accounts: &[LegacyAccount<'_>]) -> anyhow::Result<()> {
    let mut users = String::new();
    for account in accounts {
        users.extend([account.user, ":{PLAIN}", account.password, "\n"]);
    }
    fs::write(state.join("config/users"), users).context("failed to write the accounts")?;
    let (master, password) = MASTER;
    fs::write(
        state.join("config/masters"),
        format!("{master}:{{PLAIN}}{password}\n"),
    )
    .context("failed to write the administrator")?;
    fs::write(
        state.join("config/dovecot.conf"),
        include_str!("legacy-dovecot.conf"),
    )
    .context("failed to write the configuration")
}

/// Everything belongs to the uid that the server runs as.
fn own(state: &std::path::Path) -> anyhow::Result<()> {
    shell::output(
        std::process::Command::new("chown")
            .args(["-R", "10001:10001"])
            .arg(state),
    )
    .map(drop)
}

fn objects(state: &std::path::Path, dovecot: &BuiltImage) -> serde_json::Value {
    let folder = |name: &str| serde_json::json!({"name": name, "hostPath": {"path": state.join(name), "type": "Directory"}});
    serde_json::json!({
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "imap", "namespace": NAMESPACE},
                "spec": {"clusterIP": "None", "selector": {"app": "imap"}, "ports": [{"name": "imap", "port": 143}, {"name": "imaps", "port": 993}]},
            },
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "imap", "namespace": NAMESPACE, "labels": {"app": "imap"}},
                "spec": {
                    "securityContext": {"runAsUser": 10001, "runAsGroup": 10001, "sysctls": [
                        {"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]},
                    "containers": [{
                        "name": "dovecot",
                        "image": dovecot.reference,
                        "imagePullPolicy": "IfNotPresent",
                        "command": ["/usr/sbin/dovecot", "-F", "-c", "/config/dovecot.conf"],
                        "readinessProbe": {"tcpSocket": {"port": 993}, "periodSeconds": 1},
                        "volumeMounts": [
                            {"name": "config", "mountPath": "/config"},
                            {"name": "mail", "mountPath": "/mail"},
                            {"name": "run", "mountPath": "/run/dovecot"},
                        ],
                    }],
                    "volumes": [folder("config"), folder("mail"), {"name": "run", "emptyDir": {}}],
                },
            },
        ],
    })
}
