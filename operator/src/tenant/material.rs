//! A tenant's keys, certificates and passwords: a pure function of what exists and of the instant.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use melouvert_pki::{
    Authority, CertInfo, IntermediateRequest, Leaf, LeafRequest, PkiError, PrivateKey, Usage, dkim,
    due, inspect, life,
};
use melouvert_tenant_template::{KeyPairPem, Material, certificates::CertificateNames};
use rand::CryptoRng;
use secrecy::SecretString;

use crate::{
    bootstrap::{RegionRoot, RootAway, hex_secret},
    cluster::secret,
};

/// The data of Secrets, by name.
pub type Existing = BTreeMap<String, BTreeMap<String, ByteString>>;

/// The tenant's intermediate authority.
pub use melouvert_tenant_template::certificates::CA_SECRET as CA;
/// What the mail servers show as clients.
pub use melouvert_tenant_template::certificates::CLIENT_SECRET as CLIENT_TLS;
/// The mail servers' certificate.
pub use melouvert_tenant_template::certificates::SERVER_SECRET as MAIL_TLS;
/// Keys that sign outgoing mail.
pub use melouvert_tenant_template::mail::DKIM_SECRET as DKIM;
/// Passwords of the mail servers.
pub use melouvert_tenant_template::mail::SERVERS_SECRET as DATABASE;
/// All of them.
pub const SECRETS: [&str; 5] = [CA, MAIL_TLS, CLIENT_TLS, DKIM, DATABASE];

pub use melouvert_tenant_template::mail::{DOOR_KEY, DOVEADM_API_KEY, READER_PASSWORD};
/// Keys of [`DKIM`].
pub const DKIM_ED25519: &str = "ed25519.pem";
/// See [`DKIM_ED25519`].
pub const DKIM_RSA: &str = "rsa.pem";

/// Why keys could not be made.
#[derive(Debug, thiserror::Error)]
pub enum MaterialError {
    /// One could not be issued.
    #[error("failed to prepare {what}")]
    Pki {
        /// The Secret concerned.
        what: &'static str,
        /// Why.
        #[source]
        source: PkiError,
    },
    /// The root's key is needed and away.
    #[error("failed to prepare {what}")]
    Root {
        /// The Secret concerned.
        what: &'static str,
        /// Why.
        #[source]
        source: RootAway,
    },
    /// A key that was published once is gone: mail signed by another would not verify.
    #[error(
        "{key} of Secret {what} is missing or unreadable and was published: restore it from a backup, or ask for another by the annotation melouvert.fr/make-anew=dkim"
    )]
    Lost {
        /// The Secret concerned.
        what: &'static str,
        /// Its key.
        key: &'static str,
    },
}

/// Which signing keys exist somewhere, to be found again and never made anew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Published {
    /// The Ed25519 key.
    pub ed25519: bool,
    /// The RSA key.
    pub rsa: bool,
}

/// Everything secret that a tenant's servers need.
#[derive(Debug)]
pub struct Keys {
    /// The tenant's authority.
    pub ca: Authority,
    /// The mail servers' certificate.
    pub mail: Leaf,
    /// The mail servers' certificate as clients.
    pub client: Leaf,
    /// Password of the database's reader role.
    pub reader_password: String,
    /// Password of Dovecot's administration interface.
    pub doveadm_api_key: String,
    /// What the passwords of the migrations' door are made of.
    pub door_key: String,
    /// The cheap signing key.
    pub dkim_ed25519: PrivateKey,
    /// The signing key for receivers that do not know Ed25519, once it is made.
    pub dkim_rsa: Option<PrivateKey>,
    /// What existed and was made again, by Secret.
    pub renewed: Vec<&'static str>,
}

impl Keys {
    /// When the first of the certificates is due.
    pub fn first_renewal(&self) -> Timestamp {
        let all = [self.ca.info(), &self.mail.info, &self.client.info];
        all.map(|info| info.renewal_at)
            .into_iter()
            .min()
            .unwrap_or(Timestamp::MAX)
    }

