//! What a space's login may still do to others in the region's database.

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client};
use serde::Deserialize;

use super::{Check, Verdict, operator::ask};
use crate::{
    errors::{CliError, Kind},
    text::{Text, text},
};

#[derive(Debug, Deserialize)]
struct Told {
    embedded: bool,
    weaknesses: Vec<Weakness>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "weakness", rename_all = "camelCase")]
enum Weakness {
    Connect {
        databases: Vec<String>,
    },
    Settings,
    Exposed {
        spaces: usize,
    },
    #[serde(other)]
    Unknown,
}

/// Whether a space's login can do nothing to the others.
pub(super) async fn bounds(pods: &Api<Pod>) -> Check {
    let subject = text!(
        "Cloisonnement dans la base",
        "Isolation inside the database"
    );
    match ask(pods, "/database").await {
        Ok((200, body)) => match serde_json::from_str(&body) {
            Ok(told) => judge(subject, &told),
            Err(error) => Check::new(subject, Verdict::Failed, Text::verbatim(error.to_string())),
        },
        Ok((_, body)) => Check::new(subject, Verdict::Failed, Text::verbatim(body.trim())),
        Err(error) => Check::error(subject, error),
    }
}

fn judge(subject: Text, told: &Told) -> Check {
    let mut seen: Vec<Text> = told.weaknesses.iter().map(words).collect();
    if !told.embedded {
        seen.push(text!(
            "la mémoire d'une session n'est pas vérifiable sur un serveur externe (ulimit -d ou LimitDATA)",
            "a session's memory cannot be verified on an external server (ulimit -d or LimitDATA)"
        ));
    }
    if seen.is_empty() {
        let good = text!(
            "l'accès d'un espace ne peut rien contre les autres",
            "a space's login can do nothing to the others"
        );
        return Check::new(subject, Verdict::Ok, good);
    }
    let join = |pick: fn(&Text) -> &str| seen.iter().map(pick).collect::<Vec<_>>().join(" ; ");
    let (fr, en) = (join(|text| &text.fr), join(|text| &text.en));
    let verdict = if told.weaknesses.is_empty() {
        Verdict::Unverifiable
    } else {
        Verdict::Attention
    };
    Check::new(subject, verdict, text!("{fr}", "{en}")).remedy(text!(
        "faites exécuter par l'administrateur du serveur : melouvert doctor --database-script",
        "have the server's administrator run: melouvert doctor --database-script"
    ))
}

fn words(weakness: &Weakness) -> Text {
    match weakness {
        Weakness::Connect { databases } => {
            let databases = databases.join(", ");
            text!(
                "tous peuvent se connecter à {databases}",
                "everybody may connect to {databases}"
            )
        }
        Weakness::Settings => text!(
            "fichiers temporaires et lignes de journal sans borne",
            "temporary files and log lines without a bound"
        ),
        Weakness::Exposed { spaces } => text!(
            "verrous, gros objets et noms des autres espaces ouverts à l'accès de {spaces} espace(s)",
            "locks, large objects and the other spaces' names open to the login of {spaces} space(s)"
        ),
        Weakness::Unknown => text!(
            "une faiblesse que cette version de melouvert ne connaît pas",
            "a weakness that this version of melouvert does not know"
        ),
    }
}

/// What the administrator of an external server runs.
pub(super) async fn script(client: &Client, namespace: &str) -> Result<String, CliError> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    match ask(&pods, "/database/script").await? {
        (200, script) => Ok(script),
        (_, why) => {
            let why = why.trim();
            Err(CliError::new(
                Kind::Unavailable,
                text!(
                    "l'opérateur ne joint pas la base : {why}",
                    "the operator does not reach the database: {why}"
                ),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(json: &str) -> Verdict {
        judge(
            text!("Base", "Database"),
            &serde_json::from_str(json).unwrap(),
        )
        .verdict
    }

    #[test]
    fn what_the_operator_tells_is_judged() {
        assert_eq!(verdict(r#"{"embedded":true,"weaknesses":[]}"#), Verdict::Ok);
        let external = r#"{"embedded":false,"weaknesses":[]}"#;
        assert_eq!(verdict(external), Verdict::Unverifiable);
        for weakness in [
            r#"{"weakness":"connect","databases":["postgres"]}"#,
            r#"{"weakness":"settings"}"#,
            r#"{"weakness":"exposed","spaces":3}"#,
            r#"{"weakness":"somethingNew"}"#,
        ] {
            let told = format!(r#"{{"embedded":true,"weaknesses":[{weakness}]}}"#);
            assert_eq!(verdict(&told), Verdict::Attention, "{weakness}");
        }
    }
}
