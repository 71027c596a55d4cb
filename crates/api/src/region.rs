//! `Region`: one hosting site.

use kube::{CustomResource, KubeSchema};
use melouvert_domain::{Cidr, cidr::CidrError};
use serde::{Deserialize, Serialize};

/// One hosting site: where tenants run, store and send.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[kube(
    group = "melouvert.fr",
    version = "v1alpha1",
    kind = "Region",
    plural = "regions",
    category = "melouvert",
    status = "SpecStatus",
    derive = "PartialEq",
    printcolumn(json_path = ".spec.baseDomain", name = "Domain", type_ = "string"),
    printcolumn(json_path = ".spec.storageClass", name = "Storage", type_ = "string"),
    printcolumn(
        json_path = ".metadata.creationTimestamp",
        name = "Age",
        type_ = "date"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct RegionSpec {
    /// The domain under which the region's own servers are named, e.g. `normandie.melouvert.example`.
    #[x_kube(validation = Rule::new("self.matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?[.])+[a-z][-a-z0-9]*[a-z0-9]$')").message("baseDomain must be a lower-case domain name, e.g. normandie.melouvert.example"))]
    #[schemars(length(max = 253))]
    pub base_domain: String,
    /// The StorageClass of tenants' volumes; the cluster's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')").message("storageClass must be the name of a StorageClass, e.g. local-path"))]
    #[schemars(length(max = 253))]
    pub storage_class: Option<String>,
    /// Whether migrations write into spaces' stores without a sync per message. A power cut is safe
    /// only where it leaves of the tenants' volumes what was written up to some instant, e.g. ext4
    /// mounted with `data=journal`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub migration_door: bool,
    /// The images that tenants run.
    pub images: Images,
    /// The region's PostgreSQL.
    pub database: DatabaseServer,
    /// Where name servers answer, as CIDRs; kube-dns pods in kube-system when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(validation = Rule::new("self.all(c, isCIDR(c))").message("dnsCidrs must be CIDRs, e.g. 192.0.2.53/32"))]
    #[schemars(length(max = 16), inner(length(max = 64)))]
    pub dns_cidrs: Vec<String>,
    /// Where migrations may read besides the Internet, as CIDRs: legacy servers in private networks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(validation = Rule::new("self.all(c, isCIDR(c))").message("sourceCidrs must be CIDRs, e.g. 10.20.0.7/32"))]
    #[schemars(length(max = 64), inner(length(max = 64)))]
    pub source_cidrs: Vec<String>,
    /// The region's own addresses, as CIDRs, which migrations never reach: nodes, pods, Services, the
    /// API server. Those of `dnsCidrs` and `database.cidr` are taken for granted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(validation = Rule::new("self.all(c, isCIDR(c))").message("ownCidrs must be CIDRs, e.g. 192.0.2.0/24"))]
    #[schemars(length(max = 64), inner(length(max = 64)))]
    pub own_cidrs: Vec<String>,
    /// The proxies that the region's servers believe when they tell a client's address (PROXY
    /// protocol, version 2), as CIDRs. Nobody when empty: no server then knows where a client is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(
        validation = Rule::new("self.all(c, isCIDR(c) && cidr(c) == cidr(c).masked())").message("trustedProxies must be CIDRs with no bit set behind the prefix, e.g. 192.0.2.0/28"),
        validation = Rule::new("self.all(c, !isCIDR(c) || cidr(c).prefixLength() >= 8)").message("trustedProxies must name proxies, not half the world: a prefix of 8 or more"),
    )]
    #[schemars(length(max = 16), inner(length(max = 64)))]
    pub trusted_proxies: Vec<String>,
}

impl RegionSpec {
    /// The proxies that are believed, read.
    pub fn proxies(&self) -> Result<Vec<Cidr>, CidrError> {
        self.trusted_proxies
            .iter()
            .map(|text| text.parse())
            .collect()
    }
}

/// What the operator did of a change of a `Region` or `Plan`.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SpecStatus {
    /// The generation whose author is in the platform's journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journaled_generation: Option<i64>,
}

/// The images that tenants run, as full references.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Images {
    /// Dovecot 2.4.
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9][^ ]*$')").message("images.dovecot must be an image reference, e.g. registry.example/melouvert/dovecot:1.0"))]
    #[schemars(length(min = 1, max = 512))]
    pub dovecot: String,
    /// Exim.
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9][^ ]*$')").message("images.exim must be an image reference, e.g. registry.example/melouvert/exim:1.0"))]
    #[schemars(length(min = 1, max = 512))]
    pub exim: String,
    /// The image with `melouvert`, run by migration Jobs.
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9][^ ]*$')").message("images.melouvert must be an image reference, e.g. registry.example/melouvert/operator:1.0"))]
    #[schemars(length(min = 1, max = 512))]
    pub melouvert: String,
}

/// Where the region's PostgreSQL listens. Its administrator's credentials are the operator's own.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseServer {
    /// A host name that its certificate carries.
    #[x_kube(validation = Rule::new("self.matches('^[a-zA-Z0-9]([-a-zA-Z0-9.]*[a-zA-Z0-9])?$')").message("database.host must be a host name, e.g. pg.hoster.example"))]
    #[schemars(length(min = 1, max = 253))]
    pub host: String,
    /// Its port.
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
    /// Its address range when it is outside the cluster; pods labelled
    /// `app.kubernetes.io/component=postgresql` of the operator's namespace when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("isCIDR(self)").message("database.cidr must be a CIDR, e.g. 192.0.2.7/32"))]
    #[schemars(length(max = 64))]
    pub cidr: Option<String>,
    /// The certificates, PEM, of the authorities that its certificate is verified against. When
    /// absent: `ca.crt` of the operator's own Secret for the database, else the region's root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.startsWith('-----BEGIN CERTIFICATE-----')").message("database.ca must be one or more PEM certificates, starting with -----BEGIN CERTIFICATE-----"))]
    #[schemars(length(max = 65536))]
    pub ca: Option<String>,
}
