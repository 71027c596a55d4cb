//! The kubeconfig's own identity, presented to the platform API as to the API server: client
//! certificate, token, token file or credential plugin.

use hyper::{
    Request, Response,
    header::{AUTHORIZATION, HeaderValue},
};
use kube::{Config, client::ConfigExt};
use rustls::{ClientConfig, version::TLS13};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use tower::{BoxError, Layer, ServiceExt, service_fn};

use crate::{
    errors::{CliError, Kind},
    kube::unusable,
    text::text,
};

/// TLS that trusts the platform's authority alone and presents the kubeconfig's certificate when it
/// has one.
pub fn tls(config: &Config, ca_pem: &str) -> Result<ClientConfig, CliError> {
    let roots: Vec<Vec<u8>> = CertificateDer::pem_slice_iter(ca_pem.as_bytes())
        .map(|certificate| certificate.map(|c| c.to_vec()))
        .collect::<Result<_, _>>()
        .map_err(|error| bad_trust().caused_by(&error))?;
    if roots.is_empty() {
        return Err(bad_trust());
    }
    let mut own = config.clone();
    own.root_cert = Some(roots);
    own.root_cert_file = None;
    own.accept_invalid_certs = false;
    own.rustls_client_config().map_err(|error| unusable(&error))
}

/// The `Authorization` header that the kubeconfig gives; `None` for a client certificate.
pub async fn authorization(config: &Config) -> Result<Option<HeaderValue>, CliError> {
    if config.auth_info.impersonate.is_some() {
        return Err(CliError::usage(text!(
            "l'API de la plateforme n'accepte pas l'usurpation d'identité (« as » du kubeconfig)",
            "the platform API takes no impersonation (the kubeconfig's `as`)"
        ))
        .remedy(text!(
            "utilisez un kubeconfig de la personne elle-même",
            "use a kubeconfig of the person themselves"
        )));
    }
    let Some(layer) = config.auth_layer().map_err(|error| unusable(&error))? else {
        return Ok(None);
    };
    // The layer only acts on a request: a request that goes nowhere brings its header back.
    let echo = service_fn(|request: Request<kube::client::Body>| async move {
        Ok::<_, BoxError>(Response::new(request.headers().get(AUTHORIZATION).cloned()))
    });
    let request = Request::new(kube::client::Body::empty());
    let response = layer.layer(echo).oneshot(request).await.map_err(|error| {
        CliError::new(
            Kind::Refused,
            text!(
                "le kubeconfig ne donne aucune identité",
                "the kubeconfig gives no identity"
            ),
        )
        .caused_by(error.as_ref())
    })?;
    Ok(response.into_body())
}

/// TLS for a Job: the platform's authority, no certificate of its own.
pub fn anonymous_tls(ca_pem: &[u8]) -> Result<ClientConfig, CliError> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem) {
        let certificate = certificate.map_err(|error| bad_trust().caused_by(&error))?;
        roots
            .add(certificate)
            .map_err(|error| bad_trust().caused_by(&error))?;
    }
    if roots.is_empty() {
        return Err(bad_trust());
    }
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| bad_trust().caused_by(&error))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn bad_trust() -> CliError {
    CliError::failure(text!(
        "le certificat d'autorité de la plateforme est illisible",
        "the platform's authority certificate is unreadable"
    ))
    .remedy(text!(
        "prévenez votre hébergeur : clé ca.crt du ConfigMap melouvert-trust",
        "tell your hoster: key ca.crt of ConfigMap melouvert-trust"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config::new("https://127.0.0.1:1".parse().unwrap())
    }

    #[tokio::test]
    async fn a_token_becomes_a_header() {
        let mut config = config();
        config.auth_info.token = Some("abc".into());
        let header = authorization(&config).await.unwrap().unwrap();
        assert_eq!(header, "Bearer abc");
    }

    #[tokio::test]
    async fn no_token_no_header_and_no_impersonation() {
        assert!(authorization(&config()).await.unwrap().is_none());
        let mut config = config();
        config.auth_info.impersonate = Some("jeanne".into());
        assert_eq!(authorization(&config).await.unwrap_err().kind, Kind::Usage);
    }

    #[test]
    fn an_empty_authority_is_refused() {
        assert!(tls(&config(), "").is_err());
        assert!(anonymous_tls(b"").is_err());
    }
}
