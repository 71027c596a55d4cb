//! What is deleted comes back; what dies in the middle goes on.

use anyhow::ensure;
use melouvert_e2e::{
    PASSWORD, await_ready, eventually, field, kubectl, melouvert, melouvert_refuses, platform,
    two_spaces,
};
use xtask::{
    platform::SYSTEM,
    space::{ARROMANCHES, CAEN, Space},
};

fn uid(kind: &str, name: &str) -> anyhow::Result<String> {
    field(kind, "col-211401187", name, "{.metadata.uid}")
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn deleted_objects_come_back_and_mail_is_served_again() -> anyhow::Result<()> {
    let (caen, _) = two_spaces()?;
    for (kind, name) in [
        ("secret", "mail-tls"),
        ("service", "mail"),
        ("networkpolicy", "default-deny"),
        ("configmap", "mail-config"),
        ("statefulset", "mail"),
    ] {
        let before = uid(kind, name)?;
        kubectl(&["delete", kind, name, "-n", "col-211401187"])?;
        eventually(&format!("{kind}/{name} to come back"), || {
            let now = uid(kind, name)?;
            ensure!(now != before, "not yet");
            Ok(())
        })?;
    }
    eventually("logins in Caen", || {
        let caen = Space::attach(platform(), caen.of)?;
        caen.mailbox(&caen.address("jeanne.martin"), PASSWORD)
            .login()
    })?;
    await_ready(CAEN)
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn a_change_by_hand_is_undone() -> anyhow::Result<()> {
    two_spaces()?;
    let port = || {
        field(
            "service",
            "col-211401187",
            "mail",
            "{.spec.ports[0].targetPort}",
        )
    };
    let before = port()?;
    kubectl(&[
        "patch",
        "service",
        "mail",
        "-n",
        "col-211401187",
        "--type=json",
        "-p",
        r#"[{"op":"replace","path":"/spec/ports/0/targetPort","value":9}]"#,
    ])?;
    eventually("the port to be set back", || {
        ensure!(port()? == before, "not yet");
        Ok(())
    })
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn the_operator_killed_while_opening_a_space_goes_on() -> anyhow::Result<()> {
    std::thread::scope(|scope| {
        let opening = scope.spawn(|| Space::open(platform(), ARROMANCHES).map(drop));
        for step in ["namespace/col-211400213", "secret/mail-tls"] {
            eventually(step, || {
                kubectl(&["get", step, "-n", "col-211400213"]).map(drop)
            })?;
            kubectl(&[
                "delete",
                "pod",
                "melouvert-operator-0",
                "-n",
                "melouvert-system",
                "--grace-period=0",
                "--force",
            ])?;
            eventually("the operator's pod", || {
                kubectl(&[
                    "wait",
                    "pod/melouvert-operator-0",
                    "-n",
                    "melouvert-system",
                    "--for=condition=Ready",
                    "--timeout=20s",
                ])
            })?;
        }
        opening
            .join()
            .map_err(|_| anyhow::anyhow!("the opening panicked"))?
    })?;
    await_ready(ARROMANCHES)
}

/// Scales a workload of the platform; back to one replica also after a failure.
struct Away(&'static str);

impl Away {
    fn send(name: &'static str) -> anyhow::Result<Self> {
        let away = Self(name);
        scale(name, 0)?;
        let pod = format!("pod/{name}-0");
        kubectl(&["wait", &pod, "-n", SYSTEM, "--for=delete", "--timeout=60s"])?;
        Ok(away)
    }
}

impl Drop for Away {
    #[expect(clippy::print_stderr, reason = "nobody else hears of it")]
    fn drop(&mut self) {
        if let Err(error) = scale(self.0, 1) {
            eprintln!("{error:#}");
        }
    }
}

fn scale(name: &str, replicas: u8) -> anyhow::Result<()> {
    let count = format!("--replicas={replicas}");
    kubectl(&["scale", "statefulset", name, "-n", SYSTEM, &count]).map(drop)
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn postgresql_away_is_told_and_comes_back() -> anyhow::Result<()> {
    let (caen, rouen) = two_spaces()?;
    let away = Away::send("melouvert-postgresql")?;
    let (code, said) = melouvert_refuses(&["agent", "list", "--siren", CAEN.siren])?;
    ensure!(
        code == 6 && said.contains("la base de données") && said.contains("que faire :"),
        "exit code {code}: {said}"
    );
    // A change that is new in each run, so that the operator has something to journal.
    let contact = format!("dsi{}@{}", std::process::id(), CAEN.domain);
    let patch = serde_json::json!({"spec": {"contacts": {"dsi": contact}}}).to_string();
    kubectl(&[
        "patch",
        "collectivity",
        &caen.namespace(),
        "--type=merge",
        "-p",
        &patch,
    ])?;
    eventually("the operator to tell it", || {
        let shown = melouvert(&["collectivity", "show", CAEN.siren])?;
        ensure!(
            shown.contains("la base de données ne répond pas ; l'opérateur réessaie"),
            "{shown}"
        );
        Ok(())
    })?;
    drop(away);
    eventually("the platform API", || {
        melouvert(&["agent", "list", "--siren", CAEN.siren])
    })?;
    // Each space's Dovecot notices one by one, at the next query over each, that its connections
    // broke: it has five at most.
    for (space, name) in [(&caen, "jeanne.martin"), (&rouen, "paul.durand")] {
        let address = space.address(name);
        eventually(&address, || {
            (0..6).try_for_each(|_| space.mailbox(&address, PASSWORD).login())
        })?;
    }
    await_ready(CAEN)
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn the_operator_away_is_told_as_such() -> anyhow::Result<()> {
    two_spaces()?;
    let away = Away::send("melouvert-operator")?;
    let refused = melouvert_refuses(&["agent", "list", "--siren", CAEN.siren]);
    // What needs no operator still answers.
    let listed = melouvert(&["collectivity", "list", "-o", "name"]);
    drop(away);
    eventually("the operator", || {
        kubectl(&[
            "wait",
            "pod/melouvert-operator-0",
            "-n",
            SYSTEM,
            "--for=condition=Ready",
            "--timeout=60s",
        ])
    })?;
    let (code, said) = refused?;
    ensure!(
        code == 6 && said.contains("opérateur") && said.contains("que faire :"),
        "exit code {code}: {said}"
    );
    ensure!(listed?.contains(CAEN.siren), "the list needs the operator");
    Ok(())
}
