//! A mailbox moved through the door of a space's store, whose server is killed in the middle: the
//! region opens the door, migrations alone come through, and nothing is lost.

use std::{fs, time::Duration};

use anyhow::{Context, ensure};
use melouvert_e2e::{
    PASSWORD, eventually, field, kubectl, melouvert, outcome, platform, process, text, two_spaces,
    witness,
};
use xtask::{
    legacy::{LegacyAccount, LegacyServer},
    space::{CAEN, Space},
    wait,
};

use crate::isolation::{pod_address, reaches};

const NAME: &str = "par-la-porte";
const NAMESPACE: &str = "col-211401187";
const OLD_USER: &str = "ancien";
const OLD_PASSWORD: &str = "ancien-mot-de-passe";
const MESSAGES: u32 = 300;
/// Bytes a second: slow enough that the server dies while messages arrive.
const RATE: &str = "1MB";
/// For a pass of which the server was killed, on a loaded machine.
const PASS: Duration = Duration::from_mins(5);
/// Seen at the store before its server is killed.
const BEFORE_KILL: usize = 20;

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn a_killed_server_loses_nothing_of_what_came_through_the_door() -> anyhow::Result<()> {
    let (caen, rouen) = two_spaces()?;
    caen.agent("porte", "Boîte de la porte", PASSWORD)?;
    let account = LegacyAccount {
        user: OLD_USER,
        password: OLD_PASSWORD,
        messages: MESSAGES,
    };
    let old = LegacyServer::start(platform(), platform().image("dovecot")?, &[account])?;
    let closed = Closed::open(&caen)?;
    migrations_alone_come_through(&caen, &rouen)?;

    start(&caen, &old)?;
    wait::until("messages in the store", PASS, || {
        let arrived = arrived(&caen);
        ensure!(arrived >= BEFORE_KILL, "{arrived} messages arrived");
        Ok(())
    })?;
    kill_store()?;
    ensure!(phase()? != "Complete", "it had ended before the kill");
    wait::until("the migration", PASS, || {
        let now = phase()?;
        ensure!(now == "Complete", "{now}: {}", status("{.messages}")?);
        Ok(())
    })?;

    ensure!(
        status("{.messages.absent}")? == "0",
        "{}",
        status("{.messages}")?
    );
    melouvert(&["migrate", "verify", CAEN.siren, NAME])?;
    same_mail(&caen, &old)?;
    no_password_is_left()?;
    closed.close(&caen)
}

/// The door of the region's stores is closed again when the test ends, however it does.
struct Closed;

impl Closed {
    fn open(space: &Space<'_>) -> anyhow::Result<Self> {
        region(true)?;
        let closed = Self;
        served(space, true)?;
        Ok(closed)
    }

    fn close(self, space: &Space<'_>) -> anyhow::Result<()> {
        drop(self);
        served(space, false)
    }
}

impl Drop for Closed {
    fn drop(&mut self) {
        if let Err(error) = region(false) {
            // The test has failed already, or fails by what it awaits next.
            let _ = std::io::Write::write_all(
                &mut std::io::stderr(),
                format!("the door stays open: {error:#}\n").as_bytes(),
            );
        }
    }
}

