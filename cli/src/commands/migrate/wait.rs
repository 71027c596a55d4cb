//! Waits for a migration by a watch.

use std::time::Duration;

use futures::{StreamExt, pin_mut};
use kube::{
    Api,
    runtime::{WatchStreamExt, watcher},
};
use melouvert_api::{Migration, condition::STALLED};

use super::watch::Watch;
use crate::{
    errors::{CliError, Kind},
    globals::Context,
    reasons,
    text::{Text, text},
};

/// Watches until what is asked for ends, of the whole or of one wave; returns the migration as then
/// seen.
pub async fn finished(
    context: &Context,
    api: &Api<Migration>,
    (name, wave): (&str, Option<&str>),
    timeout: Duration,
) -> Result<Migration, CliError> {
    let mut progress = Watch::start(context);
    let watching = async {
        let objects = watcher::watch_object(api.clone(), name).default_backoff();
        pin_mut!(objects);
        while let Some(seen) = objects.next().await {
            match seen {
                Ok(Some(migration)) => match judge(&migration, wave)? {
                    Sight::Over => return Ok(migration),
                    Sight::NotTaken => progress.say(&text!("prise en charge…", "being taken up…")),
                    Sight::UnderWay => progress.show(&migration),
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
                    progress.say(&text!(
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

/// What a look at a migration tells.
#[derive(Debug, PartialEq, Eq)]
enum Sight {
    /// The operator has not seen the present spec.
    NotTaken,
    /// It goes on.
    UnderWay,
    /// Nothing happens any more until somebody changes the spec.
    Over,
}

/// Phases in which nothing happens any more.
const OVER: [&str; 6] = [
    "Complete",
    "Partial",
    "Failed",
    "Chasing",
    "CutOver",
    "RolledBack",
];

fn judge(migration: &Migration, wave: Option<&str>) -> Result<Sight, CliError> {
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
        return Ok(Sight::NotTaken);
    }
    let whole = status.phase.as_deref();
    let of_wave = |wave| {
        let found = status.waves.iter().find(|one| one.name == wave);
        found.map(|one| one.phase.as_str())
    };
    let phase = wave.map_or(whole, of_wave);
    Ok(if phase.is_some_and(|phase| OVER.contains(&phase)) {
        Sight::Over
    } else {
        Sight::UnderWay
    })
}

/// How an ended run ends the command.
pub fn outcome(migration: &Migration, siren: &str) -> Result<(), CliError> {
    let status = migration.status.clone().unwrap_or_default();
    let name = migration.metadata.name.clone().unwrap_or_default();
    let see = text!(
        "melouvert migrate proof {siren} {name} nomme chaque absent et que faire, puis : melouvert migrate retry {siren} {name}",
        "melouvert migrate proof {siren} {name} names what is absent and what to do; then: melouvert migrate retry {siren} {name}"
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
        Some("Chasing") => Err(CliError::new(
            Kind::Partial,
            text!(
                "migration {name} : l'ancien serveur change encore, la bascule n'est pas prouvée",
                "migration {name}: the old server still changes, the cut-over is not proven"
            ),
        )
        .remedy(text!(
            "arrêtez-y les livraisons et les accès, puis : melouvert migrate cutover {siren} {name} --source-frozen",
            "stop deliveries and access there, then: melouvert migrate cutover {siren} {name} --source-frozen"
        ))),
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
    use melouvert_api::{
        Reason,
        condition::{Verdict, merge},
    };

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
            reason: Reason::AccountsMissing,
            message: "spec.accountsSecret: x".into(),
        };
        let conditions = merge(&[], vec![verdict], Some(2), jiff::Timestamp::UNIX_EPOCH);
        refused.status.as_mut().unwrap().conditions = conditions;
        let error = judge(&refused, None).unwrap_err();
        assert_eq!(error.kind, Kind::Conflict);
        assert!(
            error.message.fr.contains("spec.accountsSecret"),
            "{error:?}"
        );
    }

    #[test]
    fn only_the_present_run_ends_the_wait() {
        let sight = |observed, phase| judge(&migration(observed, phase), None).unwrap();
        assert_eq!(sight(1, "Complete"), Sight::NotTaken);
        assert_eq!(sight(2, "Running"), Sight::UnderWay);
        assert_eq!(sight(2, "Waiting"), Sight::UnderWay);
        assert_eq!(sight(2, "Complete"), Sight::Over);
        assert_eq!(sight(2, "CutOver"), Sight::Over);
    }

    #[test]
    fn one_wave_may_be_waited_for() {
        let mut seen = migration(2, "Waiting");
        let wave = |name: &str, phase: &str| melouvert_api::migration::WaveStatus {
            name: name.into(),
            phase: phase.into(),
            ..Default::default()
        };
        seen.status.as_mut().unwrap().waves = vec![wave("a", "CutOver"), wave("b", "Waiting")];
        assert_eq!(judge(&seen, Some("a")).unwrap(), Sight::Over);
        assert_eq!(judge(&seen, Some("b")).unwrap(), Sight::UnderWay);
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