    /// What the renderer takes.
    pub fn material(&self, root: &RegionRoot, database_ca_pem: &str) -> Material {
        let secret = |key: &PrivateKey| SecretString::from(key.expose_pem().to_owned());
        let pair = |chain: &str, key| KeyPairPem {
            chain: chain.into(),
            key: secret(key),
        };
        Material {
            root_pem: root.certificate_pem().into(),
            database_ca_pem: database_ca_pem.into(),
            ca: pair(&self.ca.chain_pem(), self.ca.key()),
            server: pair(&self.mail.chain_pem, &self.mail.key),
            client: pair(&self.client.chain_pem, &self.client.key),
            reader_password: SecretString::from(self.reader_password.clone()),
            doveadm_api_key: SecretString::from(self.doveadm_api_key.clone()),
            door_key: SecretString::from(self.door_key.clone()),
            dkim_ed25519: secret(&self.dkim_ed25519),
            dkim_rsa: self.dkim_rsa.as_ref().map(secret),
        }
    }

    /// When the first of the certificates expires.
    pub fn first_expiry(&self) -> Timestamp {
        let all = [self.ca.info(), &self.mail.info, &self.client.info];
        all.map(|info| info.not_after)
            .into_iter()
            .min()
            .unwrap_or(Timestamp::MAX)
    }
}

/// Keeps what is good, makes what is missing, renews what is due.
///
/// The authority is made again when the domains change, because it may vouch for them alone; its
/// leaves follow. Keys that sign mail and passwords never change by themselves.
pub fn prepare(
    existing: &Existing,
    names: &CertificateNames,
    root: &RegionRoot,
    published: Published,
    now: Timestamp,
    rng: &mut impl CryptoRng,
) -> Result<Keys, MaterialError> {
    let mut renewed = Vec::new();
    // First, so that nothing is made beside a loss.
    let dkim_ed25519 = found_key(existing, DKIM_ED25519, published.ed25519)?;
    let dkim_rsa = found_key(existing, DKIM_RSA, published.rsa)?;
    let ca = authority(existing, names, root, now, rng, &mut renewed)?;
    let mail = Wanted {
        secret: MAIL_TLS,
        common_name: &names.server_common_name,
        names: &names.server_dns_names,
        usage: Usage::Server,
    };
    let client = Wanted {
        secret: CLIENT_TLS,
        common_name: &names.client_common_name,
        names: &names.client_dns_names,
        usage: Usage::Client,
    };
    Ok(Keys {
        mail: leaf(existing, &mail, &ca, now, rng, &mut renewed)?,
        client: leaf(existing, &client, &ca, now, rng, &mut renewed)?,
        ca,
        reader_password: password(existing, READER_PASSWORD, rng),
        doveadm_api_key: password(existing, DOVEADM_API_KEY, rng),
        door_key: password(existing, DOOR_KEY, rng),
        dkim_ed25519: match dkim_ed25519 {
            Some(key) => key,
            None => dkim::ed25519(rng).map_err(failed(DKIM))?,
        },
        dkim_rsa,
        renewed,
    })
}

/// The kept authority, or another. While the root's key is away one that is due serves on.
fn authority(
    existing: &Existing,
    names: &CertificateNames,
    root: &RegionRoot,
    now: Timestamp,
    rng: &mut impl CryptoRng,
    renewed: &mut Vec<&'static str>,
) -> Result<Authority, MaterialError> {
    let kept = kept_ca(existing, &names.server_dns_names, root);
    let issuer = match (root.authority(), kept) {
        (_, Some(ca)) if !due(ca.info(), now) => return Ok(ca),
        (Err(_), Some(ca)) if now < ca.info().not_after => return Ok(ca),
        (Err(source), _) => return Err(MaterialError::Root { what: CA, source }),
        (Ok(issuer), _) => issuer,
    };
    note(renewed, existing, CA);
    new_ca(names, issuer, now, rng).map_err(failed(CA))
}

fn failed(what: &'static str) -> impl Fn(PkiError) -> MaterialError {
    move |source| MaterialError::Pki { what, source }
}

fn note(renewed: &mut Vec<&'static str>, existing: &Existing, secret: &'static str) {
    if existing.contains_key(secret) {
        renewed.push(secret);
    }
}

