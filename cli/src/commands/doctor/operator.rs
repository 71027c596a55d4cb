//! The operator's pod, and what it says of its database.

use http_body_util::{BodyExt, Empty};
use hyper::{Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client};

use super::{Check, Verdict, database::bounds};
use crate::{
    errors::{CliError, Kind, chain},
    kube::explain,
    text::{Text, de, text},
};

const POD: &str = "melouvert-operator-0";
const HEALTH_PORT: u16 = 8080;

/// Whether the operator runs and reaches its database.
pub async fn checks(client: &Client, namespace: &str) -> Vec<Check> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let mut running = pod(&pods, namespace).await;
    if running.verdict != Verdict::Failed {
        let mut checks = vec![running, database(&pods).await, bounds(&pods).await];
        checks.extend(alarms(&pods).await);
        return checks;
    }
    // Not ready does not mean silent: it says itself what it lacks.
    match ask(&pods, "/readyz").await {
        Ok((_, said)) if said.starts_with("database:") => {
            running.remedy = None;
            let mut checks = vec![running, unreached(&said)];
            checks.extend(alarms(&pods).await);
            checks
        }
        Ok((_, said)) => {
            let said = said.trim();
            running.seen.fr = format!("{} : {said}", running.seen.fr);
            running.seen.en = format!("{}: {said}", running.seen.en);
            vec![running]
        }
        Err(_) => vec![running],
    }
}

/// What the operator wants somebody to look at.
async fn alarms(pods: &Api<Pod>) -> Vec<Check> {
    let subject = text!("Alertes de l'opérateur", "Operator's alarms");
    match ask(pods, "/alarms").await {
        Ok((200, body)) => match serde_json::from_str(&body) {
            Ok(standing) => super::alarms::checks(&standing),
            Err(error) => {
                let why = error.to_string();
                vec![Check::new(
                    subject,
                    Verdict::Failed,
                    text!("réponse illisible : {why}", "unreadable answer: {why}"),
                )]
            }
        },
        // An operator from before there were any.
        Ok((404, _)) => Vec::new(),
        Ok((code, body)) => {
            let said = format!("{code} {}", body.trim());
            vec![Check::new(subject, Verdict::Failed, Text::verbatim(said))]
        }
        Err(error) => vec![Check::error(subject, error)],
    }
}

/// What the operator says of a database that it does not reach.
fn unreached(said: &str) -> Check {
    let said = said.trim().to_owned();
    Check::new(
        text!("Base de données", "Database"),
        Verdict::Failed,
        Text::verbatim(said),
    )
    .remedy(text!(
        "vérifiez le pod melouvert-postgresql-0, ou le serveur externe donné au chart",
        "check pod melouvert-postgresql-0, or the external server given to the chart"
    ))
}

async fn pod(pods: &Api<Pod>, namespace: &str) -> Check {
    let subject = text!("Opérateur", "Operator");
    let pod = match pods.get(POD).await {
        Ok(pod) => pod,
        Err(error) => {
            let doing = text!(
                "lire le pod {namespace}/{POD}",
                "read pod {namespace}/{POD}"
            );
            let mut told = explain(&error, &doing);
            if told.kind == Kind::NotFound {
                told = told.remedy(text!(
                    "installez le chart charts/melouvert, ou indiquez --system-namespace",
                    "install the chart charts/melouvert, or give --system-namespace"
                ));
            }
            return Check::error(subject, told);
        }
    };
    let status = pod.status.unwrap_or_default();
    let ready = status
        .conditions
        .iter()
        .flatten()
        .any(|c| c.type_ == "Ready" && c.status == "True");
    let restarts: i32 = status
        .container_statuses
        .iter()
        .flatten()
        .map(|c| c.restart_count)
        .sum();
    if ready {
        return Check::new(
            subject,
            Verdict::Ok,
            text!(
                "prêt, {restarts} redémarrage(s)",
                "ready, {restarts} restart(s)"
            ),
        );
    }
    let phase = status.phase.unwrap_or_default();
    Check::new(
        subject,
        Verdict::Failed,
        text!(
            "pas prêt ({phase}), {restarts} redémarrage(s)",
            "not ready ({phase}), {restarts} restart(s)"
        ),
    )
    .remedy(text!(
        "kubectl -n {namespace} logs {POD}",
        "kubectl -n {namespace} logs {POD}"
    ))
}

async fn database(pods: &Api<Pod>) -> Check {
    let subject = text!("Base de données", "Database");
    match ask(pods, "/readyz").await {
        Ok((200, _)) => Check::new(
            subject,
            Verdict::Ok,
            text!("jointe par l'opérateur", "reached by the operator"),
        ),
        Ok((_, body)) => unreached(&body),
        Err(error) => Check::error(subject, error),
    }
}

/// What the operator's health server answers under `path`, through the API server.
pub(super) async fn ask(pods: &Api<Pod>, path: &str) -> Result<(u16, String), CliError> {
    let doing = text!(
        "joindre l'opérateur par le serveur Kubernetes",
        "reach the operator through the Kubernetes server"
    );
    let mut forward = pods
        .portforward(POD, &[HEALTH_PORT])
        .await
        .map_err(|error| explain(&error, &doing))?;
    let (fr, en) = (de(&doing.fr), &doing.en);
    let broken = |error: &dyn std::error::Error| {
        let why = chain(error);
        CliError::new(
            Kind::Unavailable,
            text!("impossible {fr} : {why}", "failed to {en}: {why}"),
        )
    };
    let stream = forward
        .take_stream(HEALTH_PORT)
        .ok_or_else(|| broken(&std::io::Error::other("no stream")))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| broken(&error))?;
    let driver = tokio::spawn(connection);
    let request = Request::get(path)
        .header("host", "melouvert-operator")
        .body(Empty::<Bytes>::new())
        .map_err(|error| broken(&error))?;
    let answer = sender
        .send_request(request)
        .await
        .map_err(|error| broken(&error))?;
    let code = answer.status().as_u16();
    let body = answer
        .into_body()
        .collect()
        .await
        .map_err(|error| broken(&error))?
        .to_bytes();
    driver.abort();
    forward.abort();
    Ok((code, String::from_utf8_lossy(&body).into_owned()))
}
