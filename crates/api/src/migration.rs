//! `Migration`: mailboxes copied from a legacy server into a tenant.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
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
    validation = Rule::new("has(self.spec.accountsSecret) != (has(self.spec.waves) && size(self.spec.waves) > 0)").message("give either spec.accountsSecret or spec.waves, each with its accountsSecret"),
    validation = Rule::new("self.spec.stage != 'RolledBack' || oldSelf.spec.stage != 'Presync'").message("spec.stage goes to RolledBack from Cutover alone: before, the legacy server still is the reference"),
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
    /// `source_user,source_password,target_user,target_password`. Without waves only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^migration-[a-z0-9][-a-z0-9]*-accounts$')").message("accountsSecret must be migration-<metadata.name>-…-accounts, as `melouvert migrate run` names it: no other Secret of the space lends itself"))]
    #[schemars(length(min = 1, max = 253))]
    pub accounts_secret: Option<String>,
    /// The accounts in waves, in order; each has its own Secret, deleted once the wave is cut over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(validation = Rule::new("self.all(w, self.exists_one(o, o.name == w.name))").message("waves must not repeat a name"))]
    #[schemars(length(max = 32))]
    pub waves: Vec<WaveSpec>,
    /// How many accounts are copied at once, each by a Job.
    #[serde(default = "default_jobs")]
    #[schemars(range(min = 1, max = 32))]
    pub jobs: u32,
    /// What the accounts at work may take together from the legacy server.
    #[serde(default)]
    pub limits: LimitsSpec,
    /// How far to go: `Presync` copies ahead; `Cutover` catches up, verifies everything and proves;
    /// `RolledBack` makes the legacy server the reference again, deleting nothing.
    #[serde(default)]
    pub stage: StageSchema,
    /// Whether everything is to stand still; what runs stops after the batches in flight.
    #[serde(default)]
    pub paused: bool,
    /// Whether somebody states that the legacy server takes no more changes. Else a cut-over ends
    /// only once a whole pass found nothing changed.
    #[serde(default)]
    pub source_frozen: bool,
    /// Raised to pass over every account again.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self >= oldSelf").message("run only rises: each value stands for one pass over all accounts"))]
    #[schemars(range(min = 0))]
    pub run: u32,
    /// Raised to pass again over the accounts with something absent.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self >= oldSelf").message("retry only rises: each value stands for one pass over the incomplete accounts"))]
    #[schemars(range(min = 0))]
    pub retry: u32,
    /// Days after the cut-over during which it may be rolled back.
    #[serde(default = "default_rollback_days")]
    #[schemars(range(min = 1, max = 90))]
    pub rollback_days: u32,
}

fn default_jobs() -> u32 {
    2
}

fn default_rollback_days() -> u32 {
    14
}

impl MigrationSpec {
    /// One migration without waves, as far as its presync.
    pub fn simple(source: Source, accounts_secret: String, jobs: u32) -> Self {
        Self {
            source,
            accounts_secret: Some(accounts_secret),
            waves: Vec::new(),
            jobs,
            limits: LimitsSpec::default(),
            stage: StageSchema::default(),
            paused: false,
            source_frozen: false,
            run: 0,
            retry: 0,
            rollback_days: default_rollback_days(),
        }
    }
}

/// How far a migration is to go.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StageSchema {
    /// Copy ahead; the legacy server stays the reference.
    #[default]
    Presync,
    /// Catch up, verify everything, prove; then the space is the reference.
    Cutover,
    /// The legacy server is the reference again.
    RolledBack,
}

/// Accounts that go together.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct WaveSpec {
    /// Its name within the migration.
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')").message("waves[].name must be lower-case letters, digits and hyphens"))]
    #[schemars(length(min = 1, max = 40))]
    pub name: String,
    /// A Secret of this namespace whose key `accounts.csv` lists its accounts.
    #[x_kube(validation = Rule::new("self.matches('^migration-[a-z0-9][-a-z0-9]*-accounts$')").message("waves[].accountsSecret must be migration-<metadata.name>-…-accounts, as `melouvert migrate run` names it: no other Secret of the space lends itself"))]
    #[schemars(length(min = 1, max = 253))]
    pub accounts_secret: String,
    /// The logins of the Secret that belong to this wave; all of them when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500), inner(length(min = 1, max = 255)))]
    pub accounts: Vec<String>,
    /// When it may run: days, hours and a time zone; always when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(validation = Rule::new("self.all(w, w.matches('^[^ ]+ [0-9]{2}:[0-9]{2}-([^ ]+ )?[0-9]{2}:[0-9]{2} [^ ]+$'))").message("windows must be days, hours and a time zone, e.g. Fri 20:00-Mon 06:00 Europe/Paris"))]
    #[schemars(length(max = 8), inner(length(max = 96)))]
    pub windows: Vec<String>,
    /// The instant before which it does not run, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub not_before: Option<String>,
    /// How far this wave goes, when not as far as the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<StageSchema>,
}

