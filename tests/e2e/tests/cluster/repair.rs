//! What is deleted comes back; what dies in the middle goes on.

use anyhow::ensure;
use melouvert_e2e::{PASSWORD, await_ready, eventually, field, kubectl, platform, two_spaces};
use xtask::space::{ARROMANCHES, CAEN, Space};

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

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn postgresql_restarted_leaves_nothing_broken() -> anyhow::Result<()> {
    let (caen, _) = two_spaces()?;
    kubectl(&[
        "delete",
        "pod",
        "melouvert-postgresql-0",
        "-n",
        "melouvert-system",
    ])?;
    eventually("PostgreSQL", || {
        kubectl(&[
            "wait",
            "pod/melouvert-postgresql-0",
            "-n",
            "melouvert-system",
            "--for=condition=Ready",
            "--timeout=30s",
        ])
    })?;
    let jeanne = caen.address("jeanne.martin");
    eventually("logins in Caen", || caen.mailbox(&jeanne, PASSWORD).login())?;
    eventually("the platform API", || {
        melouvert_e2e::melouvert(&["agent", "list", "--siren", CAEN.siren])
    })?;
    await_ready(CAEN)
}
