//! TLS of the platform API: 1.3 only, and a client certificate when the caller has one.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{VerifierBuilderError, WebPkiClientVerifier},
    version::TLS13,
};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject},
};
use secrecy::{ExposeSecret, SecretString};

/// What the server presents and trusts.
#[derive(Debug, Clone)]
pub struct TlsMaterial {
    /// Its certificate and intermediates, PEM (`tls.crt`).
    pub certificate_pem: String,
    /// Its key, PEM (`tls.key`).
    pub key_pem: SecretString,
    /// The cluster's client CA, PEM (`client-ca-file` of ConfigMap
    /// `kube-system/extension-apiserver-authentication`).
    pub client_ca_pem: String,
    /// The region's root, PEM (`ca.crt`): what the tenants' mail servers are verified against.
    pub region_ca_pem: String,
}

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A PEM that cannot be read.
    #[error("failed to read the PEM of {what}")]
    Pem {
        /// Which.
        what: &'static str,
        /// Why.
        #[source]
        source: pem::Error,
    },
    /// A PEM without any certificate.
    #[error("the PEM of {what} holds no certificate")]
    Empty {
        /// Which.
        what: &'static str,
    },
    /// The authorities of client certificates are unusable.
    #[error("failed to trust the cluster's client CA")]
    Verifier(#[from] VerifierBuilderError),
    /// A certificate or its key is unusable.
    #[error("failed to use the certificate of {what}")]
    Certificate {
        /// Which.
        what: &'static str,
        /// Why.
        #[source]
        source: rustls::Error,
    },
}

/// The server's side: `material`'s certificate, optional client certificates.
pub fn server_config(material: &TlsMaterial) -> Result<Arc<ServerConfig>, TlsError> {
    let what = "the platform API";
    let provider = provider();
    let clients = roots(&material.client_ca_pem, "the cluster's client CA")?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(clients), provider.clone())
        .allow_unauthenticated()
        .build()?;
    let key = PrivateKeyDer::from_pem_slice(material.key_pem.expose_secret().as_bytes())
        .map_err(|source| TlsError::Pem { what, source })?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(|source| TlsError::Certificate { what, source })?
        .with_client_cert_verifier(verifier)
        .with_single_cert(certificates(&material.certificate_pem, what)?, key)
        .map_err(|source| TlsError::Certificate { what, source })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The client's side towards a tenant's mail server.
pub fn client_config(region_ca_pem: &str) -> Result<Arc<ClientConfig>, TlsError> {
    let what = "the region's root";
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|source| TlsError::Certificate { what, source })?
        .with_root_certificates(roots(region_ca_pem, what)?)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn roots(pem: &str, what: &'static str) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(pem, what)? {
        store
            .add(certificate)
            .map_err(|source| TlsError::Certificate { what, source })?;
    }
    Ok(store)
}

fn certificates(pem: &str, what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|source| TlsError::Pem { what, source })?;
    if found.is_empty() {
        return Err(TlsError::Empty { what });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn material() -> TlsMaterial {
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["melouvert-api.melouvert-system.svc".into()])
                .unwrap();
        TlsMaterial {
            certificate_pem: cert.pem(),
            key_pem: signing_key.serialize_pem().into(),
            client_ca_pem: cert.pem(),
            region_ca_pem: cert.pem(),
        }
    }

    #[test]
    fn good_material_serves() {
        server_config(&material()).unwrap();
        client_config(&material().region_ca_pem).unwrap();
    }

    #[test]
    fn bad_material_says_which() {
        let mut none = material();
        none.client_ca_pem = String::new();
        assert!(
            matches!(server_config(&none), Err(TlsError::Empty { what }) if what.contains("client CA"))
        );
        let mut foreign = material();
        foreign.key_pem = material().key_pem;
        assert!(matches!(
            server_config(&foreign),
            Err(TlsError::Certificate { .. })
        ));
        assert!(client_config("-----BEGIN CERTIFICATE-----\n!").is_err());
    }
}
