//! Whose certificates are believed, and what is said where no TLS can be spoken.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use melouvert_migration::imap::{Security, Timeouts, connect};
use melouvert_migration::limits::{Gate, Limits};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A certificate as `openssl req -x509` makes it, and its key.
struct Made {
    certificate: PathBuf,
    key: PathBuf,
}

fn make(folder: &Path, name: &str, more: &[&str]) -> Made {
    let at = |end: &str| folder.join(format!("{name}.{end}"));
    let made = Made {
        certificate: at("pem"),
        key: at("key"),
    };
    let done = Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30",
        ])
        .arg("-keyout")
        .arg(&made.key)
        .arg("-out")
        .arg(&made.certificate)
        .args(more)
        .output()
        .expect("openssl runs: apt-get install -y openssl");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
    made
}

/// Serves TLS with a certificate; the port.
async fn serve(made: &Made) -> u16 {
    let chain = CertificateDer::pem_file_iter(&made.certificate).expect("a certificate");
    let chain: Vec<_> = chain.map(|one| one.expect("a certificate")).collect();
    let key = PrivateKeyDer::from_pem_file(&made.key).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a pair");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    // The client has seen the certificate by then and may be gone.
                    let _ = stream.write_all(b"* OK ready\r\n").await;
                }
            });
        }
    });
    port
}

/// What comes of a connection: nothing, or the error with its causes.
async fn reach(host: &str, port: u16, ca: Option<&Path>) -> Result<(), String> {
    let security = Security::tls(ca).map_err(|error| error.to_string())?;
    let timeouts = Timeouts {
        connect: Duration::from_secs(10),
        ..Timeouts::default()
    };
    let pass = Gate::new(Limits::default()).enter(host).await;
    let opened = connect(host, port, &security, timeouts, pass).await;
    opened.map(|_| ()).map_err(|error| {
        let cause = std::error::Error::source(&error);
        format!(
            "{error}: {}",
            cause.map_or(String::new(), ToString::to_string)
        )
    })
}

#[tokio::test]
async fn a_certificate_that_is_given_itself_is_believed() {
    let folder = tempfile::tempdir().expect("a folder");
    let san = [
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost",
    ];
    let leaf = [&san[..], &["-addext", "basicConstraints=critical,CA:FALSE"]].concat();
    // It calls itself an authority; it does not; it names nobody in the way of today.
    let authority = make(folder.path(), "authority", &san);
    let server = make(folder.path(), "server", &leaf);
    let old = make(folder.path(), "old", &["-subj", "/CN=localhost"]);
    for made in [&authority, &server, &old] {
        let port = serve(made).await;
        assert_eq!(
            reach("localhost", port, Some(&made.certificate)).await,
            Ok(())
        );
        // Nobody else's is, and none that was not given.
        let other = make(folder.path(), "other", &san);
        for ca in [None, Some(other.certificate.as_path())] {
            let error = reach("localhost", port, ca).await.expect_err("a stranger");
            assert!(error.contains("--ca-file"), "{error}");
        }
        // Its name counts.
        let error = reach("127.0.0.1", port, Some(&made.certificate)).await;
        let error = error.expect_err("another name");
        assert!(error.contains("not valid for name"), "{error}");
    }
    // A bundle of several: each is believed, where it is shown.
    let bundle = folder.path().join("bundle.pem");
    let read = |made: &Made| std::fs::read_to_string(&made.certificate).expect("PEM");
    std::fs::write(&bundle, read(&old) + &read(&authority)).expect("write");
    for made in [&old, &authority] {
        let port = serve(made).await;
        assert_eq!(reach("localhost", port, Some(&bundle)).await, Ok(()));
    }
}

/// Answers the client's first bytes with these, then hangs up.
async fn answering(bytes: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut hello = [0; 4096];
            let read = stream.read(&mut hello).await;
            if read.is_ok() {
                // The client may have hung up first.
                let _ = stream.write_all(bytes).await;
            }
        }
    });
    port
}

#[tokio::test]
async fn what_a_server_speaks_is_named() {
    for (answer, words) in [
        // Alerts: protocol_version in a TLS 1.0 record, handshake_failure.
        (&b"\x15\x03\x01\x00\x02\x02\x46"[..], "TLS 1.2"),
        (b"\x15\x03\x03\x00\x02\x02\x28", "TLS 1.2"),
        // Nothing at all.
        (b"", "TLS 1.2"),
        // A greeting in clear.
        (b"* OK IMAP4rev1 ready\r\n", "imap+starttls://"),
    ] {
        let port = answering(answer).await;
        let error = reach("localhost", port, None).await.expect_err("no TLS");
        assert!(error.contains(words), "{error}");
        assert!(!error.contains("--ca-file"), "{error}");
    }
}
