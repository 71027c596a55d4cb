//! The mail volumes: those that are full, growths that the storage has not made, and bytes in use.

use melouvert_api::{
    Collectivity, Reason,
    condition::{READY, RECONCILING, STALLED},
    wire::Quota,
};

use super::{Check, Verdict};
use crate::{
    commands::agent::size,
    errors::{CliError, Kind},
    globals::Context,
    platform::PlatformClient,
    text::{Text, text},
};

/// Spaces whose use is asked for: each answer takes its mail server some work.
const ASKED: usize = 50;
/// From this use on somebody should look.
const NEARLY_FULL: u64 = 90;

/// Looks at all volumes.
pub async fn checks(context: &Context, all: &[Collectivity]) -> Vec<Check> {
    let mut checks = vec![pending(all)];
    let serving: Vec<&Collectivity> = all
        .iter()
        .filter(|o| has(o, READY, Reason::Serving))
        .collect();
    let subject = text!("Volumes", "Volumes");
    let full = named(all, |o| has(o, READY, Reason::VolumeFull));
    if !full.is_empty() {
        checks.push(
            Check::new(subject, Verdict::Failed, text!("pleins : {full}", "full: {full}")).remedy(text!(
                "agrandissez-les (spec.overrides.storage) ou faites de la place ; le courrier attend chez l'expéditeur",
                "make them larger (spec.overrides.storage) or make room; mail waits at its sender"
            )),
        );
        return checks;
    }
    checks.push(match used(context, &serving).await {
        Ok(quotas) => fill(subject, &quotas, serving.len()),
        Err(error) => Check::error(subject, error),
    });
    checks
}

async fn used(
    context: &Context,
    serving: &[&Collectivity],
) -> Result<Vec<(String, Quota)>, CliError> {
    if serving.is_empty() {
        return Ok(Vec::new());
    }
    let mut platform = PlatformClient::connect(context).await?;
    let mut quotas = Vec::new();
    for object in serving.iter().take(ASKED) {
        let siren = &object.spec.siren;
        let doing = text!("lire l'occupation de {siren}", "read the use of {siren}");
        match platform
            .get(&format!("/v1/tenants/{siren}/quota"), &doing)
            .await
        {
            Ok(quota) => quotas.push((siren.clone(), quota)),
            // It may just have stopped to serve: its own line says so.
            Err(error) if matches!(error.kind, Kind::Conflict | Kind::NotFound) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(quotas)
}

fn fill(subject: Text, quotas: &[(String, Quota)], serving: usize) -> Check {
    let known = || {
        quotas
            .iter()
            .filter_map(|(siren, q)| Some((siren, q.used_bytes?, q.storage_bytes)))
    };
    let unknown = serving - known().count();
    let total = size(known().map(|(_, used, _)| used).sum());
    let held = size(known().map(|(_, _, held)| held).sum());
    let near: Vec<String> = known()
        .filter(|(_, used, held)| used.saturating_mul(100) >= held.saturating_mul(NEARLY_FULL))
        .map(|(siren, used, held)| format!("{siren} ({} / {})", size(used), size(held)))
        .collect();
    if !near.is_empty() {
        let near = near.join(", ");
        return Check::new(
            subject,
            Verdict::Attention,
            text!("presque pleins : {near}", "nearly full: {near}"),
        )
        .remedy(text!(
            "agrandissez-les : spec.overrides.storage",
            "make them larger: spec.overrides.storage"
        ));
    }
    Check::new(
        subject,
        Verdict::Ok,
        text!(
            "{total} occupés sur {held} ; {unknown} espace(s) non mesuré(s)",
            "{total} used of {held}; {unknown} space(s) not measured"
        ),
    )
}

/// Growths that were asked for and are not made.
fn pending(all: &[Collectivity]) -> Check {
    let subject = text!("Agrandissements", "Growths");
    let reason = Reason::StorageNotGrown;
    let refused = named(all, |o| has(o, STALLED, reason));
    let waiting = named(all, |o| {
        has(o, RECONCILING, reason) && !has(o, STALLED, reason)
    });
    let remedy = text!(
        "voyez la StorageClass (allowVolumeExpansion) et les événements de la réclamation mail-data, ou redemandez la taille actuelle",
        "see the StorageClass (allowVolumeExpansion) and the events of the claim mail-data, or ask for the present size again"
    );
    match (refused.is_empty(), waiting.is_empty()) {
        (false, _) => Check::new(
            subject,
            Verdict::Failed,
            text!(
                "refusés par le stockage : {refused}",
                "refused by the storage: {refused}"
            ),
        )
        .remedy(remedy),
        (true, false) => Check::new(
            subject,
            Verdict::Attention,
            text!(
                "demandés, pas encore faits : {waiting}",
                "asked for, not made yet: {waiting}"
            ),
        )
        .remedy(remedy),
        (true, true) => Check::new(
            subject,
            Verdict::Ok,
            text!("aucun en attente", "none is waiting"),
        ),
    }
}

fn named(all: &[Collectivity], which: impl Fn(&Collectivity) -> bool) -> String {
    let names = all
        .iter()
        .filter(|o| which(o))
        .map(|o| o.spec.siren.as_str());
    names.collect::<Vec<_>>().join(", ")
}

fn has(object: &Collectivity, kind: &str, reason: Reason) -> bool {
    object.status.as_ref().is_some_and(|status| {
        let mut told = status.conditions.iter();
        told.any(|c| c.type_ == kind && c.reason == reason.as_str())
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn quota(used: Option<u64>, held: u64) -> Quota {
        serde_json::from_value(
            json!({"agentsLimit": 1, "agents": 1, "storageBytes": held, "allocatedBytes": 1,
            "usedBytes": used, "mailboxes": []}),
        )
        .unwrap()
    }

    #[test]
    fn a_volume_nearly_full_is_named_and_an_unknown_one_counted() {
        let subject = || text!("Volumes", "Volumes");
        let quotas = [
            ("1".to_owned(), quota(Some(50 << 20), 100 << 20)),
            ("2".to_owned(), quota(None, 1 << 30)),
        ];
        let check = fill(subject(), &quotas, 3);
        assert_eq!(check.verdict, Verdict::Ok);
        assert!(
            check.seen.en.ends_with("2 space(s) not measured"),
            "{:?}",
            check.seen
        );
        let quotas = [("1".to_owned(), quota(Some(95 << 20), 100 << 20))];
        let check = fill(subject(), &quotas, 1);
        assert_eq!(check.verdict, Verdict::Attention);
        assert!(
            check.seen.en.contains("nearly full: 1 ("),
            "{:?}",
            check.seen
        );
    }
}
