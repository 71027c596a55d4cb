//! Two operators: the one that loses its lease stops at once, the other goes on.

use anyhow::{Context, ensure};
use melouvert_e2e::{eventually, field, kubectl, process, two_spaces};
use xtask::platform::SYSTEM;

const FIRST: &str = "melouvert-operator-0";
const SECOND: &str = "melouvert-operator-1";

/// A process that stands still, until it is dropped.
struct Frozen(String);

impl Frozen {
    fn freeze(pid: String) -> anyhow::Result<Self> {
        process::signal("-STOP", &pid)?;
        Ok(Self(pid))
    }
}

impl Drop for Frozen {
    #[expect(clippy::print_stderr, reason = "nobody else hears of it")]
    fn drop(&mut self) {
        if let Err(error) = process::signal("-CONT", &self.0) {
            eprintln!("{error:#}");
        }
    }
}

/// The pod that leads.
fn holder() -> anyhow::Result<String> {
    let path = "{.spec.holderIdentity}";
    let identity = field("lease", SYSTEM, "melouvert-operator", path)?;
    let (pod, _) = identity.split_once('_').context("no UID in the identity")?;
    Ok(pod.to_owned())
}

fn await_holder(pod: &str) -> anyhow::Result<()> {
    eventually(&format!("{pod} to lead"), || {
        let now = holder()?;
        ensure!(now == pod, "{now} leads");
        Ok(())
    })
}

/// One operator again, also after a failure.
struct Alone;

impl Alone {
    fn scale(replicas: u8) -> anyhow::Result<()> {
        let count = format!("--replicas={replicas}");
        kubectl(&[
            "scale",
            "statefulset",
            "melouvert-operator",
            "-n",
            SYSTEM,
            &count,
        ])
        .map(drop)
    }
}

impl Drop for Alone {
    #[expect(clippy::print_stderr, reason = "nobody else hears of it")]
    fn drop(&mut self) {
        if let Err(error) = Self::scale(1) {
            eprintln!("{error:#}");
        }
    }
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn an_operator_that_loses_its_lease_stops_and_another_takes_over() -> anyhow::Result<()> {
    let (caen, _) = two_spaces()?;
    await_holder(FIRST)?;
    let restarts = || {
        field(
            "pod",
            SYSTEM,
            FIRST,
            "{.status.containerStatuses[0].restartCount}",
        )
    };
    let before = restarts()?;
    let alone = Alone;
    Alone::scale(2)?;
    eventually("the second operator", || {
        let phase = field("pod", SYSTEM, SECOND, "{.status.phase}")?;
        ensure!(phase == "Running", "{phase}");
        Ok(())
    })?;
    // The control: it waits for the lease, and is not asked by anybody.
    let ready = r#"{.status.conditions[?(@.type=="Ready")].status}"#;
    ensure!(
        field("pod", SYSTEM, SECOND, ready)? != "True",
        "two operators lead"
    );

    let frozen = Frozen::freeze(process::first(SYSTEM, FIRST, "melouvert-operator")?)?;
    kubectl(&["delete", "service", "mail", "-n", &caen.namespace()])?;
    await_holder(SECOND)?;
    eventually("the second operator to repair", || {
        kubectl(&["get", "service", "mail", "-n", &caen.namespace()])
    })?;
    drop(frozen);

    eventually("the first operator to stop", || {
        let now = restarts()?;
        ensure!(now != before, "still {now} restarts");
        Ok(())
    })?;
    let said = kubectl(&["logs", FIRST, "-n", SYSTEM, "--previous", "--tail=20"])?;
    // What is torn down with it may still tell that its connection is gone.
    let mut end = said.lines().rev().take(3);
    ensure!(
        end.any(|line| line.contains("the lease melouvert-operator was lost")),
        "{said}"
    );
    ensure!(holder()? == SECOND, "the first took the lease back");

    drop(alone);
    await_holder(FIRST)?;
    eventually("the operator", || {
        let pod = format!("pod/{FIRST}");
        kubectl(&[
            "wait",
            &pod,
            "-n",
            SYSTEM,
            "--for=condition=Ready",
            "--timeout=60s",
        ])
    })?;
    Ok(())
}
