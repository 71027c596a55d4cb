//! One collectivity in words: its state, endpoints, DNS records and certificates.

use std::fmt::Write;

use melouvert_api::{
    Collectivity, CollectivityStatus,
    collectivity::LifecycleSchema,
    condition::{READY, RECONCILING, STALLED, holds},
};

use crate::{
    printer::table,
    reasons,
    text::{self, Lang},
};

/// The state in one word or two.
pub fn state(object: &Collectivity, lang: Lang) -> &'static str {
    let conditions = object
        .status
        .as_ref()
        .map_or(&[][..], |status| &status.conditions);
    match object.spec.lifecycle {
        // What is refused of a space that serves is told below; it is open all the same.
        _ if holds(conditions, STALLED) && !holds(conditions, READY) => {
            lang.pick("bloquée", "stalled")
        }
        LifecycleSchema::Terminating => lang.pick("en fin", "terminating"),
        LifecycleSchema::Suspended => lang.pick("suspendue", "suspended"),
        LifecycleSchema::Active if holds(conditions, READY) => lang.pick("ouverte", "ready"),
        LifecycleSchema::Active if holds(conditions, RECONCILING) => {
            lang.pick("en cours", "in progress")
        }
        LifecycleSchema::Active => lang.pick("pas prête", "not ready"),
    }
}

/// Everything that its people need.
pub fn sheet(object: &Collectivity, lang: Lang) -> String {
    let spec = &object.spec;
    let mut out = format!(
        "{} (SIREN {}) : {}",
        spec.legal_name,
        spec.siren,
        state(object, lang)
    );
    if lang == Lang::En {
        out = out.replace(" : ", ": ");
    }
    let mut lines = vec![
        (lang.pick("Offre", "Plan"), spec.plan.clone()),
        (lang.pick("Région", "Region"), spec.region.clone()),
        (lang.pick("Domaines", "Domains"), spec.domains.join(", ")),
        (
            lang.pick("Habitants", "Inhabitants"),
            spec.population.to_string(),
        ),
    ];
    if let Some(status) = &object.status {
        facts(status, lang, &mut lines);
    }
    let width = lines
        .iter()
        .map(|(name, _)| name.chars().count())
        .max()
        .unwrap_or(0);
    for (name, value) in lines {
        let _ = write!(out, "\n  {name:width$}  {value}");
    }
    if let Some(status) = &object.status {
        out.push_str(&messages(status, lang));
        out.push_str(&records(status, lang));
        out.push_str(&certificates(status, lang));
    }
    out
}

fn facts(status: &CollectivityStatus, lang: Lang, lines: &mut Vec<(&'static str, String)>) {
    if let Some(quota) = &status.quota {
        lines.push((
            lang.pick("Droits", "Allowance"),
            lang.pick(
                format!(
                    "{} agents, {} de courrier, {} par boîte",
                    quota.agents, quota.storage, quota.mailbox_quota
                ),
                format!(
                    "{} agents, {} of mail, {} a mailbox",
                    quota.agents, quota.storage, quota.mailbox_quota
                ),
            ),
        ));
    }
    if let Some(endpoints) = &status.endpoints {
        lines.push(("IMAPS", endpoints.imaps.clone()));
        lines.push((
            lang.pick("Envoi", "Submission"),
            endpoints.submissions.clone(),
        ));
        lines.push(("ManageSieve", endpoints.sieve.clone()));
    }
    if let Some(termination) = &status.termination {
        lines.push((
            lang.pick("Effacement", "Erasure"),
            instant(&termination.erasure_after, lang),
        ));
    }
}

/// An RFC 3339 instant for people; as it is when it cannot be read.
pub fn instant(text: &str, lang: Lang) -> String {
    text.parse()
        .map_or_else(|_| text.to_owned(), |at| text::date(lang, at))
}

/// What hinders, else what goes on; nothing when all is well.
fn messages(status: &CollectivityStatus, lang: Lang) -> String {
    reasons::first_of(&status.conditions, &[STALLED, RECONCILING])
        .map(|text| format!("\n  → {}", text.in_lang(lang)))
        .unwrap_or_default()
}

fn records(status: &CollectivityStatus, lang: Lang) -> String {
    if status.dns_records.is_empty() {
        return String::new();
    }
    let title = lang.pick("Enregistrements DNS à publier", "DNS records to publish");
    let titles = vec![
        lang.pick("NOM", "NAME"),
        "TYPE",
        lang.pick("VALEUR", "VALUE"),
    ];
    let rows = status.dns_records.iter().map(|record| {
        vec![
            record.name.clone(),
            record.kind.clone(),
            record.value.clone(),
        ]
    });
    format!("\n\n{title}\n{}", table(titles, rows))
}

fn certificates(status: &CollectivityStatus, lang: Lang) -> String {
    if status.certificates.is_empty() {
        return String::new();
    }
    let title = lang.pick("Certificats", "Certificates");
    let titles = vec![
        lang.pick("NOM", "NAME"),
        lang.pick("EXPIRE", "EXPIRES"),
        lang.pick("RENOUVELÉ", "RENEWED"),
    ];
    let rows = status.certificates.iter().map(|c| {
        vec![
            c.name.clone(),
            instant(&c.not_after, lang),
            instant(&c.renewal_at, lang),
        ]
    });
    format!("\n\n{title}\n{}", table(titles, rows))
}
