//! The platform API: started once the database answers, with certificates kept current.

use std::time::Duration;

use anyhow::Context as _;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client};
use secrecy::SecretString;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::tasks::Tasks;
use crate::{
    cluster::secret,
    database,
    platform::{self, TlsMaterial},
    settings::Settings,
};

/// Between two readings of the platform API's certificate and of the cluster's client CA.
const RELOAD: Duration = Duration::from_mins(5);

/// Starts the platform API once the database answers.
pub(super) fn start(
    tasks: &mut Tasks,
    client: &Client,
    settings: &Settings,
    database: &database::Database,
) {
    let (kube, listen) = (client.clone(), settings.api_listen);
    let (database, stop) = (database.clone(), tasks.stop.clone());
    let namespace = settings.namespace.clone();
    tasks.spawn("platform API", async move {
        let store = tokio::select! {
            store = database.connected() => store.context("the database connector ended")?,
            () = stop.cancelled() => return Ok(()),
        };
        let first = tls_material(&kube, &namespace).await?;
        let (sender, tls) = watch::channel(first);
        let reloading = reload(kube.clone(), namespace, sender, stop.clone());
        let settings = platform::Settings {
            listen,
            tls,
            kube,
            store,
            shutdown: stop,
        };
        let serving = platform::serve(settings);
        let (served, ()) = futures::join!(serving, reloading);
        Ok(served?)
    });
}

/// What the platform API shows and whom it trusts.
async fn tls_material(client: &Client, namespace: &str) -> anyhow::Result<TlsMaterial> {
    const SECRET: &str = "melouvert-api-tls";
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let read = async |key| {
        secret::text(&secrets, SECRET, key)
            .await
            .with_context(|| format!("failed to read Secret {SECRET}"))
    };
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "kube-system");
    let authorities = maps
        .get("extension-apiserver-authentication")
        .await
        .context("failed to read the cluster's client CA")?;
    let client_ca_pem = authorities
        .data
        .and_then(|mut data| data.remove("client-ca-file"))
        .context("the cluster publishes no client CA: client-ca-file is missing")?;
    Ok(TlsMaterial {
        certificate_pem: read("tls.crt").await?,
        key_pem: SecretString::from(read("tls.key").await?),
        region_ca_pem: read("ca.crt").await?,
        client_ca_pem,
    })
}

/// Hands renewed certificates to the platform API.
async fn reload(
    client: Client,
    namespace: String,
    sender: watch::Sender<TlsMaterial>,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(RELOAD) => {}
            () = stop.cancelled() => return,
        }
        match tls_material(&client, &namespace).await {
            Ok(material) => {
                sender.send_if_modified(|known| {
                    let changed = known.certificate_pem != material.certificate_pem
                        || known.client_ca_pem != material.client_ca_pem;
                    if changed {
                        *known = material;
                    }
                    changed
                });
            }
            Err(error) => tracing::warn!(
                error = format!("{error:#}"),
                "the API's certificate was not read"
            ),
        }
    }
}
