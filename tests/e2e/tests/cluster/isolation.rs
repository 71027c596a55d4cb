//! Attempts of one space on another, each with a positive control.

use anyhow::{Context, ensure};
use melouvert_e2e::{PASSWORD, field, kubectl, psql_reader, two_spaces};
use xtask::space::Space;

/// Whether the mail pod of `from` opens a connection to an address.
pub(crate) fn reaches(from: &Space<'_>, address: &str, port: &str) -> bool {
    from.exec(
        "dovecot",
        &[
            "busybox",
            "nc",
            "-w",
            "3",
            address,
            port,
            "-e",
            "/usr/bin/busybox",
            "true",
        ],
    )
    .is_ok()
}

pub(crate) fn pod_address(namespace: &str, pod: &str) -> anyhow::Result<String> {
    field("pod", namespace, pod, "{.status.podIP}")
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn a_pod_reaches_its_database_and_relay_only() -> anyhow::Result<()> {
    let (caen, rouen) = two_spaces()?;
    let system = "melouvert-system";
    ensure!(
        reaches(
            &caen,
            &pod_address(system, "melouvert-postgresql-0")?,
            "5432"
        ),
        "control: database"
    );
    ensure!(
        reaches(
            &caen,
            &pod_address(system, "melouvert-relay-out-0")?,
            "1587"
        ),
        "control: relay"
    );
    let rouens = pod_address(&rouen.namespace(), "mail-0")?;
    for port in ["1993", "1025", "1465", "8081"] {
        ensure!(
            reaches(&caen, "127.0.0.1", port),
            "control: port {port} answers at home"
        );
        ensure!(
            !reaches(&caen, &rouens, port),
            "Caen's pod reached port {port} of Rouen's"
        );
    }
    for (pod, port) in [
        ("melouvert-relay-in-0", "1025"),
        ("melouvert-operator-0", "8443"),
    ] {
        ensure!(
            !reaches(&caen, &pod_address(system, pod)?, port),
            "Caen's pod reached {pod}"
        );
    }
    ensure!(
        !reaches(&caen, "10.96.0.1", "443"),
        "Caen's pod reached the Kubernetes API"
    );
    Ok(())
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn an_account_opens_its_own_server_only() -> anyhow::Result<()> {
    let (caen, rouen) = two_spaces()?;
    let jeanne = caen.address("jeanne.martin");
    caen.mailbox(&jeanne, PASSWORD).login().context("control")?;
    let refused = rouen.mailbox(&jeanne, PASSWORD).login();
    let said = refused
        .err()
        .context("Caen's agent logged in to Rouen's server")?
        .to_string();
    ensure!(
        said.contains("denied") || said.contains("Login"),
        "refused for another reason: {said}"
    );
    Ok(())
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn database_roles_see_their_own_database_and_two_views() -> anyhow::Result<()> {
    two_spaces()?;
    let own = psql_reader("col_211401187", "SELECT count(*) > 0 FROM mail_login")?;
    ensure!(
        own.trim() == "t",
        "control: the reader sees its logins: {own}"
    );
    let refused = |database: &str, sql: &str, reason: &str| {
        let said = psql_reader(database, sql)
            .err()
            .with_context(|| format!("{sql} passed on {database}"))?
            .to_string();
        ensure!(said.contains(reason), "refused for another reason: {said}");
        Ok::<_, anyhow::Error>(())
    };
    refused(
        "col_217605401",
        "SELECT 1",
        "permission denied for database",
    )?;
    refused(
        "melouvert_platform",
        "SELECT 1",
        "permission denied for database",
    )?;
    refused("col_211401187", "SELECT * FROM agent", "permission denied")?;
    refused(
        "col_211401187",
        "SELECT * FROM journal",
        "permission denied",
    )
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn pods_hold_no_token_and_their_accounts_no_right() -> anyhow::Result<()> {
    let (caen, _) = two_spaces()?;
    ensure!(
        caen.exec("dovecot", &["busybox", "ls", "/tls"]).is_ok(),
        "control: the container lists a folder"
    );
    ensure!(
        caen.exec(
            "dovecot",
            &["busybox", "ls", "/var/run/secrets/kubernetes.io"]
        )
        .is_err(),
        "a token is mounted"
    );
    for account in ["mail", "migration", "default"] {
        let user = format!("system:serviceaccount:col-211401187:{account}");
        for namespace in ["col-211401187", "col-217605401", "melouvert-system"] {
            let said = kubectl(&[
                "auth", "can-i", "get", "secrets", "-n", namespace, "--as", &user,
            ]);
            ensure!(said.is_err(), "{user} may read Secrets of {namespace}");
        }
    }
    Ok(())
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn the_operator_writes_secrets_in_its_own_namespaces_only() -> anyhow::Result<()> {
    two_spaces()?;
    let operator = "system:serviceaccount:melouvert-system:melouvert-operator";
    let can = |namespace: &str| {
        kubectl(&[
            "auth", "can-i", "patch", "secrets", "-n", namespace, "--as", operator,
        ])
    };
    ensure!(
        can("col-211401187").is_ok(),
        "control: its tenant's namespace"
    );
    for namespace in ["kube-system", "default"] {
        ensure!(
            can(namespace).is_err(),
            "the operator may write Secrets of {namespace}"
        );
    }
    Ok(())
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn every_pod_of_a_space_is_restricted() -> anyhow::Result<()> {
    let (caen, _) = two_spaces()?;
    let label = field(
        "namespace",
        "",
        &caen.namespace(),
        "{.metadata.labels.pod-security\\.kubernetes\\.io/enforce}",
    )?;
    ensure!(label == "restricted", "{label}");
    let pod = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"intrus"},"spec":{"containers":[{"name":"x","image":"x","securityContext":{"privileged":true}}]}}"#;
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), pod)?;
    let path = file.path().to_string_lossy().into_owned();
    let said = kubectl(&["apply", "-n", &caen.namespace(), "-f", &path])
        .err()
        .context("a privileged pod was accepted")?
        .to_string();
    ensure!(
        said.contains("violates PodSecurity"),
        "refused for another reason: {said}"
    );
    Ok(())
}