fn region(door: bool) -> anyhow::Result<()> {
    let patch = format!(r#"{{"spec":{{"migrationDoor":{door}}}}}"#);
    kubectl(&["patch", "region", "normandie", "--type=merge", "-p", &patch]).map(drop)
}

/// Waits until the space is served by a pod that has the door, or has it no more.
fn served(space: &Space<'_>, door: bool) -> anyhow::Result<()> {
    eventually("the store's new configuration", || {
        let ports = field("statefulset", NAMESPACE, "mail", CONTAINER_PORTS)?;
        ensure!(ports.contains("1994") == door, "{ports}");
        Ok(())
    })?;
    let rolled = ["rollout", "status", "statefulset/mail", "-n", NAMESPACE];
    kubectl(&[&rolled[..], &["--timeout=120s"]].concat())?;
    eventually("logins", || {
        space.mailbox(&space.address("porte"), PASSWORD).login()
    })
}

const CONTAINER_PORTS: &str = "{.spec.template.spec.containers[0].ports[*].containerPort}";

/// No other pod reaches the door, and no agent's password opens it; each with its control.
fn migrations_alone_come_through(caen: &Space<'_>, rouen: &Space<'_>) -> anyhow::Result<()> {
    ensure!(
        reaches(caen, "127.0.0.1", "1994"),
        "control: it answers at home"
    );
    let address = pod_address(NAMESPACE, "mail-0")?;
    ensure!(!reaches(rouen, &address, "1994"), "Rouen's pod reached it");
    let relay = |port: &str| {
        let pod = [
            "exec",
            "-n",
            "melouvert-system",
            "melouvert-relay-in-0",
            "--",
        ];
        let knock = [
            "busybox",
            "nc",
            "-w",
            "3",
            &address,
            port,
            "-e",
            "/usr/bin/busybox",
            "true",
        ];
        kubectl(&[&pod[..], &knock[..]].concat()).is_ok()
    };
    ensure!(relay("1025"), "control: the relay reaches the space's pod");
    ensure!(!relay("1994"), "the relay reached the door");

    // From the node itself, where no policy holds, the password alone decides.
    let service = field("service", NAMESPACE, "mail", "{.spec.clusterIP}")?;
    let mut jeanne = caen.mailbox("jeanne.martin@caen.example", PASSWORD);
    jeanne.login().context("control: her password is right")?;
    jeanne.imaps = platform().cluster.forward(&format!("{service}:994"))?;
    let said = jeanne
        .login()
        .err()
        .context("an agent came through the door")?;
    let said = format!("{said:#}");
    ensure!(
        said.contains("denied") || said.contains("Login"),
        "refused for another reason: {said}"
    );
    Ok(())
}

fn start(space: &Space<'_>, old: &LegacyServer) -> anyhow::Result<()> {
    let accounts = tempfile::NamedTempFile::new()?;
    let target = space.address("porte");
    fs::write(
        accounts.path(),
        format!(
            "source_user,source_password,target_user,target_password\n{OLD_USER},{OLD_PASSWORD},{target},{PASSWORD}\n"
        ),
    )?;
    let source = format!("imaps://{}:{}", old.host, old.port);
    let mut run = platform().melouvert();
    run.args(["migrate", "run", "--siren", CAEN.siren, "--name", NAME])
        .args(["--no-wait", "--limit-rate", RATE, "--source", &source])
        .args(["--source-cidr", &format!("{}/32", old.address), "--ca-file"])
        .arg(&old.authority)
        .arg("--accounts")
        .arg(accounts.path());
    let run = outcome(&mut run)?;
    ensure!(run.status.success(), "{}", text(&run));
    Ok(())
}

/// Messages of the new mailbox, as files; none while it has no folder.
fn arrived(space: &Space<'_>) -> usize {
    let home = format!("/srv/mail/{}/porte", CAEN.domain);
    let find = ["busybox", "find", &home, "-name", "u.[0-9]*"];
    let found = space.exec("dovecot", &find).unwrap_or_default();
    found.lines().count()
}

/// Kills every process of the store's container at once, as a machine would that runs out of memory.
fn kill_store() -> anyhow::Result<()> {
    const RESTARTS: &str = "{.status.containerStatuses[?(@.name==\"dovecot\")].restartCount}";
    let restarts = || field("pod", NAMESPACE, "mail-0", RESTARTS);
    let before = restarts()?;
    process::signal("-KILL", &process::first(NAMESPACE, "mail-0", "dovecot")?)?;
    eventually("the server's restart", || {
        ensure!(restarts()? != before, "not restarted yet");
        Ok(())
    })
}

/// An outside client finds the same bytes and flags on both sides.
fn same_mail(space: &Space<'_>, old: &LegacyServer) -> anyhow::Result<()> {
    let port = platform()
        .cluster
        .forward(&format!("{}:{}", old.address, old.port))?;
    let target = space.address("porte");
    let user = |user: &str, password: &str| [(user.to_owned(), password.to_owned())];
    let there = (port, old.host.as_str(), old.authority.as_path());
    let there = witness::read(there, &user(OLD_USER, OLD_PASSWORD))?;
    let authority = xtask::space::authority(platform())?;
    let name = format!("imap.{}", CAEN.domain);
    let here = (space.ports().0, name.as_str(), authority.as_path());
    let here = witness::read(here, &user(&target, PASSWORD))?;
    let (there, here) = (&there[OLD_USER], &here[&target]);
    ensure!(
        there.len() == MESSAGES as usize,
        "{} at the source",
        there.len()
    );
    ensure!(there == here, "{} and {} differ", there.len(), here.len());
    Ok(())
}

/// The Secret of a pass goes with its Job.
fn no_password_is_left() -> anyhow::Result<()> {
    eventually("the pass's Secret to go", || {
        let secrets = kubectl(&["get", "secrets", "-n", NAMESPACE, "-o", "name"])?;
        let of_passes = format!("secret/migration-{NAME}-");
        let mut left = secrets.lines().filter(|name| name.starts_with(&of_passes));
        // Those of the accounts wait for the cut-over.
        ensure!(left.all(|name| name.ends_with("-accounts")), "{secrets}");
        Ok(())
    })
}

fn phase() -> anyhow::Result<String> {
    status("{.phase}")
}

fn status(path: &str) -> anyhow::Result<String> {
    let path = path.replacen('.', ".status.", 1);
    field("migration", NAMESPACE, NAME, &path)
}
