//! The reasons that the operator gives in conditions, in words for people.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::text::Text;

/// French words for each reason; the operator's own messages are in English.
const FRENCH: [(&str, &str); 34] = [
    ("AccountsMissing", "le Secret des comptes manque"),
    (
        "ApiServerRefused",
        "le serveur Kubernetes a refusé une demande de l'opérateur",
    ),
    (
        "ApplyRefused",
        "le serveur Kubernetes a refusé un objet de l'espace",
    ),
    ("DatabaseRefused", "la base de données a refusé une demande"),
    ("DatabaseUnreachable", "la base de données ne répond pas"),
    (
        "DeletionTooEarly",
        "suppression demandée avant la fin du préavis : les données sont gardées",
    ),
    (
        "DeliveryRefused",
        "le serveur refuse encore le message d'essai",
    ),
    (
        "DomainTaken",
        "un domaine est déjà pris par un autre espace",
    ),
    ("Erasing", "effacement des données en cours"),
    (
        "GreetingNotSeen",
        "le serveur IMAP ne répond pas encore avec le certificat attendu",
    ),
    ("InvalidPlan", "l'offre est mal définie"),
    ("InvalidSpec", "un champ est incorrect"),
    ("KeysNotMade", "clés et certificats en préparation"),
    (
        "NotATenant",
        "cet espace de noms n'est pas celui d'une collectivité",
    ),
    (
        "ObjectLeaving",
        "un ancien objet est en cours de suppression",
    ),
    ("PlanNotFound", "l'offre n'existe pas"),
    ("PodNotReady", "les serveurs de messagerie démarrent"),
    ("Chasing", "l'ancien serveur change encore"),
    ("Complete", "tout est copié : voyez la preuve"),
    (
        "CutOver",
        "basculée : l'espace fait référence, tout y est prouvé",
    ),
    ("Failed", "aucun compte n'a pu être copié : voyez la preuve"),
    ("Partial", "terminée avec des absents : voyez la preuve"),
    ("Paused", "en pause sur demande"),
    ("ProofNotSigned", "la preuve n'a pas pu être signée"),
    ("RollbackExpired", "le délai de retour en arrière est passé"),
    (
        "RolledBack",
        "l'ancien serveur fait de nouveau référence ; rien n'est effacé dans l'espace",
    ),
    ("Running", "copie des boîtes en cours"),
    ("Waiting", "aucune plage horaire n'est ouverte"),
    ("RegionNotFound", "la région n'existe pas"),
    ("Serving", "les serveurs répondent et acceptent le courrier"),
    ("StorageShrinks", "le volume ne peut pas rétrécir"),
    ("TenantNotReady", "l'espace n'est pas encore prêt"),
    ("TenantSuspended", "l'espace est suspendu"),
    ("TenantTerminating", "la fin de l'espace est demandée"),
];

/// A condition in a few words.
pub fn brief(condition: &Condition) -> Text {
    let en = said(condition);
    let fr = find(&condition.reason).map_or_else(|| en.clone(), str::to_owned);
    Text { fr, en }
}

/// A condition with the operator's own message, which names fields and values.
pub fn full(condition: &Condition) -> Text {
    let en = said(condition);
    let fr = match find(&condition.reason) {
        Some(words) if !condition.message.is_empty() => format!("{words} ({})", condition.message),
        Some(words) => words.to_owned(),
        None => en.clone(),
    };
    Text { fr, en }
}

fn said(condition: &Condition) -> String {
    if condition.message.is_empty() {
        condition.reason.clone()
    } else {
        condition.message.clone()
    }
}

fn find(reason: &str) -> Option<&'static str> {
    FRENCH
        .iter()
        .find(|(known, _)| *known == reason)
        .map(|(_, words)| *words)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};

    use super::*;

    #[test]
    fn an_unknown_reason_keeps_its_message() {
        let mut condition = Condition {
            type_: "Ready".into(),
            status: "False".into(),
            reason: "PodNotReady".into(),
            message: "the pod is not ready".into(),
            observed_generation: None,
            last_transition_time: Time(Timestamp::UNIX_EPOCH),
        };
        assert_eq!(brief(&condition).fr, "les serveurs de messagerie démarrent");
        assert!(full(&condition).fr.ends_with("(the pod is not ready)"));
        condition.reason = "Other".into();
        assert_eq!(brief(&condition).fr, "the pod is not ready");
    }
}
