//! Which names a tenant's certificates carry, and the Secrets that hold them.

use melouvert_domain::NamespaceName;
use secrecy::ExposeSecret;

use crate::{KeyPairPem, Material, Object, ValidatedTenant, meta::Place};

/// The Secret of the tenant's intermediate authority.
pub const CA_SECRET: &str = "tenant-ca";
/// The Secret of the mail servers' certificate.
pub const SERVER_SECRET: &str = "mail-tls";
/// The Secret of the certificate shown to the outbound relay.
pub const CLIENT_SECRET: &str = "mail-client-tls";

/// What to ask of the tenant's certificate authority: common names of at most 64 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateNames {
    /// The intermediate's common name.
    pub ca_common_name: String,
    /// The DNS subtrees that the intermediate may vouch for, sorted: nothing of another tenant.
    pub ca_permitted_dns: Vec<String>,
    /// The server leaf's common name.
    pub server_common_name: String,
    /// The server leaf's DNS names, sorted.
    pub server_dns_names: Vec<String>,
    /// The client leaf's common name: the namespace, by which the relay knows the tenant.
    pub client_common_name: String,
    /// The client leaf's DNS name. A verifier should trust this one rather than the common name,
    /// which no name constraint covers.
    pub client_dns_names: Vec<String>,
}

/// The DNS name of a tenant as a client of the region's servers: resolves nowhere on purpose.
pub fn client_dns_name(namespace: &NamespaceName) -> String {
    format!("{namespace}.melouvert.internal")
}

/// The host name under which a tenant's mail pod answers inside the cluster.
pub fn mail_host(namespace: &NamespaceName) -> String {
    format!("mail.{namespace}.svc.cluster.local")
}

/// The names of a tenant's certificates.
pub fn certificate_names(tenant: &ValidatedTenant) -> CertificateNames {
    let namespace = &tenant.namespace;
    let mut server = vec![mail_host(namespace), format!("mail.{namespace}.svc")];
    let mut permitted = vec![
        format!("{namespace}.svc.cluster.local"),
        format!("{namespace}.svc"),
        client_dns_name(namespace),
    ];
    for domain in tenant.domains().map(melouvert_domain::MailDomain::as_str) {
        permitted.push(domain.into());
        server.extend(["imap", "smtp", "mail"].map(|host| format!("{host}.{domain}")));
    }
    server.sort_unstable();
    server.dedup();
    permitted.sort_unstable();
    permitted.dedup();
    CertificateNames {
        ca_common_name: format!("Melouvert {namespace}"),
        ca_permitted_dns: permitted,
        server_common_name: mail_host(namespace),
        server_dns_names: server,
        client_common_name: namespace.to_string(),
        client_dns_names: vec![client_dns_name(namespace)],
    }
}

/// The intermediate, which no pod mounts.
pub(crate) fn authority(material: &Material, place: &Place<'_>) -> Object {
    tls_secret(place, CA_SECRET, &material.ca, &material.root_pem)
}

/// The leaves that the mail pod mounts.
pub(crate) fn leaves(material: &Material, place: &Place<'_>) -> [Object; 2] {
    [
        (SERVER_SECRET, &material.server),
        (CLIENT_SECRET, &material.client),
    ]
    .map(|(name, pair)| tls_secret(place, name, pair, &material.root_pem))
}

/// A Secret of type `kubernetes.io/tls` with `tls.crt`, `tls.key` and `ca.crt`.
pub(crate) fn tls_secret(
    place: &Place<'_>,
    name: &str,
    pair: &KeyPairPem,
    root_pem: &str,
) -> Object {
    let data = [
        ("tls.crt", pair.chain.as_str()),
        ("tls.key", pair.key.expose_secret()),
        ("ca.crt", root_pem),
    ];
    Object::of(&place.secret(name, "kubernetes.io/tls", data))
}
