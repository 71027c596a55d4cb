//! The release goes; the spaces and what protects them stay.

use anyhow::{Context, ensure};
use melouvert_e2e::{await_ready, deliver, eventually, kubectl, platform, two_spaces};
use xtask::{
    platform::SYSTEM,
    shell,
    space::{CAEN, ROUEN},
};

/// Installs the platform again, also after a failure: other tests need it.
struct Reinstalled;

impl Drop for Reinstalled {
    #[expect(clippy::print_stderr, reason = "nobody else hears of it")]
    fn drop(&mut self) {
        if let Err(error) = platform().helm(&[]) {
            eprintln!("{error:#}");
        }
    }
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn spaces_live_on_without_the_release() -> anyhow::Result<()> {
    let (caen, rouen) = two_spaces()?;
    let (jeanne, paul) = (caen.address("jeanne.martin"), rouen.address("paul.durand"));
    let again = Reinstalled;
    shell::output(platform().tool("helm").args([
        "uninstall",
        "melouvert",
        "-n",
        SYSTEM,
        "--wait",
    ]))?;
    // The control: it did go.
    eventually("the operator to go", || {
        let pod = ["get", "pod", "melouvert-operator-0", "-n", SYSTEM];
        ensure!(kubectl(&pod).is_err(), "still there");
        Ok(())
    })?;
    let clusterrole = kubectl(&["get", "clusterrole", "melouvert-hoster"]);
    ensure!(clusterrole.is_err(), "the rights of people are still there");

    deliver((&caen, &jeanne), (&rouen, &paul), "Sans opérateur")?;
    for (kind, policy) in [
        ("collectivity", "melouvert-collectivity-deletion"),
        ("namespace", "melouvert-tenant-data"),
    ] {
        let name = caen.namespace();
        let said = kubectl(&["delete", kind, &name, "--wait=false"])
            .err()
            .with_context(|| format!("{kind} {name} was deleted"))?;
        ensure!(said.to_string().contains(policy), "{said}");
    }
    let kept = kubectl(&["get", "regions,plans", "-o", "name"])?;
    ensure!(
        kept.contains("normandie") && kept.contains("metropole"),
        "{kept}"
    );

    drop(again);
    for of in [CAEN, ROUEN] {
        await_ready(of)?;
    }
    eventually("the platform API", || {
        melouvert_e2e::melouvert(&["agent", "list", "--siren", CAEN.siren])
    })?;
    Ok(())
}
