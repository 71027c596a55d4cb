//! Waits for a migration by a watch.

use std::time::Duration;

use futures::{StreamExt, pin_mut};
use kube::{
    Api,
    runtime::{WatchStreamExt, watcher},
};
use melouvert_api::{
    Migration,
    condition::{STALLED, holds},
};

use super::lines;
use crate::{
    errors::{CliError, Kind},
    globals::Context,
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
    let Some(status) = migration
        .status
        .as_ref()
        .filter(|status| status.observed_generation >= migration.metadata.generation)
    else {
        return Ok(Some(text!("prise en charge…", "being taken up…")));
    };
    if holds(&status.conditions, STALLED) && status.phase.as_deref().is_none_or(|p| p == "Pending")
    {
        let why = status.conditions.iter().find(|c| c.type_ == STALLED);
        let why = why.map(|c| c.message.clone()).unwrap_or_default();
        return Err(CliError::new(
            Kind::Conflict,
            text!(
                "la migration est bloquée : {why}",
                "the migration is stalled: {why}"
            ),
        ));
    }
    Ok(match status.phase.as_deref() {
        Some("Complete" | "Partial" | "Failed") => None,
        _ => Some(lines::progress(status)),
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
            let why = status
                .conditions
                .iter()
                .find(|c| c.status != "True" || c.type_ == STALLED);
            let why = why.map(|c| c.message.clone()).unwrap_or_default();
            Err(CliError::failure(text!(
                "migration {name} en échec : {why}",
                "migration {name} failed: {why}"
            ))
            .remedy(see))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
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
