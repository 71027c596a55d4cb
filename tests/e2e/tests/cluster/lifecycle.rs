//! Suspension, ending with its notice, asking back, erasure.

use anyhow::{Context, ensure};
use melouvert_e2e::{
    PASSWORD, await_ready, deliver, eventually, field, kubectl, melouvert, platform, psql,
    two_spaces,
};
use xtask::space::{CAEN, Example, Space};

/// Bayeux, 12,794 inhabitants: only this test opens and erases it.
const BAYEUX: Example = Example {
    siren: "211400478",
    name: "Bayeux",
    domain: "bayeux.example",
};

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn a_suspended_space_refuses_logins_and_keeps_mail() -> anyhow::Result<()> {
    let (caen, rouen) = two_spaces()?;
    let (jeanne, paul) = (caen.address("jeanne.martin"), rouen.address("paul.durand"));
    let before = caen.mailbox(&jeanne, PASSWORD).count("INBOX")?;
    melouvert(&["collectivity", "suspend", CAEN.siren])?;
    eventually("logins to be refused", || {
        let refused = caen
            .mailbox(&jeanne, PASSWORD)
            .login()
            .err()
            .context("still accepted")?;
        ensure!(
            refused.to_string().contains("denied"),
            "refused for another reason: {refused}"
        );
        Ok(())
    })?;
    await_ready(CAEN)?;
    let message =
        xtask::mailbox::message(&paul, &jeanne, "Pendant la suspension", "À lire plus tard.");
    rouen.mailbox(&paul, PASSWORD).send(&jeanne, &message)?;
    melouvert(&["collectivity", "resume", CAEN.siren])?;
    eventually("the mail that arrived meanwhile", || {
        let now = caen.mailbox(&jeanne, PASSWORD).count("INBOX")?;
        ensure!(now > before, "still {now}");
        Ok(())
    })?;
    await_ready(CAEN)
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn an_ended_space_is_asked_back_with_its_mail() -> anyhow::Result<()> {
    let (caen, rouen) = two_spaces()?;
    let (jeanne, paul) = (caen.address("jeanne.martin"), rouen.address("paul.durand"));
    deliver((&rouen, &paul), (&caen, &jeanne), "Avant la fin")?;
    let before = caen.mailbox(&jeanne, PASSWORD).count("INBOX")?;
    melouvert(&["collectivity", "delete", CAEN.siren, "--yes"])?;
    eventually("the pod to go", || {
        ensure!(
            kubectl(&["get", "pod", "mail-0", "-n", &caen.namespace()]).is_err(),
            "still there"
        );
        Ok(())
    })?;
    let date = eventually("the date", || {
        let date = field(
            "collectivity",
            "",
            &caen.namespace(),
            "{.status.termination.erasureAfter}",
        )?;
        ensure!(!date.is_empty(), "none yet");
        Ok(date)
    })?;
    field("pvc", &caen.namespace(), "mail-data", "{.metadata.uid}")?;
    let said = kubectl(&["delete", "collectivity", &caen.namespace()])
        .err()
        .context("it was deleted")?;
    ensure!(
        said.to_string().contains(&date),
        "the date {date} is not told: {said}"
    );
    let said = kubectl(&["delete", "namespace", &caen.namespace()])
        .err()
        .context("it was deleted")?;
    ensure!(said.to_string().contains("melouvert-tenant-data"), "{said}");
    melouvert(&["collectivity", "undelete", CAEN.siren])?;
    await_ready(CAEN)?;
    let now = eventually("logins", || caen.mailbox(&jeanne, PASSWORD).count("INBOX"))?;
    ensure!(now == before, "{before} messages before, {now} after");
    Ok(())
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn data_are_erased_after_the_notice_only() -> anyhow::Result<()> {
    let bayeux = Space::open(platform(), BAYEUX)?;
    let name = bayeux.namespace();
    melouvert(&["collectivity", "delete", BAYEUX.siren, "--yes"])?;
    eventually("the date", || {
        let date = field(
            "collectivity",
            "",
            &name,
            "{.status.termination.erasureAfter}",
        )?;
        ensure!(!date.is_empty(), "none yet");
        Ok(())
    })?;
    ensure!(
        kubectl(&["delete", "collectivity", &name]).is_err(),
        "deleted before the date"
    );
    // The notice is made to be over; only a holder of the status subresource can do that.
    kubectl(&[
        "patch",
        "collectivity",
        &name,
        "--subresource=status",
        "--type=merge",
        "-p",
        r#"{"status":{"termination":{"erasureAfter":"2026-01-01T00:00:00Z"}}}"#,
    ])?;
    kubectl(&["annotate", "collectivity", &name, "melouvert.fr/poke=1"])?;
    kubectl(&[
        "wait",
        &format!("collectivity/{name}"),
        "--for=condition=ErasureDue",
        "--timeout=60s",
    ])?;
    melouvert(&[
        "collectivity",
        "delete",
        BAYEUX.siren,
        "--erase",
        "--confirm",
        BAYEUX.siren,
    ])?;
    eventually("everything to be gone", || {
        ensure!(
            kubectl(&["get", "collectivity", &name]).is_err(),
            "the object is there"
        );
        ensure!(
            kubectl(&["get", "namespace", &name]).is_err(),
            "the namespace is there"
        );
        Ok(())
    })?;
    let databases = psql("postgres", "SELECT datname FROM pg_database")?;
    ensure!(databases.contains("col_211401187"), "control: {databases}");
    ensure!(
        !databases.contains(&format!("col_{}", BAYEUX.siren)),
        "{databases}"
    );
    Ok(())
}
