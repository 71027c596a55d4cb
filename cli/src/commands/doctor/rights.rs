//! What the caller may do, as the API server says it.

use futures::future::try_join_all;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::{Api, Client, api::PostParams};
use melouvert_api::GROUP;

use super::{Check, Verdict};
use crate::{
    kube::explain,
    text::{Text, text},
};

/// What is asked, with its words.
const QUESTIONS: [(&str, &str, &str, &str); 9] = [
    (
        "create",
        "collectivities",
        "ouvrir des espaces",
        "open spaces",
    ),
    (
        "list",
        "collectivities",
        "lister les collectivités",
        "list collectivities",
    ),
    ("list", "agents", "lister les agents", "list agents"),
    ("create", "agents", "ajouter des agents", "add agents"),
    (
        "get",
        "mailboxes",
        "voir les quotas utilisés",
        "see the quotas in use",
    ),
    ("create", "migrations", "migrer", "migrate"),
    ("list", "journal", "lire les journaux", "read journals"),
    ("update", "accesses", "donner des rôles", "give roles"),
    (
        "update",
        "regions",
        "régler régions et offres",
        "set regions and plans",
    ),
];

/// Asks the server, for all namespaces.
pub async fn rights(client: &Client) -> Check {
    let subject = text!("Vos droits", "Your rights");
    let answers = try_join_all(QUESTIONS.iter().map(|q| allowed(client, q.0, q.1))).await;
    let answers = match answers {
        Ok(answers) => answers,
        Err(error) => {
            let doing = text!("demander vos droits", "ask for your rights");
            return Check::error(subject, explain(&error, &doing));
        }
    };
    let granted: Vec<_> = QUESTIONS
        .iter()
        .zip(answers)
        .filter(|(_, yes)| *yes)
        .map(|(q, _)| q)
        .collect();
    if granted.is_empty() {
        return Check::new(
            subject,
            Verdict::Attention,
            text!("aucun sur l'ensemble du cluster", "none cluster-wide"),
        )
        .remedy(text!(
            "un DSI n'a de droits que dans son espace ; sinon demandez un rôle à votre hébergeur",
            "a DSI has rights in its own space alone; otherwise ask your hoster for a role"
        ));
    }
    let join = |pick: fn(&(&str, &str, &'static str, &'static str)) -> &'static str| {
        granted
            .iter()
            .map(|q| pick(q))
            .collect::<Vec<_>>()
            .join(", ")
    };
    Check::new(
        subject,
        Verdict::Ok,
        Text {
            fr: join(|q| q.2),
            en: join(|q| q.3),
        },
    )
}

async fn allowed(client: &Client, verb: &str, resource: &str) -> kube::Result<bool> {
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                group: Some(GROUP.into()),
                resource: Some(resource.into()),
                verb: Some(verb.into()),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let api: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let answer = api.create(&PostParams::default(), &review).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}
