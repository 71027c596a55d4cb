//! The spaces and their certificates.

use jiff::Timestamp;
use melouvert_api::{
    Collectivity,
    collectivity::LifecycleSchema,
    condition::{READY, RECONCILING, STALLED, holds},
};

use super::{Check, Verdict};
use crate::{commands::cert::Standing, text::text};

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
        .filter(|o| of(o, STALLED) || (waiting.contains(o) && !of(o, RECONCILING)))
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
