//! The tenant's Dovecot over its HTTP administration, with TLS: what mailboxes hold, and the end of
//! sessions.

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, StatusCode, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use melouvert_domain::NamespaceName;
use rustls_pki_types::{InvalidDnsNameError, ServerName};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::tls::{self, TlsError};

const PORT: u16 = 8081;
/// The Secret and key of the administration's password.
const SECRET: &str = "mail-db";
const KEY: &str = "doveadm-api-key";
/// For one tenant's answer as a whole.
const PATIENCE: Duration = Duration::from_secs(15);
/// Commands in one request: Dovecot runs them one after the other.
const BATCH: usize = 200;
/// How long Dovecot may accept a former password (`auth_cache_ttl` of its configuration), and a
/// second for the change to be seen.
pub const REMEMBERED: Duration = Duration::from_secs(3);
const ANSWER_MAX: usize = 4 << 20;

/// What a mailbox holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Bytes.
    pub bytes: u64,
    /// Messages.
    pub messages: u64,
}

/// Why the use of mailboxes is unknown.
#[derive(Debug, thiserror::Error)]
pub enum MailStoreError {
    /// The tenant's Secret cannot be read.
    #[error("failed to read Secret {SECRET}")]
    Secret(#[source] kube::Error),
    /// The tenant's Secret lacks the key.
    #[error("Secret {SECRET} has no text under {KEY}")]
    NoKey,
    /// The region's root is unusable.
    #[error("failed to set up TLS towards the mail server")]
    Tls(#[from] TlsError),
    /// The server's name is no DNS name.
    #[error("failed to name the mail server")]
    Name(#[from] InvalidDnsNameError),
    /// No connection, or one that the certificate does not prove.
    #[error("failed to connect to the mail server")]
    Connect(#[source] std::io::Error),
    /// The connection broke.
    #[error("failed to talk HTTP to the mail server")]
    Http(#[from] hyper::Error),
    /// The answer is too long or broke off.
    #[error("failed to read the mail server's answer: {0}")]
    Body(String),
    /// The server refused.
    #[error("the mail server answered {0}")]
    Status(StatusCode),
    /// The answer is not what Dovecot documents.
    #[error("failed to understand the mail server's answer")]
    Json(#[from] serde_json::Error),
    /// A command failed.
    #[error("the mail server refused {command}: {why}")]
    Refused {
        /// Which.
        command: String,
        /// Its own words.
        why: String,
    },
    /// No answer in time.
    #[error("the mail server took more than {} s", PATIENCE.as_secs())]
    Slow,
}

/// A tenant's mail server as its administrator reaches it.
#[derive(Debug, Clone, Copy)]
pub struct MailStore<'a> {
    /// The tenant.
    pub namespace: &'a NamespaceName,
    /// The authority of its certificate, PEM.
    pub region_ca_pem: &'a str,
}

impl MailStore<'_> {
    /// What each of `addresses` holds; one that Dovecot does not know is absent from the answer.
    pub async fn usage(
        &self,
        kube: &Client,
        addresses: &[String],
    ) -> Result<BTreeMap<String, Usage>, MailStoreError> {
        let commands: Vec<Value> = addresses
            .iter()
            .enumerate()
            .map(|(place, address)| json!(["quotaGet", { "user": address }, place.to_string()]))
            .collect();
        Ok(usage(&self.run(kube, &commands).await?, addresses))
    }

    /// Ends the agent's sessions.
    ///
    /// `authCacheFlush` is not used: over HTTP it makes Dovecot 2.4.1 abort. What Dovecot remembers
    /// of a password lasts [`REMEMBERED`] at most.
    pub async fn kick(&self, kube: &Client, address: &str) -> Result<(), MailStoreError> {
        let commands = [json!(["kick", { "mask": address }, "kick"])];
        let answers = self.run(kube, &commands).await?;
        match answers.into_iter().find(|answer| answer.0 == "error") {
            None => Ok(()),
            Some(Answer(_, why, command)) => Err(MailStoreError::Refused {
                command,
                why: why.to_string(),
            }),
        }
    }

    async fn run(&self, kube: &Client, commands: &[Value]) -> Result<Vec<Answer>, MailStoreError> {
        let asked = async {
            let secret = Api::<Secret>::namespaced(kube.clone(), self.namespace.as_str())
                .get(SECRET)
                .await
                .map_err(MailStoreError::Secret)?;
            let key = key(secret).ok_or(MailStoreError::NoKey)?;
            self.ask(&key, commands).await
        };
        tokio::time::timeout(PATIENCE, asked)
            .await
            .unwrap_or(Err(MailStoreError::Slow))
    }

    async fn ask(
        &self,
        key: &SecretString,
        commands: &[Value],
    ) -> Result<Vec<Answer>, MailStoreError> {
        let host = format!("mail.{}.svc.cluster.local", self.namespace);
        let connector = TlsConnector::from(tls::client_config(self.region_ca_pem)?);
        let stream = TcpStream::connect((host.as_str(), PORT))
            .await
            .map_err(MailStoreError::Connect)?;
        let name = ServerName::try_from(host.clone())?;
        let stream = connector
            .connect(name, stream)
            .await
            .map_err(MailStoreError::Connect)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(connection);
        let mut answers = Vec::new();
        for batch in commands.chunks(BATCH) {
            sender.ready().await?;
            let response = sender.send_request(request(&host, key, batch)).await?;
            if response.status() != StatusCode::OK {
                return Err(MailStoreError::Status(response.status()));
            }
            let body = Limited::new(response.into_body(), ANSWER_MAX)
                .collect()
                .await
                .map_err(|error| MailStoreError::Body(error.to_string()))?
                .to_bytes();
            answers.extend(serde_json::from_slice::<Vec<Answer>>(&body)?);
        }
        drop(sender);
        driver.abort();
        Ok(answers)
    }
}

/// `["doveadmResponse" | "error", what, tag]`.
#[derive(Debug, Deserialize)]
struct Answer(String, Value, String);

fn key(secret: Secret) -> Option<SecretString> {
    let bytes = secret.data?.remove(KEY)?.0;
    String::from_utf8(bytes).ok().map(|text| text.trim().into())
}

fn request(host: &str, key: &SecretString, commands: &[Value]) -> Request<Full<Bytes>> {
    let token = STANDARD.encode(key.expose_secret());
    let mut request = Request::new(Full::new(Bytes::from(
        Value::from(commands.to_vec()).to_string(),
    )));
    *request.method_mut() = hyper::Method::POST;
    *request.uri_mut() = hyper::Uri::from_static("/doveadm/v1");
    let headers = request.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json"),
    );
    if let Ok(value) = header::HeaderValue::from_str(host) {
        headers.insert(header::HOST, value);
    }
    if let Ok(mut value) = header::HeaderValue::from_str(&format!("X-Dovecot-API {token}")) {
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
    }
    request
}

/// Reads `["doveadmResponse", [{"type": "STORAGE", "value": "12", …}, …], "0"]`; storage is in KiB.
/// An `["error", …]` is a mailbox that Dovecot cannot tell about.
fn usage(answers: &[Answer], addresses: &[String]) -> BTreeMap<String, Usage> {
    let mut all = BTreeMap::new();
    for Answer(kind, answer, tag) in answers {
        let address = tag.parse::<usize>().ok().and_then(|tag| addresses.get(tag));
        let (Some(address), "doveadmResponse") = (address, kind.as_str()) else {
            continue;
        };
        let figure = |wanted: &str| {
            let row = answer
                .as_array()?
                .iter()
                .find(|row| row.get("type").and_then(Value::as_str) == Some(wanted))?;
            number(row.get("value")?)
        };
        if let Some(kib) = figure("STORAGE") {
            let usage = Usage {
                bytes: kib * 1024,
                messages: figure("MESSAGE").unwrap_or(0),
            };
            all.insert(address.clone(), usage);
        }
    }
    all
}

/// A figure, which Dovecot writes as a text or a number by version.
fn number(value: &Value) -> Option<u64> {
    value
        .as_u64()
        .or_else(|| value.as_str().and_then(|text| text.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dovecots_answer_is_read() {
        let body = br#"[["doveadmResponse",[{"root":"User quota","type":"STORAGE","value":"12","limit":"2097152","percent":"0"},{"root":"User quota","type":"MESSAGE","value":3,"limit":"-","percent":"0"}],"1"],["error",{"type":"exitCode","exitCode":67},"0"]]"#;
        let addresses = [
            "ghost@caen.example".to_owned(),
            "jeanne@caen.example".to_owned(),
        ];
        let answers: Vec<Answer> = serde_json::from_slice(body).unwrap();
        let usage = usage(&answers, &addresses);
        assert_eq!(
            usage.into_iter().collect::<Vec<_>>(),
            [(
                "jeanne@caen.example".into(),
                Usage {
                    bytes: 12 * 1024,
                    messages: 3
                }
            )]
        );
    }

    #[test]
    fn the_key_travels_as_dovecot_wants_it_and_is_marked_secret() {
        let key = SecretString::from("k");
        let commands = [json!(["reload", {}, "0"])];
        let request = request("mail.col-211401187.svc.cluster.local", &key, &commands);
        let value = &request.headers()[header::AUTHORIZATION];
        assert_eq!(value, "X-Dovecot-API aw==");
        assert!(value.is_sensitive());
    }
}
