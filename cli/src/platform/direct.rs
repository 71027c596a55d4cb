//! Straight to the platform API, from inside the cluster.

use std::{sync::Arc, time::Duration};

use hyper::{Uri, header::HeaderValue};
use rustls_pki_types::ServerName;
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{PlatformClient, identity, try_again};
use crate::{
    errors::{CliError, Kind},
    text::text,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// Opens the connection; `url` is `https://host[:port]`.
pub async fn open(
    url: &str,
    ca_pem: &[u8],
    token: &SecretString,
) -> Result<PlatformClient, CliError> {
    let (host, port) = parse(url)?;
    let tls = identity::anonymous_tls(ca_pem)?;
    let mut authorization =
        HeaderValue::from_str(&format!("Bearer {}", token.expose_secret().trim())).map_err(
            |_| {
                CliError::usage(text!(
                    "le jeton contient des caractères impossibles",
                    "the token has impossible characters"
                ))
            },
        )?;
    authorization.set_sensitive(true);
    let name = ServerName::try_from(host.clone()).map_err(|_| bad_url(url))?;
    let way = async {
        let stream = TcpStream::connect((host.as_str(), port)).await?;
        TlsConnector::from(Arc::new(tls))
            .connect(name, stream)
            .await
    };
    let stream = match tokio::time::timeout(PATIENCE, way).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(away(url).caused_by(&error)),
        Err(_) => return Err(away(url)),
    };
    let mut client = PlatformClient::over(stream, host).await?;
    client.authorization = Some(authorization);
    Ok(client)
}

fn parse(url: &str) -> Result<(String, u16), CliError> {
    let uri: Uri = url.parse().map_err(|_| bad_url(url))?;
    match (uri.scheme_str(), uri.host()) {
        (Some("https"), Some(host)) => Ok((host.to_owned(), uri.port_u16().unwrap_or(443))),
        _ => Err(bad_url(url)),
    }
}

fn bad_url(url: &str) -> CliError {
    CliError::usage(text!(
        "adresse d'API « {url} » incorrecte",
        "wrong API address {url:?}"
    ))
    .remedy(text!(
        "attendu : https://hôte:port",
        "expected https://host:port"
    ))
}

fn away(url: &str) -> CliError {
    CliError::new(
        Kind::Unavailable,
        text!(
            "l'API de la plateforme ne répond pas ({url})",
            "the platform API does not answer ({url})"
        ),
    )
    .remedy(try_again())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_is_spoken() {
        let name = "melouvert-api.melouvert-system.svc.cluster.local";
        assert_eq!(
            parse(&format!("https://{name}:443")).unwrap(),
            (name.into(), 443)
        );
        assert_eq!(parse("https://a.b").unwrap().1, 443);
        for bad in ["http://a.b", "a.b", "https://", ""] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
