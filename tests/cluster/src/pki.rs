//! The certificates of one cluster: its authority, the front proxy's, one leaf per component.
//!
//! Keys are ECDSA P-256; every certificate is X.509 version 3 (rustls refuses version 1).

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

use crate::error::{At as _, Error, Result};
use crate::layout::write_private;
use crate::plan::{NODE_ADDRESS, NODE_NAME};

/// A throw-away cluster does not outlive its certificates.
const LIFETIME: Duration = Duration::from_hours(90 * 24);
/// Clocks of the host and of a client may differ a little.
const BACKDATE: Duration = Duration::from_hours(1);

/// A certificate and its key, both PEM.
#[derive(Debug, Clone)]
pub struct Pair {
    /// Certificate.
    pub certificate: String,
    /// PKCS #8 private key.
    pub key: String,
}

/// An authority that can sign.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate and key.
    pub pair: Pair,
    now: SystemTime,
}

impl Authority {
    /// Makes a self-signed authority valid from `now`.
    pub fn create(name: &str, now: SystemTime) -> Result<Self> {
        let failed = |source| Error::Certificate {
            subject: name.to_owned(),
            source,
        };
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = params(name, &[], now);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let certificate = params.self_signed(&key).map_err(failed)?.pem();
        Self::from_pair(
            Pair {
                certificate,
                key: key.serialize_pem(),
            },
            now,
        )
    }

    /// Takes up an authority made before.
    pub fn from_pair(pair: Pair, now: SystemTime) -> Result<Self> {
        let failed = |source| Error::Certificate {
            subject: "the cluster's authority".to_owned(),
            source,
        };
        let key = KeyPair::from_pem(&pair.key).map_err(failed)?;
        let issuer = Issuer::from_ca_cert_pem(&pair.certificate, key).map_err(failed)?;
        Ok(Self { issuer, pair, now })
    }

    /// Reads `NAME.crt` and `NAME.key` of a folder.
    pub fn load(folder: &Path, name: &str, now: SystemTime) -> Result<Self> {
        let read = |extension: &str| {
            let path = folder.join(format!("{name}.{extension}"));
            fs::read_to_string(&path).at("read", &path)
        };
        Self::from_pair(
            Pair {
                certificate: read("crt")?,
                key: read("key")?,
            },
            now,
        )
    }

    /// A client certificate: Kubernetes reads the user from the common name and the groups from
    /// the organizations.
    pub fn client(&self, user: &str, groups: &[&str]) -> Result<Pair> {
        self.leaf(user, groups, &[], ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// A server certificate for names and addresses.
    pub fn server(&self, user: &str, groups: &[&str], names: &[&str]) -> Result<Pair> {
        self.leaf(user, groups, names, ExtendedKeyUsagePurpose::ServerAuth)
    }

    fn leaf(
        &self,
        user: &str,
        groups: &[&str],
        names: &[&str],
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<Pair> {
        let failed = |source| Error::Certificate {
            subject: user.to_owned(),
            source,
        };
        let mut params = params(user, groups, self.now);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        for name in names {
            params.subject_alt_names.push(match name.parse() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName((*name).try_into().map_err(failed)?),
            });
        }
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed)?;
        Ok(Pair {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

fn params(name: &str, groups: &[&str], now: SystemTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    // One organization per group: rcgen keeps one value per type, so further groups use
    // a custom type of the same OID.
    for (index, group) in groups.iter().enumerate() {
        let kind = if index == 0 {
            DnType::OrganizationName
        } else {
            DnType::CustomDnType(vec![2, 5, 4, 10])
        };
        params.distinguished_name.push(kind, *group);
    }
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = (now - BACKDATE).into();
    params.not_after = (now + LIFETIME).into();
    params
}

/// Makes every certificate and key of a new cluster in `folder`.
pub fn create(folder: &Path, now: SystemTime) -> Result<()> {
    let write = |name: &str, pair: &Pair| -> Result<()> {
        write_private(
            &folder.join(format!("{name}.crt")),
            pair.certificate.as_bytes(),
        )?;
        write_private(&folder.join(format!("{name}.key")), pair.key.as_bytes())
    };
    let authority = Authority::create("melouvert-cluster", now)?;
    write("ca", &authority.pair)?;
    let front = Authority::create("melouvert-cluster-front-proxy", now)?;
    write("front-proxy-ca", &front.pair)?;
    write(
        "front-proxy-client",
        &front.client("front-proxy-client", &[])?,
    )?;

    let names = [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "localhost",
        "127.0.0.1",
        "10.96.0.1",
        NODE_ADDRESS,
    ];
    write(
        "apiserver",
        &authority.server("kube-apiserver", &[], &names)?,
    )?;
    let node = format!("system:node:{NODE_NAME}");
    write(
        "kubelet-server",
        &authority.server(&node, &["system:nodes"], &[NODE_NAME, NODE_ADDRESS])?,
    )?;
    for (file, user, groups) in [
        ("admin", "admin", &["system:masters"][..]),
        (
            "kubelet-client",
            "kube-apiserver-kubelet-client",
            &["system:masters"][..],
        ),
        (
            "addons",
            "melouvert-cluster-addons",
            &["system:masters"][..],
        ),
        ("controllers", "system:kube-controller-manager", &[][..]),
        ("scheduler", "system:kube-scheduler", &[][..]),
        ("proxy", "system:kube-proxy", &[][..]),
        ("kubelet", node.as_str(), &["system:nodes"][..]),
    ] {
        write(file, &authority.client(user, groups)?)?;
    }
    let accounts = KeyPair::generate().map_err(|source| Error::Certificate {
        subject: "service accounts".to_owned(),
        source,
    })?;
    write_private(&folder.join("sa.key"), accounts.serialize_pem().as_bytes())?;
    write_private(&folder.join("sa.pub"), accounts.public_key_pem().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_certificate_is_version_3_and_carries_every_group() {
        let now = SystemTime::now();
        let folder = tempfile::tempdir().expect("a temporary folder");
        create(folder.path(), now).expect("made");
        let authority = Authority::load(folder.path(), "ca", now).expect("taken up again");
        let pair = authority
            .client("marie", &["dsi", "helpdesk"])
            .expect("signed");
        let file = folder.path().join("marie.crt");
        write_private(&file, pair.certificate.as_bytes()).expect("written");
        let text = crate::run::output(
            std::process::Command::new("openssl")
                .args(["x509", "-noout", "-text", "-in"])
                .arg(&file),
        )
        .expect("openssl reads it");
        for part in [
            "Version: 3",
            "O = dsi, O = helpdesk, CN = marie",
            "TLS Web Client Authentication",
        ] {
            assert!(
                text.replace("O=", "O = ")
                    .replace("CN=", "CN = ")
                    .contains(part),
                "{part} in {text}"
            );
        }
        crate::run::output(
            std::process::Command::new("openssl")
                .args(["verify", "-CAfile"])
                .arg(folder.path().join("ca.crt"))
                .arg(&file),
        )
        .expect("the chain holds");
    }
}
