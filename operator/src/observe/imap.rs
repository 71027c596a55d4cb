//! The greeting of a tenant's IMAP server.

use tokio::{io::BufReader, net::TcpStream, time::timeout};

use super::{ObserveError, PATIENCE, line, tls};

/// What must answer.
#[derive(Debug, Clone)]
pub struct Greeting<'a> {
    /// The host name that the certificate carries.
    pub host: &'a str,
    /// The port of IMAP over TLS.
    pub port: u16,
    /// The region's root, PEM.
    pub root_pem: &'a str,
    /// SHA-256 of the leaf that was issued last, in hexadecimal.
    pub fingerprint: &'a str,
}

/// Opens TLS, checks the chain, the name and the very certificate, and reads `* OK`.
pub async fn greet(expected: &Greeting<'_>) -> Result<(), ObserveError> {
    let address = format!("{}:{}", expected.host, expected.port);
    timeout(PATIENCE, talk(expected, &address))
        .await
        .unwrap_or_else(|_| {
            Err(ObserveError::Late {
                address: address.clone(),
            })
        })
}

async fn talk(expected: &Greeting<'_>, address: &str) -> Result<(), ObserveError> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(|source| ObserveError::Connect {
            address: address.into(),
            source,
        })?;
    let stream = tls::open(stream, expected.host, address, expected.root_pem).await?;
    let found = tls::fingerprint(&stream);
    if found != expected.fingerprint {
        return Err(ObserveError::OtherCertificate {
            address: address.into(),
            expected: expected.fingerprint.into(),
            found,
        });
    }
    let greeting =
        line(&mut BufReader::new(stream))
            .await
            .map_err(|source| ObserveError::Talk {
                address: address.into(),
                source,
            })?;
    if is_greeting(&greeting) {
        Ok(())
    } else {
        Err(ObserveError::Answer {
            address: address.into(),
            expected: "an IMAP greeting",
            found: greeting,
        })
    }
}

/// RFC 9051 7.1: a server that is open for login greets with an untagged OK.
fn is_greeting(line: &str) -> bool {
    line.get(..5)
        .is_some_and(|start| start.eq_ignore_ascii_case("* OK "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_untagged_ok_is_a_greeting() {
        assert!(is_greeting("* OK [CAPABILITY IMAP4rev1] Dovecot ready."));
        for other in ["* BYE overloaded", "* PREAUTH hello", "220 smtp", "", "* O"] {
            assert!(!is_greeting(other), "{other}");
        }
    }
}
