//! Waits for a collectivity by a watch, never by asking again and again.

use std::time::Duration;

use futures::{StreamExt, pin_mut};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    Api,
    runtime::{WatchStreamExt, watcher},
};
use melouvert_api::{
    Collectivity,
    condition::{READY, RECONCILING, STALLED},
};

use crate::{
    errors::{CliError, Kind},
    globals::Context,
    kube::explain,
    reasons,
    text::{Text, text},
};

/// What one sight of the object means for the one who waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// What was awaited is there.
    Done,
    /// Not yet; where it stands.
    Going(Text),
    /// It will not come by itself; why.
    Stuck(Text),
}

/// Where a collectivity stands on its way to serve its present spec.
pub fn serving(object: Option<&Collectivity>) -> Sight {
    let Some(object) = object else {
        return Sight::Stuck(text!(
            "la collectivité a été effacée",
            "the collectivity was erased"
        ));
    };
    let conditions = current(object);
    let find = |kind| conditions.iter().find(|c| c.type_ == kind);
    // What is refused of a space that serves is kept as it was, and told apart: see `apart`.
    if find(READY).is_some_and(|ready| ready.status == "True") {
        return Sight::Done;
    }
    // The same while the rest of the change is still under way.
    let going = find(RECONCILING).is_some_and(|going| going.status == "True");
    if let Some(stalled) = find(STALLED).filter(|c| c.status == "True" && !going) {
        return Sight::Stuck(reasons::full(stalled));
    }
    match (find(READY), find(RECONCILING)) {
        (_, Some(going)) | (Some(going), None) => Sight::Going(reasons::brief(going)),
        (None, None) => Sight::Going(text!("prise en charge…", "being taken up…")),
    }
}

/// What is kept as it was in a space that serves, and why.
pub fn apart(object: Option<&Collectivity>) -> Option<Text> {
    let conditions = &object?.status.as_ref()?.conditions;
    let holds = |kind| {
        conditions
            .iter()
            .any(|c| c.type_ == kind && c.status == "True")
    };
    holds(READY).then(|| reasons::first_of(conditions, &[STALLED]))?
}

/// Whether the operator is done with the present spec, serving or not.
pub fn settled(object: Option<&Collectivity>) -> Sight {
    match serving(object) {
        Sight::Going(text) => {
            let conditions = object.map(current).unwrap_or_default();
            let busy = conditions.is_empty()
                || conditions
                    .iter()
                    .any(|c| c.type_ == RECONCILING && c.status == "True");
            if busy {
                Sight::Going(text)
            } else {
                Sight::Done
            }
        }
        other => other,
    }
}

/// Whether the end of the space is dated.
pub fn dated(object: Option<&Collectivity>) -> Sight {
    match object.map(|object| object.status.as_ref().and_then(|s| s.termination.as_ref())) {
        Some(None) => Sight::Going(text!(
            "enregistrement de la date d'effacement…",
            "recording the erasure date…"
        )),
        Some(Some(_)) | None => Sight::Done,
    }
}

/// Whether the object is gone.
pub fn gone(object: Option<&Collectivity>) -> Sight {
    match object {
        None => Sight::Done,
        Some(_) => Sight::Going(text!("effacement des données…", "erasing the data…")),
    }
}

/// The conditions that describe the present spec.
fn current(object: &Collectivity) -> Vec<&Condition> {
    object
        .status
        .iter()
        .flat_map(|status| &status.conditions)
        .filter(|condition| condition.observed_generation >= object.metadata.generation)
        .collect()
}

