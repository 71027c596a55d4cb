//! The spaces and their certificates.

use jiff::Timestamp;
use melouvert_api::{
    Collectivity, Reason,
    collectivity::LifecycleSchema,
    condition::{CONTESTED, READY, RECONCILING, STALLED, holds},
};

use super::{Check, Verdict};
use crate::{
    commands::cert::Standing,
    reasons,
    text::{Text, text},
};

/// Whether every active space serves.
pub fn spaces(all: &[Collectivity]) -> Check {
    let subject = text!("Espaces", "Spaces");
    let total = all.len();
    let of = |object: &Collectivity, kind| {
        object
            .status
            .as_ref()
            .is_some_and(|status| holds(&status.conditions, kind))
    };
    let name =
        |object: &&Collectivity| format!("{} ({})", object.spec.legal_name, object.spec.siren);
    let waiting: Vec<_> = all
        .iter()
        .filter(|o| o.spec.lifecycle == LifecycleSchema::Active && !of(o, READY))
        .collect();
    let broken: Vec<_> = all
        .iter()
        .filter(|o| {
            !of(o, READY) && of(o, STALLED) && !of(o, RECONCILING)
                || (waiting.contains(o) && (!of(o, RECONCILING) || is_stuck(o)))
        })
        .collect();
    if !broken.is_empty() {
        let names = broken.iter().map(name).collect::<Vec<_>>().join(", ");
        return Check::new(
            subject,
            Verdict::Failed,
            text!("ne fonctionnent pas : {names}", "do not work: {names}"),
        )
        .remedy(text!(
            "melouvert collectivity show SIREN dit pourquoi",
            "melouvert collectivity show SIREN tells why"
        ));
    }
    if !waiting.is_empty() {
        let names = waiting.iter().map(name).collect::<Vec<_>>().join(", ");
        return Check::new(
            subject,
            Verdict::Attention,
            text!("en préparation : {names}", "in preparation: {names}"),
        );
    }
    Check::new(
        subject,
        Verdict::Ok,
        text!(
            "{total} espace(s), tous en ordre",
            "{total} space(s), all in order"
        ),
    )
}

/// Reasons that do not pass by themselves, though the operator keeps looking.
const STUCK: [Reason; 6] = [
    Reason::PodForbidden,
    Reason::PodUnschedulable,
    Reason::ImageNotPulled,
    Reason::PodCrashes,
    Reason::PodStuck,
    Reason::VolumeFull,
];

fn is_stuck(object: &Collectivity) -> bool {
    let conditions = object.status.iter().flat_map(|status| &status.conditions);
    conditions
        .filter(|c| c.type_ == READY)
        .any(|c| STUCK.iter().any(|reason| reason.as_str() == c.reason))
}

/// What serves, but is not as it was asked: refused changes, changes tried elsewhere first, and
/// spaces that two installations want.
pub fn apart(all: &[Collectivity]) -> Option<Check> {
    let told = |kind: &'static str, object: &Collectivity| {
        let conditions = &object.status.as_ref()?.conditions;
        holds(conditions, READY).then_some(())?;
        let text = reasons::first_of(conditions, &[kind])?;
        let siren = &object.spec.siren;
        Some(Text {
            fr: format!("{siren} : {}", text.fr),
            en: format!("{siren}: {}", text.en),
        })
    };
    let of = |kind| {
        all.iter()
            .filter_map(|object| told(kind, object))
            .collect::<Vec<_>>()
    };
    let subject = text!("Changements non appliqués", "Changes not applied");
    for (kind, verdict) in [
        (CONTESTED, Verdict::Failed),
        (STALLED, Verdict::Failed),
        (RECONCILING, Verdict::Attention),
    ] {
        let lines = of(kind);
        if lines.is_empty() {
            continue;
        }
        let join = |pick: fn(&Text) -> &String| {
            lines
                .iter()
                .map(|t| pick(t).as_str())
                .collect::<Vec<_>>()
                .join("\n")
        };
        let seen = Text {
            fr: join(|text| &text.fr),
            en: join(|text| &text.en),
        };
        return Some(Check::new(subject, verdict, seen).remedy(text!(
            "l'espace garde ce qu'il avait ; melouvert collectivity show SIREN dit tout",
            "the space keeps what it had; melouvert collectivity show SIREN tells all"
        )));
    }
    None
}

/// Whether every certificate is valid and renewed in time.
pub fn certificates(all: &[Collectivity], now: Timestamp) -> Check {
    let subject = text!("Certificats", "Certificates");
    let standings: Vec<(String, Standing)> = all
        .iter()
        .flat_map(|object| {
            object
                .status
                .iter()
                .flat_map(|status| &status.certificates)
                .map(|certificate| {
                    let name = format!("{}/{}", object.spec.siren, certificate.name);
                    (name, Standing::of(certificate, now))
                })
        })
        .collect();
    let total = standings.len();
    for (standing, verdict) in [
        (Standing::Invalid, Verdict::Failed),
        (Standing::Late, Verdict::Attention),
    ] {
        let names: Vec<_> = standings
            .iter()
            .filter(|s| s.1 == standing)
            .map(|s| s.0.as_str())
            .collect();
        if names.is_empty() {
            continue;
        }
        let names = names.join(", ");
        let seen = match standing {
            Standing::Invalid => text!("non valides : {names}", "not valid: {names}"),
            _ => text!(
                "renouvellement en retard : {names}",
                "renewal overdue: {names}"
            ),
        };
        return Check::new(subject, verdict, seen).remedy(text!(
            "l'opérateur renouvelle seul : voyez pourquoi il ne le fait pas dans ses journaux",
            "the operator renews by itself: see in its logs why it does not"
        ));
    }
    Check::new(
        subject,
        Verdict::Ok,
        text!(
            "{total} certificat(s) valide(s)",
            "{total} valid certificate(s)"
        ),
    )
}
