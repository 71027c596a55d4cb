//! What an engineer does on a working day: one change hurts one space at most, and what is wrong is said.

use anyhow::{Context, ensure};
use melouvert_e2e::{
    PASSWORD, await_ready, eventually, field, kubectl, melouvert, melouvert_refuses, platform,
    two_spaces,
};
use serde_json::Value;
use xtask::{
    platform::SYSTEM,
    space::{CAEN, Example, ROUEN, Space},
};

/// Puts something back, also after a failure.
struct Undone<'a>(Vec<&'a str>);

impl Drop for Undone<'_> {
    #[expect(clippy::print_stderr, reason = "nobody else hears of it")]
    fn drop(&mut self) {
        if let Err(error) = kubectl(&self.0) {
            eprintln!("{error:#}");
        }
    }
}

/// Status and reason of one condition.
fn told(of: Example, condition: &str) -> anyhow::Result<String> {
    let name = format!("col-{}", of.siren);
    let one = |what| format!(r#"{{.status.conditions[?(@.type=="{condition}")].{what}}}"#);
    let path = format!("{}{}{}", one("status"), "{\" \"}", one("reason"));
    field("collectivity", "", &name, &path)
}

fn tells(of: Example, condition: &str, expected: &str) -> anyhow::Result<()> {
    eventually(&format!("{} to tell {expected}", of.name), || {
        let now = told(of, condition)?;
        ensure!(now == expected, "{condition} is {now:?}");
        Ok(())
    })
}

fn logs_in(of: Example, agent: &str) -> anyhow::Result<()> {
    let space = Space::attach(platform(), of)?;
    space.mailbox(&space.address(agent), PASSWORD).login()
}

/// The marks that say whose a space is are the operator's: the door lets nobody else write them.
const OPERATOR: &str = "--as=system:serviceaccount:melouvert-system:melouvert-operator";

fn patch(kind: &str, name: &str, patch: &str) -> anyhow::Result<String> {
    kubectl(&["patch", kind, name, "--type=merge", "-p", patch])
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn an_offer_that_shrinks_leaves_its_spaces_kept() -> anyhow::Result<()> {
    two_spaces()?;
    tells(CAEN, "Stalled", "False Serving").context("control: nothing is refused before")?;
    let plan = field("collectivity", "", "col-211401187", "{.spec.plan}")?;
    let size = field("plan", "", &plan, "{.spec.storage}")?;
    let back = format!(r#"{{"spec":{{"storage":"{size}"}}}}"#);
    let undone = Undone(vec!["patch", "plan", &plan, "--type=merge", "-p", &back]);
    patch("plan", &plan, r#"{"spec":{"storage":"1Mi"}}"#)?;
    tells(CAEN, "Stalled", "True StorageShrinks")?;
    tells(CAEN, "Ready", "True Serving")?;
    let uid = || {
        field(
            "networkpolicy",
            "col-211401187",
            "default-deny",
            "{.metadata.uid}",
        )
    };
    let before = uid()?;
    kubectl(&[
        "delete",
        "networkpolicy",
        "default-deny",
        "-n",
        "col-211401187",
    ])?;
    eventually("the border to come back", || {
        ensure!(uid()? != before, "not yet");
        Ok(())
    })?;
    logs_in(CAEN, "jeanne.martin").context("control: the space is open")?;
    let said = melouvert(&["collectivity", "suspend", CAEN.siren])?;
    let closed = eventually("logins to be refused", || {
        ensure!(logs_in(CAEN, "jeanne.martin").is_err(), "let in");
        Ok(())
    });
    melouvert(&["collectivity", "resume", CAEN.siren])?;
    closed.context(said)?;
    drop(undone);
    tells(CAEN, "Stalled", "False Serving")
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn a_mistyped_image_stops_at_one_space_and_is_told() -> anyhow::Result<()> {
    two_spaces()?;
    let good = field("region", "", "normandie", "{.spec.images.exim}")?;
    let back = format!(r#"{{"spec":{{"images":{{"exim":"{good}"}}}}}}"#);
    let undone = Undone(vec![
        "patch",
        "region",
        "normandie",
        "--type=merge",
        "-p",
        &back,
    ]);
    let typo = r#"{"spec":{"images":{"exim":"localhost/melouvert/exim:typo"}}}"#;
    patch("region", "normandie", typo)?;
    eventually("one space to try it", || {
        let reasons = reasons()?;
        ensure!(reasons.contains("ImageNotPulled"), "{reasons}");
        Ok(())
    })?;
    // The last by name of those that every test opens is not the one that tries.
    tells(ROUEN, "Reconciling", "True RolloutWaits")?;
    tells(ROUEN, "Ready", "True Serving")?;
    let reasons = reasons()?;
    ensure!(reasons.matches("ImageNotPulled").count() == 1, "{reasons}");
    logs_in(ROUEN, "paul.durand")?;
    let doctor = melouvert_e2e::outcome(platform().melouvert().arg("doctor"))?;
    ensure!(
        !doctor.status.success(),
        "doctor is content: {}",
        melouvert_e2e::text(&doctor)
    );
    drop(undone);
    await_ready(CAEN)?;
    tells(ROUEN, "Reconciling", "False Serving")?;
    eventually("Caen's logins", || logs_in(CAEN, "jeanne.martin"))
}

/// Why each space is ready or not.
fn reasons() -> anyhow::Result<String> {
    let path = r#"jsonpath={.items[*].status.conditions[?(@.type=="Ready")].reason}"#;
    kubectl(&["get", "collectivities", "-o", path])
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn what_spaces_rest_on_cannot_be_deleted() -> anyhow::Result<()> {
    two_spaces()?;
    let plan = field("collectivity", "", "col-211401187", "{.spec.plan}")?;
    for (kind, name) in [("region", "normandie"), ("plan", plan.as_str())] {
        let refused = kubectl(&["delete", kind, name, "--wait=false"]);
        let said = format!("{:#}", refused.err().context("it was deleted")?);
        ensure!(said.contains("is in use"), "{said}");
    }
    let free = r#"{"apiVersion":"melouvert.fr/v1alpha1","kind":"Plan","metadata":{"name":"libre"},
        "spec":{"populationFrom":0,"agents":1,"storage":"1Gi","mailboxQuota":"1Gi",
        "resources":{"cpu":"1","memory":"1Gi"}}}"#;
    super::fields::send(&["create"], &serde_json::from_str::<Value>(free)?)?;
    kubectl(&["delete", "plan", "libre"])
        .map(drop)
        .context("control: a plan that nothing rests on")
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn an_orphaned_space_is_taken_over_by_name_and_written_down() -> anyhow::Result<()> {
    two_spaces()?;
    let name = "col-211401187";
    let uid = field("namespace", "", name, "{.metadata.uid}")?;
    // What a restored object finds: the namespace of an object that is gone.
    let mark = "melouvert.fr/collectivity-uid=6b1f2f0e-0000-4000-8000-00000000dead";
    kubectl(&["annotate", "namespace", name, mark, "--overwrite", OPERATOR])?;
    tells(CAEN, "Stalled", "True NamespaceTaken")?;
    let (_, said) = melouvert_refuses(&["collectivity", "adopt", CAEN.siren])?;
    ensure!(said.contains(&uid), "the way is not told: {said}");
    tells(CAEN, "Stalled", "True NamespaceTaken").context("control: nothing was taken over")?;
    melouvert(&["collectivity", "adopt", CAEN.siren, "--namespace-uid", &uid])?;
    await_ready(CAEN)?;
    logs_in(CAEN, "jeanne.martin")?;
    let journal = melouvert(&["journal", "show", "--siren", CAEN.siren, "-o", "json"])?;
    ensure!(journal.contains("space.adopted"), "not written down");
    Ok(())
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn a_space_of_another_installation_is_left_alone() -> anyhow::Result<()> {
    two_spaces()?;
    let name = format!("col-{}", ROUEN.siren);
    let own = format!("melouvert.fr/installation={SYSTEM}");
    let undone = Undone(vec![
        "annotate",
        "namespace",
        &name,
        &own,
        "--overwrite",
        OPERATOR,
    ]);
    let other = "melouvert.fr/installation=ailleurs";
    kubectl(&[
        "annotate",
        "namespace",
        &name,
        other,
        "--overwrite",
        OPERATOR,
    ])?;
    tells(ROUEN, "Contested", "True NamespaceTaken")?;
    tells(ROUEN, "Ready", "True Serving")?;
    let marked = field(
        "namespace",
        "",
        &name,
        r"{.metadata.annotations.melouvert\.fr/installation}",
    )?;
    ensure!(marked == "ailleurs", "taken over: {marked}");
    logs_in(ROUEN, "paul.durand")?;
    drop(undone);
    tells(ROUEN, "Contested", " ")
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn a_changed_base_domain_reaches_the_relays() -> anyhow::Result<()> {
    two_spaces()?;
    let old = field("region", "", "normandie", "{.spec.baseDomain}")?;
    let back = format!(r#"{{"spec":{{"baseDomain":"{old}"}}}}"#);
    let undone = Undone(vec![
        "patch",
        "region",
        "normandie",
        "--type=merge",
        "-p",
        &back,
    ]);
    let started = || field("pod", SYSTEM, "melouvert-relay-in-0", "{.metadata.uid}");
    let before = started()?;
    patch(
        "region",
        "normandie",
        r#"{"spec":{"baseDomain":"bretagne.example"}}"#,
    )?;
    let follows = |domain: &str, before: &str| {
        eventually(&format!("the relay to follow {domain}"), || {
            let records = field(
                "collectivity",
                "",
                "col-211401187",
                "{.status.dnsRecords[*].value}",
            )?;
            ensure!(records.contains(&format!("mx.{domain}")), "{records}");
            let config = field("configmap", SYSTEM, "melouvert-relay-in", "{.data}")?;
            ensure!(config.contains(domain), "the configuration is another's");
            ensure!(started()? != before, "not restarted");
            Ok(())
        })
    };
    follows("bretagne.example", &before)?;
    let before = started()?;
    drop(undone);
    follows(&old, &before)?;
    kubectl(&[
        "rollout",
        "status",
        "statefulset/melouvert-relay-in",
        "-n",
        SYSTEM,
        "--timeout=60s",
    ])?;
    await_ready(CAEN)
}