/// Caps on one migration's use of the legacy server.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct LimitsSpec {
    /// Connections at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub connections_per_host: Option<u32>,
    /// Bytes read a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1024, max = 1_000_000_000_000_i64))]
    pub bytes_per_second: Option<u64>,
}

/// A legacy IMAP server: the only address that the migration's Job may reach outside its tenant.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[x_kube(validation = Rule::new("!(self.startTls && self.allowCleartext)").message("source.startTls encrypts and source.allowCleartext does not: give one of them"))]
#[x_kube(validation = Rule::new("!has(self.master) || self.auth in ['Auto', 'Plain']").message("source.master needs source.auth Auto or Plain: the other ways of logging in know no administrator"))]
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
    /// Whether TLS starts within the connection (STARTTLS, RFC 9051 §6.2.1), usually on port 143.
    #[serde(default)]
    pub start_tls: bool,
    /// How to log in.
    #[serde(default)]
    pub auth: AuthSchema,
    /// The administrator of the server who logs in for each agent (authorization identity of SASL
    /// PLAIN); `source_password` is then the administrator's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(r"!self.matches('[\\p{Cc}\\p{Cf}\\p{Co}\\p{Zl}\\p{Zp}]')").message("source.master must hold no invisible character, such as those that turn a text around (U+202E)"))]
    #[schemars(length(min = 1, max = 255))]
    pub master: Option<String>,
}

/// How to log in to a legacy server.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AuthSchema {
    /// SASL PLAIN where the server offers it, else LOGIN.
    #[default]
    Auto,
    /// SASL PLAIN (RFC 4616).
    Plain,
    /// The LOGIN command.
    Login,
    /// XOAUTH2: `source_password` is an access token.
    XOAuth2,
    /// OAUTHBEARER (RFC 7628): `source_password` is an access token.
    OAuthBearer,
}

impl Source {
    /// Its URL, without any login: `imaps://`, `imap+starttls://` or, unencrypted, `imap://`.
    pub fn url(&self) -> String {
        let scheme = match (self.allow_cleartext, self.start_tls) {
            (true, _) => "imap",
            (false, true) => "imap+starttls",
            (false, false) => "imaps",
        };
        if self.host.contains(':') {
            format!("{scheme}://[{}]:{}", self.host, self.port)
        } else {
            format!("{scheme}://{}:{}", self.host, self.port)
        }
    }
}

impl AuthSchema {
    /// Its name in the `auth` parameter of a URL; `None` where the server's offer decides.
    pub fn parameter(self) -> Option<&'static str> {
        match self {
            Self::Auto => None,
            Self::Plain => Some("plain"),
            Self::Login => Some("login"),
            Self::XOAuth2 => Some("xoauth2"),
            Self::OAuthBearer => Some("oauthbearer"),
        }
    }
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
    /// `Pending`, `Waiting`, `Paused`, `Running`, `Complete`, `Partial`, `Failed`, `Chasing` (the
    /// source still changes), `CutOver`, `RolledBack`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// How the accounts stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounts: Option<AccountCounts>,
    /// How the messages stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<MessageCounts>,
    /// How each wave stands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub waves: Vec<WaveStatus>,
    /// How each account stands, up to [`MAILBOXES_MAXIMUM`]; the counts above are of all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500))]
    pub mailboxes: Vec<MailboxStatus>,
    /// Bytes copied a second, just now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<u64>,
    /// Which server is to be used: `Source` or `Space`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// When every account was cut over, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_over_at: Option<String>,
    /// Until when it may be rolled back, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_until: Option<String>,
    /// BLAKE3 of the proof kept in the tenant's database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof_hash: Option<String>,
    /// Which passes that proof rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof_rests_on: Option<String>,
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
    /// Those at work.
    #[serde(default)]
    pub running: u64,
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
    /// Bytes at the source, as far as known; 0 when not.
    #[serde(default)]
    pub source_bytes: u64,
}

/// The greatest number of accounts that a status lists.
pub const MAILBOXES_MAXIMUM: usize = 500;

/// How a wave stands.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct WaveStatus {
    /// Its name.
    pub name: String,
    /// As the migration's.
    pub phase: String,
    /// Its accounts.
    pub accounts: AccountCounts,
    /// When it opens, if it waits for a window, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opens_at: Option<String>,
    /// When its passwords were deleted, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_deleted_at: Option<String>,
}

/// How an account stands.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct MailboxStatus {
    /// Its login at the legacy server.
    pub user: String,
    /// Its wave.
    pub wave: String,
    /// `Waiting`, `Running`, `Complete`, `Partial`, `Failed`, `Chasing`, `CutOver`.
    pub phase: String,
    /// Passes begun.
    pub pass: u32,
    /// Its messages.
    pub messages: MessageCounts,
    /// Bytes copied a second, while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<u64>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
