//! The client of the platform API: through the API server's port-forward for people, straight for
//! a migration's Job.

mod answer;
mod direct;
mod forward;
mod identity;

use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1::{self, SendRequest},
    header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue},
};
use hyper_util::rt::TokioIo;
use kube::api::Portforwarder;
use serde::{Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    errors::{CliError, Kind},
    globals::Context,
    text::{Text, text},
};

/// For an answer: above the platform's own limit for its longest requests.
const PATIENCE: Duration = Duration::from_secs(310);
/// Of an answer: a proof is the largest.
const ANSWER_MAX: usize = 64 << 20;

/// A connection to the platform API under one identity.
pub struct PlatformClient {
    sender: SendRequest<Full<Bytes>>,
    host: String,
    authorization: Option<HeaderValue>,
    /// Ends the forwarding when dropped.
    forward: Option<Portforwarder>,
}

/// The platform's root authority, PEM, as the kubeconfig's cluster publishes it.
pub async fn authority(context: &Context) -> Result<String, CliError> {
    forward::authority(&context.client().await?, &context.system_namespace).await
}

impl PlatformClient {
    /// Opens the connection with the person's kubeconfig.
    pub async fn connect(context: &Context) -> Result<Self, CliError> {
        forward::open(context).await
    }

    /// Opens the connection to `https://host:port` with the token of a file, inside the cluster.
    pub async fn direct(
        url: &str,
        ca_pem: &[u8],
        token: &secrecy::SecretString,
    ) -> Result<Self, CliError> {
        direct::open(url, ca_pem, token).await
    }

    /// Speaks HTTP over an opened TLS stream.
    async fn over<S>(stream: S, host: String) -> Result<Self, CliError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| broken(&error))?;
        // Its failure reaches the caller through the sender.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "the connection to the platform API ended");
            }
        });
        Ok(Self {
            sender,
            host,
            authorization: None,
            forward: None,
        })
    }

    /// Reads `path`; `doing` is what is attempted (« lire le journal » / "read the journal").
    pub async fn get<T: DeserializeOwned>(
        &mut self,
        path: &str,
        doing: &Text,
    ) -> Result<T, CliError> {
        let response = self.send(Method::GET, path, Bytes::new(), doing).await?;
        answer::json(&response, doing)
    }

    /// Sends `body` with `method` and reads the answer.
    pub async fn call<B: Serialize, T: DeserializeOwned>(
        &mut self,
        method: Method,
        path: &str,
        body: &B,
        doing: &Text,
    ) -> Result<T, CliError> {
        let response = self.tell(method, path, body, doing).await?;
        answer::json(&response, doing)
    }

    /// Sends `body` with `method`; the answer's body, which may be empty.
    pub async fn tell<B: Serialize>(
        &mut self,
        method: Method,
        path: &str,
        body: &B,
        doing: &Text,
    ) -> Result<Bytes, CliError> {
        let bytes = serde_json::to_vec(body).map_err(|error| {
            CliError::failure(text!(
                "requête impossible à écrire",
                "failed to write the request"
            ))
            .caused_by(&error)
        })?;
        self.send(method, path, bytes.into(), doing).await
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
        doing: &Text,
    ) -> Result<Bytes, CliError> {
        let request = self.request(method, path, body)?;
        let exchange = async {
            self.sender.ready().await.map_err(|error| broken(&error))?;
            let response = self
                .sender
                .send_request(request)
                .await
                .map_err(|error| broken(&error))?;
            read(response).await
        };
        let (status, bytes) = tokio::time::timeout(PATIENCE, exchange)
            .await
            .unwrap_or_else(|_| Err(silent()))?;
        if status.is_success() {
            Ok(bytes)
        } else {
            Err(answer::refusal(status, &bytes, doing))
        }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, CliError> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.host.as_str())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(Full::new(body))
            .map_err(|error| {
                CliError::failure(text!(
                    "requête impossible à écrire",
                    "failed to write the request"
                ))
                .caused_by(&error)
            })?;
        if let Some(value) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, value.clone());
        }
        Ok(request)
    }
}

impl Drop for PlatformClient {
    fn drop(&mut self) {
        if let Some(forward) = &self.forward {
            forward.abort();
        }
    }
}

async fn read(response: Response<Incoming>) -> Result<(StatusCode, Bytes), CliError> {
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_MAX)
        .collect()
        .await
        .map_err(|error| broken(error.as_ref()))?;
    Ok((status, body.to_bytes()))
}

/// The connection broke in the middle.
fn broken(error: &(dyn std::error::Error + 'static)) -> CliError {
    CliError::new(
        Kind::Unavailable,
        text!(
            "la connexion à l'API de la plateforme a été coupée",
            "the connection to the platform API broke"
        ),
    )
    .caused_by(error)
    .remedy(try_again())
}

fn silent() -> CliError {
    CliError::new(
        Kind::Unavailable,
        text!(
            "l'API de la plateforme ne répond pas",
            "the platform API does not answer"
        ),
    )
    .remedy(try_again())
}

fn try_again() -> Text {
    text!(
        "réessayez ; si cela persiste : melouvert doctor",
        "try again; if it persists: melouvert doctor"
    )
}
