//! What the operator wants somebody to look at, in words, with what to do.

use melouvert_api::alarm::{Alarm, AlarmKind, Alarms};

use super::{Check, Verdict};
use crate::text::{Text, text};

/// One check a kind: fine as long as nothing of it stands.
pub fn checks(standing: &Alarms) -> Vec<Check> {
    AlarmKind::ALL
        .iter()
        .filter_map(|kind| check(*kind, standing))
        .collect()
}

fn check(kind: AlarmKind, standing: &Alarms) -> Option<Check> {
    let these: Vec<&Alarm> = standing.alarms.iter().filter(|a| a.kind == kind).collect();
    let (subject, remedy) = words(kind);
    if these.is_empty() {
        let good = text!("aucune alerte", "no alarm");
        return (!kind.is_by_choice()).then(|| Check::new(subject, Verdict::Ok, good));
    }
    let verdict = if kind.is_by_choice() {
        Verdict::Attention
    } else {
        Verdict::Failed
    };
    let lines: Vec<_> = these
        .iter()
        .map(|alarm| format!("{} ({}) : {}", alarm.subject, alarm.since, alarm.detail))
        .collect();
    Some(Check::new(subject, verdict, Text::verbatim(lines.join("\n"))).remedy(remedy))
}

/// What is looked at, and what to do when it is wrong.
fn words(kind: AlarmKind) -> (Text, Text) {
    match kind {
        AlarmKind::UnreadableObject => (
            text!("Objets lus par l'opérateur", "Objects read by the operator"),
            text!(
                "l'objet a été écrit par une autre version : mettez l'opérateur à celle des définitions, ou corrigez-le avec kubectl ; d'ici là l'espace reste comme il est",
                "another version wrote the object: bring the operator to that of the definitions, or correct it with kubectl; until then the space stays as it is"
            ),
        ),
        AlarmKind::RouteWithoutObject => (
            text!("Espaces sans objet", "Spaces without object"),
            text!(
                "recréez la Collectivity depuis votre sauvegarde : son courrier arrive toujours, plus rien d'autre n'est tenu",
                "create the Collectivity again from your backup: its mail still arrives, nothing else is kept"
            ),
        ),
        AlarmKind::MailDeferred => (
            text!("Courrier entrant", "Incoming mail"),
            text!(
                "les expéditeurs renoncent au bout de quelques jours : voyez melouvert collectivity show, puis les journaux de melouvert-relay-in-0",
                "senders give up after some days: see melouvert collectivity show, then the logs of melouvert-relay-in-0"
            ),
        ),
        AlarmKind::RegionRootLost => (
            text!("Racine de la région", "Root of the region"),
            text!(
                "restaurez le Secret melouvert-region-ca depuis sa copie hors du cluster ; rien n'est refait à sa place (docs/hebergeur.md)",
                "restore Secret melouvert-region-ca from its copy outside the cluster; nothing is made in its place (docs/hebergeur.md)"
            ),
        ),
        AlarmKind::RegionRootOffline => (
            text!(
                "Racine de la région hors ligne",
                "Root of the region offline"
            ),
            text!(
                "c'est un choix : remettez la clé pour ouvrir un espace, changer un domaine ou renouveler les certificats de la plateforme",
                "it is a choice: put the key back to open a space, change a domain or renew the platform's certificates"
            ),
        ),
        AlarmKind::JournalBroken => (
            text!("Journaux", "Journals"),
            text!(
                "gardez la base telle quelle et prévenez le RSSI ; si elle vient d'une sauvegarde plus ancienne, docs/hebergeur.md dit comment l'accepter",
                "keep the database as it is and tell the security officer; if it comes from an older backup, docs/hebergeur.md tells how to accept it"
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standing_alarm_fails_by_name_and_a_choice_does_not() {
        let quiet = checks(&Alarms::default());
        assert_eq!(quiet.len(), AlarmKind::ALL.len() - 1);
        assert!(quiet.iter().all(|check| check.verdict == Verdict::Ok));
        let alarm = |kind, subject: &str| Alarm {
            kind,
            subject: subject.into(),
            since: "2026-11-24T00:00:00Z".into(),
            detail: "451".into(),
        };
        let standing = Alarms {
            alarms: vec![
                alarm(AlarmKind::MailDeferred, "caen.example"),
                alarm(AlarmKind::MailDeferred, "rouen.example"),
                alarm(AlarmKind::RegionRootOffline, "melouvert-region-ca"),
            ],
        };
        let checks = checks(&standing);
        let of = |verdict| checks.iter().filter(move |check| check.verdict == verdict);
        let failed: Vec<_> = of(Verdict::Failed).collect();
        assert_eq!(failed.len(), 1, "{checks:?}");
        assert!(failed[0].seen.fr.contains("caen.example") && failed[0].seen.fr.contains("rouen"));
        assert!(failed[0].remedy.is_some());
        assert_eq!(of(Verdict::Attention).count(), 1);
    }
}
