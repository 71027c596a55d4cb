//! What a tenant is rendered from.

use std::fmt;

use k8s_openapi::api::rbac::v1::Subject;
use melouvert_api::RegionSpec;
use melouvert_domain::{Cidr, Lifecycle, MailDomain, NamespaceName, Siren, StorageSize};
use secrecy::SecretString;

/// A tenant whose every field was checked: rendering it cannot fail.
#[derive(Debug, Clone)]
pub struct ValidatedTenant {
    /// The UID of its Collectivity: destructive steps compare it.
    pub uid: String,
    /// Its SIREN.
    pub siren: Siren,
    /// Its namespace.
    pub namespace: NamespaceName,
    /// Its official name.
    pub legal_name: String,
    /// Its main mail domain.
    pub main_domain: MailDomain,
    /// Its other mail domains.
    pub other_domains: Vec<MailDomain>,
    /// What is asked of the space.
    pub lifecycle: Lifecycle,
    /// How much it may keep.
    pub quota: TenantQuota,
    /// What is asked of the storage for it.
    pub volume: TenantVolume,
    /// What its pods may take together.
    pub resources: TenantResources,
    /// The region that hosts it.
    pub region: RegionSpec,
    /// The region's proxies that are believed when they tell a client's address.
    pub trusted_proxies: Vec<Cidr>,
    /// The namespace of the operator, relays and database.
    pub system_namespace: String,
    /// The region and plan that it is rendered with, JSON: kept with the namespace.
    pub last_known: String,
    /// Who runs migrations on the whole region.
    pub migrators: Vec<Subject>,
}

impl ValidatedTenant {
    /// Every mail domain, the main one first.
    pub fn domains(&self) -> impl Iterator<Item = &MailDomain> {
        std::iter::once(&self.main_domain).chain(&self.other_domains)
    }
}

/// How much a tenant may keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenantQuota {
    /// How many agents.
    pub agents: u32,
    /// The size of the mail volume.
    pub storage: StorageSize,
    /// The default quota of one mailbox.
    pub mailbox: StorageSize,
}

/// The claim of the mail volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantVolume {
    /// The size that is asked for.
    pub size: StorageSize,
    /// The StorageClass: of a claim that exists, its own, since it never changes.
    pub class: Option<String>,
}

/// Limits of a tenant's mail pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenantResources {
    /// Processor time in thousandths of a core.
    pub cpu_millis: u32,
    /// Memory.
    pub memory: StorageSize,
}

/// A certificate with its key, as PEM.
#[derive(Clone)]
pub struct KeyPairPem {
    /// The certificate and the intermediates above it, without the root.
    pub chain: String,
    /// The key, PKCS#8.
    pub key: SecretString,
}

impl fmt::Debug for KeyPairPem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyPairPem(redacted)")
    }
}

/// The secrets and certificates of a tenant, made once and kept by the operator.
#[derive(Debug, Clone)]
pub struct Material {
    /// The region's root, which every verifier trusts.
    pub root_pem: String,
    /// The authorities of the database's certificate.
    pub database_ca_pem: String,
    /// The tenant's intermediate.
    pub ca: KeyPairPem,
    /// What its servers show.
    pub server: KeyPairPem,
    /// What its pod shows to the outbound relay.
    pub client: KeyPairPem,
    /// The password of the database's reader role.
    pub reader_password: SecretString,
    /// The key of Dovecot's administration interface.
    pub doveadm_api_key: SecretString,
    /// What the passwords of the migrations' door are made of.
    pub door_key: SecretString,
    /// The mail-signing Ed25519 key, PKCS#8 PEM; selector [`crate::DKIM_ED25519_SELECTOR`].
    pub dkim_ed25519: SecretString,
    /// The mail-signing RSA key, PKCS#8 PEM, once it was made in the background; selector
    /// [`crate::DKIM_RSA_SELECTOR`].
    pub dkim_rsa: Option<SecretString>,
}
