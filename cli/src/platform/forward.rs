//! Through the API server: a port-forward to the operator's pod, TLS inside it.

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::{Api, Client, api::Portforwarder};
use melouvert_api::wire::PORT;
use rustls_pki_types::ServerName;
use tokio::io::DuplexStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{PlatformClient, identity};
use crate::{
    errors::{CliError, Kind},
    globals::Context,
    kube::{client, explain},
    text::text,
};

/// The pod of the operator: a StatefulSet's, so that a Role can name it.
const POD: &str = "melouvert-operator-0";
/// The ConfigMap with the platform's authority.
const TRUST: &str = "melouvert-trust";
/// The Role that opens the way.
const ROLE: &str = "melouvert-api-client";
/// For the whole way to be open.
const PATIENCE: Duration = Duration::from_secs(20);

/// Opens the way under the kubeconfig's identity.
pub async fn open(context: &Context) -> Result<PlatformClient, CliError> {
    let config = context.config().await?;
    let kube = client(config.clone())?;
    let namespace = context.system_namespace.as_str();
    let way = async {
        let authorization = identity::authorization(&config).await?;
        let tls = identity::tls(&config, &authority(&kube, namespace).await?)?;
        let mut forward = forward(kube, namespace).await?;
        let host = format!("melouvert-api.{namespace}.svc");
        let stream = handshake(&mut forward, tls, &host).await?;
        let mut client = PlatformClient::over(stream, host).await?;
        client.authorization = authorization;
        client.forward = Some(forward);
        Ok(client)
    };
    tokio::time::timeout(PATIENCE, way)
        .await
        .unwrap_or_else(|_| Err(away(namespace)))
}

/// The platform's root authority, PEM.
pub async fn authority(kube: &Client, namespace: &str) -> Result<String, CliError> {
    let doing = text!(
        "joindre l'API de la plateforme dans « {namespace} »",
        "reach the platform API in {namespace:?}"
    );
    let found = Api::<ConfigMap>::namespaced(kube.clone(), namespace)
        .get_opt(TRUST)
        .await
        .map_err(|error| closed(&error, namespace).unwrap_or_else(|| explain(&error, &doing)))?;
    found
        .and_then(|map| map.data?.remove("ca.crt"))
        .ok_or_else(|| {
            CliError::new(
                Kind::Unavailable,
                text!(
                    "Melouvert n'est pas installé dans l'espace de noms « {namespace} », ou ne l'est pas encore",
                    "Melouvert is not installed in namespace {namespace:?}, or not yet"
                ),
            )
            .remedy(text!(
                "vérifiez --system-namespace et --context, ou attendez la fin de l'installation",
                "check --system-namespace and --context, or wait until the installation is over"
            ))
        })
}

async fn forward(kube: Client, namespace: &str) -> Result<Portforwarder, CliError> {
    Api::<Pod>::namespaced(kube, namespace)
        .portforward(POD, &[PORT])
        .await
        .map_err(|error| {
            closed(&error, namespace).unwrap_or_else(|| match &error {
                // Its Display repeats the whole object.
                kube::Error::Api(status) => away(namespace).caused_by(status.as_ref()),
                other => away(namespace).caused_by(other),
            })
        })
}

/// A right that is missing on the way; `None` for another failure.
fn closed(error: &kube::Error, namespace: &str) -> Option<CliError> {
    let kube::Error::Api(status) = error else {
        return None;
    };
    (status.code == 403).then(|| {
        CliError::new(
            Kind::Refused,
            text!(
                "vous n'avez pas le droit de joindre l'API de la plateforme",
                "you lack the right to reach the platform API"
            ),
        )
        .caused_by(status.as_ref())
        .remedy(text!(
            "demandez à votre hébergeur le Role {ROLE} de l'espace de noms {namespace} (get et create sur pods/portforward de {POD}, get sur le ConfigMap {TRUST})",
            "ask your hoster for Role {ROLE} of namespace {namespace} (get and create on pods/portforward of {POD}, get on ConfigMap {TRUST})"
        ))
    })
}

async fn handshake(
    forward: &mut Portforwarder,
    tls: rustls::ClientConfig,
    host: &str,
) -> Result<TlsStream<DuplexStream>, CliError> {
    let gone = || {
        CliError::failure(text!(
            "le port {PORT} n'a pas été transmis",
            "port {PORT} was not forwarded"
        ))
    };
    let stream = forward.take_stream(PORT).ok_or_else(gone)?;
    let said = forward.take_error(PORT);
    let name = ServerName::try_from(host.to_owned()).map_err(|error| {
        CliError::usage(text!(
            "--system-namespace incorrect",
            "wrong --system-namespace"
        ))
        .caused_by(&error)
    })?;
    match TlsConnector::from(Arc::new(tls))
        .connect(name, stream)
        .await
    {
        Ok(stream) => Ok(stream),
        Err(error) if is_certificate(&error) => Err(untrusted(host).caused_by(&error)),
        Err(error) => {
            // The cluster's own reason, when it gives one, is better than a cut stream.
            let reason = match said {
                Some(said) => tokio::time::timeout(Duration::from_secs(1), said)
                    .await
                    .ok()
                    .flatten(),
                None => None,
            };
            let mut failure = away(host).caused_by(&error);
            if let Some(reason) = reason {
                failure.cause = Some(reason.trim().replace('\n', " "));
            }
            Err(failure)
        }
    }
}

/// Whether rustls refused the server's certificate, or the server ours.
fn is_certificate(error: &std::io::Error) -> bool {
    error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        .is_some_and(|error| {
            matches!(
                error,
                rustls::Error::InvalidCertificate(_) | rustls::Error::AlertReceived(_)
            )
        })
}

fn untrusted(host: &str) -> CliError {
    CliError::new(
        Kind::Refused,
        text!(
            "le certificat de {host} ou le vôtre est refusé : rien n'a été envoyé",
            "the certificate of {host}, or yours, is refused: nothing was sent"
        ),
    )
    .remedy(text!(
        "prévenez votre hébergeur ; « melouvert cert list » montre les certificats",
        "tell your hoster; `melouvert cert list` shows the certificates"
    ))
}

fn away(place: &str) -> CliError {
    CliError::new(
        Kind::Unavailable,
        text!(
            "l'opérateur de Melouvert ne répond pas ({place})",
            "Melouvert's operator does not answer ({place})"
        ),
    )
    .remedy(text!(
        "il redémarre peut-être : réessayez ; si cela persiste : melouvert doctor",
        "it may be restarting: try again; if it persists: melouvert doctor"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Lang;

    #[test]
    fn a_closed_way_names_the_role() {
        let mut status = kube::core::Status::failure("forbidden", "Forbidden");
        status.code = 403;
        let error = kube::Error::Api(Box::new(status.clone()));
        let error = closed(&error, "melouvert-system").unwrap();
        assert_eq!(error.kind, Kind::Refused);
        assert!(error.render(Lang::Fr).contains("Role melouvert-api-client"));
        status.code = 500;
        assert!(closed(&kube::Error::Api(Box::new(status)), "x").is_none());
    }
}
