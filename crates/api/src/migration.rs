//! `Migration`: mailboxes copied from a legacy server into a tenant.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// Mailboxes to copy from a legacy server into this namespace's tenant.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[kube(
    group = "melouvert.fr",
    version = "v1alpha1",
    kind = "Migration",
    plural = "migrations",
    namespaced,
    shortname = "mig",
    category = "melouvert",
    status = "MigrationStatus",
    derive = "PartialEq",
    printcolumn(json_path = ".spec.source.host", name = "Source", type_ = "string"),
    printcolumn(json_path = ".status.phase", name = "Phase", type_ = "string"),
    printcolumn(
        json_path = ".status.accounts.complete",
        name = "Complete",
        type_ = "integer"
    ),
    printcolumn(
        json_path = ".status.accounts.total",
        name = "Accounts",
        type_ = "integer"
    ),
    printcolumn(
        json_path = ".status.messages.copied",
        name = "Copied",
        type_ = "integer"
    ),
    printcolumn(
        json_path = ".status.messages.absent",
        name = "Absent",
        type_ = "integer"
    ),
    printcolumn(
        json_path = ".metadata.creationTimestamp",
        name = "Age",
        type_ = "date"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct MigrationSpec {
    /// The legacy server.
    pub source: Source,
    /// A Secret of this namespace whose key `accounts.csv` lists the accounts:
    /// `source_user,source_password,target_user,target_password`.
    #[schemars(length(min = 1, max = 253))]
    pub accounts_secret: String,
    /// How many accounts are copied at once.
    #[serde(default = "default_jobs")]
    #[schemars(range(min = 1, max = 32))]
    pub jobs: u32,
    /// Raised to run again over what was already copied.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub run: u32,
}

fn default_jobs() -> u32 {
    2
}

/// A legacy IMAP server: the only address that the migration's Job may reach outside its tenant.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// Its name, which its certificate carries.
    #[schemars(length(min = 1, max = 253))]
    pub host: String,
    /// Its port.
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
    /// The addresses behind the name, as CIDRs: egress is opened to them alone.
    #[x_kube(validation = Rule::new("self.all(c, isCIDR(c))").message("source.cidrs must be CIDRs, e.g. 203.0.113.7/32"))]
    #[schemars(length(min = 1, max = 16), inner(length(max = 64)))]
    pub cidrs: Vec<String>,
    /// The PEM of the authority that signed its certificate; public roots when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65536))]
    pub ca: Option<String>,
    /// Whether the copy may go unencrypted, for a server that has no TLS.
    #[serde(default)]
    pub allow_cleartext: bool,
}

/// What was seen of a migration.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct MigrationStatus {
    /// The generation that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// kstatus conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// `Pending`, `Running`, `Complete`, `Partial`, `Failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// How the accounts stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounts: Option<AccountCounts>,
    /// How the messages stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<MessageCounts>,
    /// BLAKE3 of the proof kept in the tenant's database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof_hash: Option<String>,
}

/// How the accounts of a migration stand.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AccountCounts {
    /// All of them.
    pub total: u64,
    /// Those without any exception.
    pub complete: u64,
    /// Those with something absent.
    pub incomplete: u64,
}

/// How the messages of a migration stand.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct MessageCounts {
    /// Found at the source.
    pub source: u64,
    /// Copied, in this run or an earlier one.
    pub copied: u64,
    /// Absent from the target, each with an exception in the proof.
    pub absent: u64,
    /// Bytes copied.
    pub bytes: u64,
}
