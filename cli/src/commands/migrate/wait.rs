//! Waits for a migration by a watch.

use std::time::Duration;

use futures::{StreamExt, pin_mut};
use kube::{
    Api,
    runtime::{WatchStreamExt, watcher},
};
use melouvert_api::{Migration, condition::STALLED};

use super::lines;
use crate::{
    errors::{CliError, Kind},
    globals::Context,
    reasons,
    text::{Text, text},
};

/// Watches until the run of the present spec ends; returns the migration as then seen.
pub async fn finished(
    context: &Context,
    api: &Api<Migration>,
    name: &str,
    timeout: Duration,
) -> Result<Migration, CliError> {
    let mut progress = context.progress();
    let watching = async {
        let objects = watcher::watch_object(api.clone(), name).default_backoff();
        pin_mut!(objects);
        while let Some(seen) = objects.next().await {
            match seen {
                Ok(Some(migration)) => match judge(&migration)? {
                    None => return Ok(migration),
                    Some(text) => progress.update(&text),
                },
                Ok(None) => {
                    return Err(CliError::new(
                        Kind::NotFound,
                        text!(
                            "la migration {name} n'existe plus",
                            "migration {name} no longer exists"
                        ),
                    ));
                }
                Err(error) => {
                    let why = error.to_string();
                    progress.update(&text!(
                        "le cluster ne répond plus : {why}",
                        "the cluster stopped answering: {why}"
                    ));
                }
            }
        }
        Err(CliError::new(
            Kind::Unavailable,
            text!(
                "la surveillance de {name} s'est arrêtée",
                "the watch of {name} ended"
            ),
        ))
    };
    match tokio::time::timeout(timeout, watching).await {
        Ok(outcome) => outcome,
        Err(_) => Err(CliError::new(
            Kind::TimedOut,
            text!(
                "délai dépassé en attendant la migration {name}",
                "time-out while waiting for migration {name}"
            ),
        )
        .remedy(text!(
            "elle continue dans le cluster : melouvert migrate status SIREN {name} --watch",
            "it goes on in the cluster: melouvert migrate status SIREN {name} --watch"
        ))),
    }
}

/// `None` when the run ended, else where it stands.
fn judge(migration: &Migration) -> Result<Option<Text>, CliError> {
    let generation = migration.metadata.generation;
    let status = migration.status.clone().unwrap_or_default();
    // The operator observes a refused spec in its conditions alone.
    let stalled = status.conditions.iter().find(|condition| {
        condition.type_ == STALLED
            && condition.status == "True"
            && condition.observed_generation >= generation
    });
    if let (Some(stalled), Some("Pending")) = (stalled, status.phase.as_deref()) {
        let Text { fr, en } = reasons::full(stalled);
        return Err(CliError::new(
            Kind::Conflict,
            text!(
                "la migration est refusée : {fr}",
                "the migration is refused: {en}"
            ),
        ));
    }
    if status.observed_generation < generation {
        return Ok(Some(text!("prise en charge…", "being taken up…")));
    }
    Ok(match status.phase.as_deref() {
        Some("Complete" | "Partial" | "Failed") => None,
        _ => Some(lines::progress(&status)),
    })
}

/// How an ended run ends the command.
pub fn outcome(migration: &Migration, siren: &str) -> Result<(), CliError> {
    let status = migration.status.clone().unwrap_or_default();
    let name = migration.metadata.name.clone().unwrap_or_default();
    let see = text!(
        "melouvert migrate proof {siren} {name} nomme chaque absent et que faire, puis relancez avec --again",
        "melouvert migrate proof {siren} {name} names what is absent and what to do; then run with --again"
    );
    match status.phase.as_deref() {
        Some("Partial") => {
            let absent = status.messages.unwrap_or_default().absent;
            let accounts = status.accounts.unwrap_or_default().incomplete;
            Err(CliError::new(
                Kind::Partial,
                text!(
                    "migration {name} incomplète : {accounts} compte(s) touché(s), {absent} message(s) absent(s)",
                    "migration {name} is incomplete: {accounts} account(s) affected, {absent} message(s) absent"
                ),
            )
            .remedy(see))
        }
        Some("Failed") => {
            let stalled = status.conditions.iter().find(|c| c.type_ == STALLED);
            let Text { fr, en } = stalled.map_or_else(|| Text::verbatim("?"), reasons::full);
            Err(CliError::failure(text!(
                "migration {name} en échec : {fr}",
                "migration {name} failed: {en}"
            )))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use melouvert_api::condition::{Verdict, merge};

    use super::*;

    fn migration(observed: i64, phase: &str) -> Migration {
        serde_json::from_value(serde_json::json!({
            "apiVersion": "melouvert.fr/v1alpha1", "kind": "Migration",
            "metadata": { "name": "m", "generation": 2 },
            "spec": {
                "source": { "host": "old.example", "port": 993, "cidrs": ["10.0.0.1/32"] },
                "accountsSecret": "m",
            },
            "status": { "observedGeneration": observed, "phase": phase },
        }))
        .unwrap()
    }

    #[test]
    fn a_refused_migration_ends_the_wait() {
        let mut refused = migration(1, "Pending");
        let verdict = Verdict {
            kind: STALLED,
            holds: true,
            reason: "AccountsMissing",
            message: "spec.accountsSecret: x".into(),
        };
        let conditions = merge(&[], vec![verdict], Some(2), jiff::Timestamp::UNIX_EPOCH);
        refused.status.as_mut().unwrap().conditions = conditions;
        let error = judge(&refused).unwrap_err();
        assert_eq!(error.kind, Kind::Conflict);
        assert!(
            error.message.fr.contains("spec.accountsSecret"),
            "{error:?}"
        );
    }

    #[test]
    fn only_the_present_run_ends_the_wait() {
        assert!(judge(&migration(1, "Complete")).unwrap().is_some());
        assert!(judge(&migration(2, "Running")).unwrap().is_some());
        assert!(judge(&migration(2, "Complete")).unwrap().is_none());
    }

    #[test]
    fn what_is_absent_is_an_error_of_its_own() {
        assert!(outcome(&migration(2, "Complete"), "1").is_ok());
        assert_eq!(
            outcome(&migration(2, "Partial"), "1").unwrap_err().kind,
            Kind::Partial
        );
        assert_eq!(
            outcome(&migration(2, "Failed"), "1").unwrap_err().kind,
            Kind::Failure
        );
    }
}