/// Watches until `judge` says done; returns the object as then seen (`None` when it is gone).
pub async fn until(
    context: &Context,
    api: &Api<Collectivity>,
    name: &str,
    timeout: Duration,
    judge: fn(Option<&Collectivity>) -> Sight,
) -> Result<Option<Collectivity>, CliError> {
    let mut progress = context.progress();
    let mut last = text!("aucune réponse du cluster", "no answer from the cluster");
    let watching = async {
        let objects = watcher::watch_object(api.clone(), name).default_backoff();
        pin_mut!(objects);
        while let Some(seen) = objects.next().await {
            let object = match seen {
                Ok(object) => object,
                Err(error) if is_final(&error) => return Err(unwatchable(&error, name)),
                Err(error) => {
                    let why = error.to_string();
                    progress.update(&text!(
                        "le cluster ne répond plus : {why}",
                        "the cluster stopped answering: {why}"
                    ));
                    continue;
                }
            };
            match judge(object.as_ref()) {
                Sight::Done => return Ok(object),
                Sight::Going(text) => {
                    progress.update(&text);
                    last = text;
                }
                Sight::Stuck(text) => return Err(stuck(name, &text)),
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
        Err(_) => Err(too_late(name, &last)),
    }
}

/// Refusals that waiting does not heal.
fn is_final(error: &watcher::Error) -> bool {
    use watcher::Error::{InitialListFailed, WatchError, WatchFailed, WatchStartFailed};
    match error {
        InitialListFailed(kube::Error::Api(status))
        | WatchStartFailed(kube::Error::Api(status))
        | WatchFailed(kube::Error::Api(status))
        | WatchError(status) => matches!(status.code, 401 | 403 | 404),
        _ => false,
    }
}

fn unwatchable(error: &watcher::Error, name: &str) -> CliError {
    use watcher::Error::{InitialListFailed, WatchFailed, WatchStartFailed};
    let doing = text!("suivre {name}", "watch {name}");
    match error {
        InitialListFailed(inner) | WatchStartFailed(inner) | WatchFailed(inner) => {
            explain(inner, &doing)
        }
        other => CliError::new(
            Kind::Refused,
            text!("impossible de suivre {name}", "failed to watch {name}"),
        )
        .caused_by(other),
    }
}

fn stuck(name: &str, why: &Text) -> CliError {
    let (fr, en) = (&why.fr, &why.en);
    CliError::new(
        Kind::Conflict,
        text!("{name} est bloquée : {fr}", "{name} is stalled: {en}"),
    )
    .remedy(text!(
        "corrigez ce qui est nommé ci-dessus ; l'opérateur reprend dès que l'objet change",
        "correct what is named above; the operator goes on as soon as the object changes"
    ))
}

fn too_late(name: &str, last: &Text) -> CliError {
    let (fr, en) = (&last.fr, &last.en);
    CliError::new(
        Kind::TimedOut,
        text!(
            "délai dépassé en attendant {name} ; dernier état : {fr}",
            "time-out while waiting for {name}; last seen: {en}"
        ),
    )
    .remedy(text!(
        "le travail continue dans le cluster : « melouvert collectivity show » dit où il en est",
        "the work goes on in the cluster: `melouvert collectivity show` tells where it stands"
    ))
}

#[cfg(test)]
mod tests {
    use melouvert_api::{
        Reason,
        condition::{Verdict, merge},
    };

    use super::*;

    fn seen(observed: i64, verdicts: &[(&'static str, bool)]) -> Collectivity {
        let mut object: Collectivity = serde_json::from_value(serde_json::json!({
            "apiVersion": "melouvert.fr/v1alpha1",
            "kind": "Collectivity",
            "metadata": { "name": "col-211401187", "generation": 2 },
            "spec": {
                "siren": "211401187", "legalName": "Caen", "kind": "Commune",
                "population": 109_400, "region": "normandie", "plan": "ville",
                "domains": ["caen.example"],
            },
        }))
        .unwrap();
        let verdicts = verdicts
            .iter()
            .map(|&(kind, holds)| Verdict {
                kind,
                holds,
                reason: Reason::PodNotReady,
                message: kind.into(),
            })
            .collect();
        object.status = Some(melouvert_api::CollectivityStatus {
            observed_generation: Some(observed),
            conditions: merge(&[], verdicts, Some(observed), jiff::Timestamp::UNIX_EPOCH),
            ..Default::default()
        });
        object
    }

    #[test]
    fn ready_counts_for_the_present_spec_alone() {
        assert_eq!(serving(Some(&seen(2, &[(READY, true)]))), Sight::Done);
        assert!(matches!(
            serving(Some(&seen(1, &[(READY, true)]))),
            Sight::Going(_)
        ));
    }

    #[test]
    fn stalled_ends_the_wait_with_its_message() {
        let object = seen(2, &[(READY, false), (STALLED, true)]);
        let Sight::Stuck(text) = serving(Some(&object)) else {
            panic!("{object:?}")
        };
        assert_eq!(text.en, "the mail servers are starting");
        assert!(matches!(serving(None), Sight::Stuck(_)));
    }

    #[test]
    fn what_is_refused_of_a_space_that_serves_is_told_apart() {
        let object = seen(2, &[(READY, true), (STALLED, true)]);
        assert_eq!(serving(Some(&object)), Sight::Done);
        assert_eq!(settled(Some(&object)), Sight::Done);
        // Its pod is being replaced for what was applied of the change.
        let rolling = seen(2, &[(READY, false), (RECONCILING, true), (STALLED, true)]);
        assert!(matches!(settled(Some(&rolling)), Sight::Going(_)));
        assert!(apart(Some(&object)).is_some());
        assert_eq!(
            apart(Some(&seen(2, &[(READY, true), (STALLED, false)]))),
            None
        );
        assert_eq!(
            apart(Some(&seen(2, &[(READY, false), (STALLED, true)]))),
            None
        );
    }

    #[test]
    fn a_suspended_space_settles_without_serving() {
        let object = seen(2, &[(READY, false), (RECONCILING, false)]);
        assert_eq!(settled(Some(&object)), Sight::Done);
        let busy = seen(2, &[(READY, false), (RECONCILING, true)]);
        assert!(matches!(settled(Some(&busy)), Sight::Going(_)));
    }
}
