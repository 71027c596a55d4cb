//! The reasons that the operator gives in conditions, in words for people.
//!
//! The operator writes its messages in English, as Kubernetes does. Each [`Reason`] has its own
//! words here, in both languages; what a message adds (fields, instants, a technical cause) is told
//! beside them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use melouvert_api::Reason;

use crate::text::{self, Lang, Text, text};

mod words;

use words::WORDS;

/// What a message adds to the words of its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Adds {
    /// Nothing: the words say it all.
    Nothing,
    /// An instant, which these words come before: French, then English.
    Instant(&'static str, &'static str),
    /// Fields with what is wrong in each.
    Fields,
    /// What was tried and a technical cause.
    Cause,
}

/// The words of a reason: French, English, what its message adds.
type Words = (Reason, &'static str, &'static str, Adds);

/// A condition in a few words.
pub fn brief(condition: &Condition) -> Text {
    match find(condition) {
        Some((_, fr, en, _)) => text!("{fr}", "{en}"),
        None => Text::verbatim(said(condition)),
    }
}

/// A condition with what the operator's own message adds.
pub fn full(condition: &Condition) -> Text {
    let Some((_, fr, en, adds)) = find(condition) else {
        return Text::verbatim(said(condition));
    };
    let message = condition.message.as_str();
    let add = |lang: Lang| match adds {
        Adds::Nothing => None,
        _ if message.is_empty() => None,
        Adds::Instant(before_fr, before_en) => {
            let at = instant(message)?;
            let (stop, before) = (lang.pick(" ;", ";"), lang.pick(before_fr, before_en));
            Some(format!("{stop} {before} {}", text::date(lang, at)))
        }
        Adds::Fields => Some(format!(
            " — {} {} — {} {message}",
            lang.pick("champ", "field"),
            fields(message),
            lang.pick("l'opérateur dit :", "the operator says:"),
        )),
        Adds::Cause => Some(format!(" — {} {message}", lang.pick("cause :", "cause:"))),
    };
    let in_lang = |words: &str, lang| format!("{words}{}", add(lang).unwrap_or_default());
    Text {
        fr: in_lang(fr, Lang::Fr),
        en: in_lang(en, Lang::En),
    }
}

/// What the first of `kinds` that holds says, in full.
pub fn first_of(conditions: &[Condition], kinds: &[&str]) -> Option<Text> {
    let holding = |kind: &&str| {
        conditions
            .iter()
            .find(|condition| condition.type_ == **kind && condition.status == "True")
    };
    kinds.iter().find_map(holding).map(full)
}

/// What an unknown reason's condition says: the operator may be newer than this program.
fn said(condition: &Condition) -> &str {
    if condition.message.is_empty() {
        &condition.reason
    } else {
        &condition.message
    }
}

/// The fields that a message such as `spec.plan: …; spec.region: …` names.
fn fields(message: &str) -> String {
    let named = message
        .split("; ")
        .filter_map(|part| part.split_once(": "))
        .map(|(field, _)| field)
        .filter(|field| field.starts_with("spec.") || field.starts_with("metadata."));
    named.collect::<Vec<_>>().join(", ")
}

/// The first RFC 3339 instant of a message.
fn instant(message: &str) -> Option<jiff::Timestamp> {
    message
        .split([' ', ';', ','])
        .find_map(|word| word.parse().ok())
}

fn find(condition: &Condition) -> Option<Words> {
    let reason = Reason::parse(&condition.reason)?;
    WORDS.iter().copied().find(|(known, ..)| *known == reason)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};

    use super::*;

    fn condition(reason: &str, message: &str) -> Condition {
        Condition {
            type_: "Ready".into(),
            status: "False".into(),
            reason: reason.into(),
            message: message.into(),
            observed_generation: None,
            last_transition_time: Time(Timestamp::UNIX_EPOCH),
        }
    }

    #[test]
    fn every_reason_of_the_operator_has_its_words_in_both_languages() {
        let mut told = BTreeSet::new();
        for reason in Reason::ALL {
            let text = brief(&condition(reason.as_str(), "the operator's message"));
            for words in [&text.fr, &text.en] {
                assert!(told.insert(words.clone()), "{words} is said twice");
                assert!(
                    !words.contains(reason.as_str()),
                    "{words} is no word for people"
                );
                assert!(
                    !words.contains("the operator's message"),
                    "{reason:?} has no words"
                );
            }
        }
        assert_eq!(WORDS.len(), Reason::ALL.len());
    }

    #[test]
    fn an_unknown_reason_keeps_its_message() {
        let newer = condition("Other", "the pod is not ready");
        assert_eq!(brief(&newer), Text::verbatim("the pod is not ready"));
        assert_eq!(full(&condition("Other", "")), Text::verbatim("Other"));
    }

    #[test]
    fn fields_are_named_in_french() {
        let message = "spec.plan: plan \"x\" does not exist; create it or name another; \
                       spec.domains[1]: a.example is listed twice; remove one";
        let text = full(&condition("PlanNotFound", message));
        assert!(
            text.fr.starts_with("l'offre n'existe pas : créez-la ou nommez-en une autre — champ spec.plan, spec.domains[1] — "),
            "{text:?}"
        );
        assert!(
            text.en.contains("— field spec.plan, spec.domains[1] —"),
            "{text:?}"
        );
    }

    #[test]
    fn instants_are_dates_of_the_reader() {
        let message = "no window is open; the next opens at 2026-11-27T19:00:00Z";
        let text = full(&condition("Waiting", message));
        assert_eq!(
            text.fr,
            "aucune plage horaire n'est ouverte ; prochaine : 27/11/2026 à 19:00 UTC"
        );
        assert_eq!(
            text.en,
            "no window is open; the next opens at 2026-11-27 19:00 UTC"
        );
        let never = full(&condition("Waiting", "no window is open"));
        assert_eq!(never.fr, "aucune plage horaire n'est ouverte");
    }

    #[test]
    fn a_cause_is_told_after_the_words() {
        let text = full(&condition("DatabaseUnreachable", "connection refused"));
        assert!(
            text.fr
                .ends_with("l'opérateur réessaie — cause : connection refused"),
            "{text:?}"
        );
        assert_eq!(
            full(&condition("PodNotReady", "the pod starts")).fr,
            "les serveurs de messagerie démarrent"
        );
    }
}
