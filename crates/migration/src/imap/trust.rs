//! Whose certificates are believed: public authorities, those of a file, and the very certificates
//! that stand in it.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::ImapError;

/// TLS that trusts the public authorities and, if given, those of a PEM file.
pub(super) fn config(ca_file: Option<&Path>) -> Result<ClientConfig, ImapError> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let given = ca_file.map(read_pem).transpose()?.unwrap_or_default();
    for (certificate, path) in given.iter().zip(ca_file.iter().cycle()) {
        let added = roots.add(certificate.clone());
        added.map_err(|error| unusable(path, &error.to_string()))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| ImapError::CaFile(error.to_string()))?;
    let authorities = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| ImapError::CaFile(error.to_string()))?;
    let verifier = Arc::new(Given { authorities, given });
    Ok(builder
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

fn unusable(path: &Path, reason: &str) -> ImapError {
    ImapError::CaFile(format!("{}: {reason}", path.display()))
}

fn read_pem(path: &Path) -> Result<Vec<CertificateDer<'static>>, ImapError> {
    let wrong = |error: rustls::pki_types::pem::Error| unusable(path, &error.to_string());
    let found = CertificateDer::pem_file_iter(path).map_err(wrong)?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(wrong)?;
    if found.is_empty() {
        return Err(unusable(path, "it holds no PEM certificate"));
    }
    Ok(found)
}

/// Believes authorities, as is usual, and besides a server that shows one of the given
/// certificates itself: `openssl req -x509` makes those of small servers, which call themselves
/// authorities, and no authority may be a server. Whoever gave the certificate meant this server;
/// its time and its name count all the same.
#[derive(Debug)]
struct Given {
    authorities: Arc<WebPkiServerVerifier>,
    given: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Given {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let usual = self.authorities.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        if usual.is_ok() || !self.given.iter().any(|given| given == end_entity) {
            return usual;
        }
        in_time(end_entity, now)?;
        named(end_entity, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authorities.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authorities.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.supported_verify_schemes()
    }
}

fn parsed<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Error> {
    let parsed = X509Certificate::from_der(certificate);
    parsed
        .map(|(_, certificate)| certificate)
        .map_err(|_| CertificateError::BadEncoding.into())
}

fn in_time(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let certificate = parsed(certificate)?;
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let validity = certificate.validity();
    if now < validity.not_before.timestamp() {
        Err(CertificateError::NotValidYet.into())
    } else if now > validity.not_after.timestamp() {
        Err(CertificateError::Expired.into())
    } else {
        Ok(())
    }
}

/// One that names no server in the way of today is known by its common name.
fn named(certificate: &CertificateDer<'_>, name: &ServerName<'_>) -> Result<(), Error> {
    let today = verify_server_name(&ParsedCertificate::try_from(certificate)?, name);
    let old = parsed(certificate)?;
    let alternative = old.subject_alternative_name().ok().flatten();
    if today.is_ok() || alternative.is_some() {
        return today;
    }
    let wanted = name.to_str();
    let common = old.subject().iter_common_name();
    let mut common = common.filter_map(|one| one.as_str().ok());
    if common.any(|one| one.eq_ignore_ascii_case(&wanted)) {
        Ok(())
    } else {
        today
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    // Made here and not by a program: while one is started, it holds a moment long every lock of
    // this process, the journals' of other tests among them.
    #[test]
    fn the_time_of_a_given_certificate_counts() {
        let (begins, ends) = (date_time_ymd(2026, 1, 1), date_time_ymd(2026, 1, 31));
        let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        (params.not_before, params.not_after) = (begins, ends);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        let at = |seconds: i64| {
            let since = Duration::from_secs(seconds.cast_unsigned());
            let time = UnixTime::since_unix_epoch(since);
            in_time(certificate.der(), time).map_err(|error| error.to_string())
        };
        let (begins, ends) = (begins.unix_timestamp(), ends.unix_timestamp());
        assert_eq!(at(begins), Ok(()));
        assert_eq!(at(ends), Ok(()));
        let (early, late) = (at(begins - 1), at(ends + 1));
        assert!(early.expect_err("early").contains("NotValidYet"));
        assert!(late.expect_err("late").contains("Expired"));
    }
}