fn text(existing: &Existing, name: &str, key: &str) -> Option<String> {
    secret::value(existing.get(name)?, key)
        .ok()
        .filter(|text| !text.is_empty())
}

fn kept_ca(existing: &Existing, names: &[String], root: &RegionRoot) -> Option<Authority> {
    let chain = text(existing, CA, "tls.crt")?;
    let ca = Authority::from_pem(&chain, &text(existing, CA, "tls.key")?).ok()?;
    let under_root = text(existing, CA, "ca.crt")? == root.certificate_pem();
    // A leaf that is gone says nothing about the domains: the authority stays.
    let same_domains = text(existing, MAIL_TLS, "tls.crt")
        .and_then(|pem| inspect(&pem).ok())
        .is_none_or(|info| info.dns_names == names);
    (under_root && same_domains).then_some(ca)
}

fn new_ca(
    names: &CertificateNames,
    root: &Authority,
    now: Timestamp,
    rng: &mut impl CryptoRng,
) -> Result<Authority, PkiError> {
    let request = IntermediateRequest {
        common_name: &names.ca_common_name,
        permitted_dns: &names.ca_permitted_dns,
        life: life::INTERMEDIATE,
    };
    root.intermediate(&request, now, rng)
}

struct Wanted<'a> {
    secret: &'static str,
    common_name: &'a str,
    names: &'a [String],
    usage: Usage,
}

fn leaf(
    existing: &Existing,
    wanted: &Wanted<'_>,
    ca: &Authority,
    now: Timestamp,
    rng: &mut impl CryptoRng,
    renewed: &mut Vec<&'static str>,
) -> Result<Leaf, MaterialError> {
    if let Some(kept) = kept_leaf(existing, wanted, ca, now) {
        return Ok(kept);
    }
    note(renewed, existing, wanted.secret);
    let request = LeafRequest {
        common_name: wanted.common_name,
        dns_names: wanted.names,
        usage: wanted.usage,
        life: life::LEAF,
    };
    ca.issue(&request, now, rng).map_err(failed(wanted.secret))
}

fn kept_leaf(
    existing: &Existing,
    wanted: &Wanted<'_>,
    ca: &Authority,
    now: Timestamp,
) -> Option<Leaf> {
    let chain_pem = text(existing, wanted.secret, "tls.crt")?;
    let key = PrivateKey::from_pem(&text(existing, wanted.secret, "tls.key")?).ok()?;
    let info: CertInfo = inspect(&chain_pem).ok()?;
    // The chain ends with its authority: a leaf under an authority of the same name but an older
    // key is not kept.
    let under_ca = chain_pem.ends_with(&ca.chain_pem());
    let good = under_ca && info.dns_names == wanted.names && !due(&info, now);
    good.then_some(Leaf {
        chain_pem,
        key,
        info,
    })
}

fn password(existing: &Existing, key: &str, rng: &mut impl CryptoRng) -> String {
    text(existing, DATABASE, key).unwrap_or_else(|| hex_secret(rng))
}

/// Leaves out the signing keys that cannot be read: somebody answered for their loss.
pub fn without_unreadable(mut existing: Existing) -> Existing {
    if let Some(keys) = existing.get_mut(DKIM) {
        keys.retain(|_, bytes| {
            std::str::from_utf8(&bytes.0).is_ok_and(|pem| PrivateKey::from_pem(pem).is_ok())
        });
    }
    existing
}

/// A signing key: an error when it is lost, `None` when it was never made.
fn found_key(
    existing: &Existing,
    name: &'static str,
    published: bool,
) -> Result<Option<PrivateKey>, MaterialError> {
    let lost = || MaterialError::Lost {
        what: DKIM,
        key: name,
    };
    let Some(bytes) = existing.get(DKIM).and_then(|data| data.get(name)) else {
        return if published { Err(lost()) } else { Ok(None) };
    };
    let pem = std::str::from_utf8(&bytes.0).map_err(|_| lost())?;
    PrivateKey::from_pem(pem).map(Some).map_err(|_| lost())
}

#[cfg(test)]
mod tests;
