//! What only the operator can see to be wrong: it refuses it in a condition, which the command line
//! tells in French.

use anyhow::ensure;
use melouvert_e2e::{eventually, field, kubectl, melouvert, two_spaces};
use serde_json::{Value, json};
use xtask::space::CAEN;

use super::fields::{LISIEUX, collectivity, migration, send};

/// Removes an object that nothing was made for, also after a failure.
struct Removed<'a>(&'a [&'a str]);

impl Drop for Removed<'_> {
    #[expect(clippy::print_stderr, reason = "nobody else hears of it")]
    fn drop(&mut self) {
        let delete = ["delete", "--ignore-not-found", "--timeout=60s"];
        if let Err(error) = kubectl(&[&delete[..], self.0].concat()) {
            eprintln!("{error:#}");
        }
    }
}

/// Applies a Collectivity and returns what the command line says of it, once the operator has told
/// `reason`.
fn told(spec: &Value, reason: &str) -> anyhow::Result<String> {
    send(
        &["apply", "--server-side", "--force-conflicts"],
        &collectivity(spec),
    )?;
    eventually(reason, || {
        let path = r#"{.status.conditions[?(@.type=="Stalled")].reason}"#;
        let now = field("collectivity", "", &format!("col-{LISIEUX}"), path)?;
        ensure!(now == reason, "{now:?}");
        Ok(())
    })?;
    melouvert(&["collectivity", "show", LISIEUX])
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn what_only_the_operator_sees_is_told_in_french() -> anyhow::Result<()> {
    two_spaces()?;
    let name = format!("collectivity/col-{LISIEUX}");
    let only = [name.as_str()];
    let removed = Removed(&only);
    // Caen's domain, and nothing of what is referred to exists: every fault at once.
    let wrong = json!({"domains": [CAEN.domain], "region": "inconnue", "plan": "inconnu"});
    let said = told(&wrong, "DomainTaken")?;
    for words in [
        "un domaine est déjà pris par un autre espace",
        "spec.domains[0], spec.region, spec.plan",
    ] {
        ensure!(said.contains(words), "{words} is not said: {said}");
    }
    // By whom is told to the hoster alone, in the operator's own namespace.
    for holder in [CAEN.siren, CAEN.name] {
        ensure!(!said.contains(holder), "the holder is named: {said}");
    }
    let told_to_hoster = ["get", "events", "-n", "melouvert-system", "-o"];
    eventually("the hoster to be told", || {
        let events = kubectl(&[&told_to_hoster[..], &["jsonpath={.items[*].message}"]].concat())?;
        ensure!(
            events.contains("caen.example is held by col-211401187 (Caen)"),
            "{events}"
        );
        Ok(())
    })?;

    let said = told(
        &json!({"region": "inconnue", "plan": "inconnu"}),
        "RegionNotFound",
    )?;
    ensure!(said.contains("la région n'existe pas : créez-la"), "{said}");
    drop(removed);

    let removed = Removed(&only);
    let said = told(&json!({"plan": "inconnu"}), "PlanNotFound")?;
    ensure!(
        said.contains("l'offre n'existe pas : créez-la ou nommez-en une autre — champ spec.plan"),
        "{said}"
    );
    drop(removed);
    ensure!(
        kubectl(&["get", "namespace", &format!("col-{LISIEUX}")]).is_err(),
        "a refused space was opened"
    );
    Ok(())
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn a_migration_that_the_operator_refuses_says_why_in_french() -> anyhow::Result<()> {
    two_spaces()?;
    let removed = Removed(&["migration/essai", "-n", "col-211401187"]);
    let wave = |windows: &str| {
        json!({"source": {"host": "-rf", "port": 993, "cidrs": ["203.0.113.7/32"]},
            "waves": [{"name": "a", "accountsSecret": "migration-essai-absents-accounts", "windows": [windows]}]})
    };
    for (windows, reason, words) in [
        (
            "Fri 25:00-Mon 06:00 Europe/Paris",
            "InvalidSpec",
            &[
                "un champ est incorrect",
                "spec.source.host, spec.waves[a].windows",
            ][..],
        ),
        (
            "Fri 20:00-Mon 06:00 Europe/Paris",
            "InvalidSpec",
            &["spec.source.host"],
        ),
    ] {
        refused_migration(&wave(windows), reason, words)?;
    }
    let secret =
        json!({"waves": [{"name": "a", "accountsSecret": "migration-essai-absents-accounts"}]});
    let words = [
        "la liste des comptes manque",
        "spec.waves[a].accountsSecret",
    ];
    refused_migration(&secret, "AccountsMissing", &words)?;
    drop(removed);
    Ok(())
}

fn refused_migration(spec: &Value, reason: &str, words: &[&str]) -> anyhow::Result<()> {
    send(
        &["apply", "--server-side", "--force-conflicts"],
        &migration(spec),
    )?;
    let said = eventually(reason, || {
        let said = melouvert(&["migrate", "status", CAEN.siren, "essai"])?;
        for word in words {
            ensure!(said.contains(word), "{word} is not said: {said}");
        }
        Ok(said)
    })?;
    let path = r#"{.status.conditions[?(@.type=="Stalled")].reason}"#;
    let now = field("migration", "col-211401187", "essai", path)?;
    ensure!(now == reason, "{now:?}: {said}");
    Ok(())
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn a_migration_belongs_into_a_collectivitys_namespace() -> anyhow::Result<()> {
    two_spaces()?;
    let removed = Removed(&["migration/essai", "-n", "default"]);
    let mut stray = migration(&json!({}));
    stray["metadata"]["namespace"] = json!("default");
    send(&["apply"], &stray)?;
    eventually("the refusal", || {
        let path = r#"{.status.conditions[?(@.type=="Stalled")].message}"#;
        let said = field("migration", "default", "essai", path)?;
        ensure!(said.contains("metadata.namespace"), "{said:?}");
        Ok(())
    })?;
    drop(removed);
    Ok(())
}
