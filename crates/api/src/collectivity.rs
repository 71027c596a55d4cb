//! `Collectivity`: a tenant's desired state.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use melouvert_domain::{CollectivityKind, Lifecycle};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A local authority and the space that it is given.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[kube(
    group = "melouvert.fr",
    version = "v1alpha1",
    kind = "Collectivity",
    plural = "collectivities",
    shortname = "col",
    category = "melouvert",
    status = "CollectivityStatus",
    derive = "PartialEq",
    validation = Rule::new("self.metadata.name == 'col-' + self.spec.siren").message("metadata.name must be col-<spec.siren>: one object per SIREN"),
    printcolumn(json_path = ".spec.legalName", name = "Name", type_ = "string"),
    printcolumn(json_path = ".spec.plan", name = "Plan", type_ = "string"),
    printcolumn(json_path = ".spec.domains[0]", name = "Domain", type_ = "string"),
    printcolumn(json_path = ".spec.lifecycle", name = "Lifecycle", type_ = "string"),
    printcolumn(json_path = ".status.conditions[?(@.type==\"Ready\")].status", name = "Ready", type_ = "string"),
    printcolumn(json_path = ".status.conditions[?(@.type==\"Ready\")].reason", name = "Reason", type_ = "string", priority = 1),
    printcolumn(json_path = ".metadata.creationTimestamp", name = "Age", type_ = "date")
)]
#[serde(rename_all = "camelCase")]
pub struct CollectivitySpec {
    /// The SIREN: nine digits that pass Luhn. Never changes.
    #[x_kube(
        validation = Rule::new("self.matches('^[0-9]{9}$')").message("siren must be 9 digits"),
        validation = Rule::new("!self.matches('^[0-9]{9}$') || [0,1,2,3,4,5,6,7,8].map(i, i % 2 == 0 ? int(self.substring(i, i + 1)) : int(self.substring(i, i + 1)) * 2 / 10 + int(self.substring(i, i + 1)) * 2 % 10).sum() % 10 == 0").message("siren fails its check digit (Luhn): a digit is mistyped"),
        validation = Rule::new("self == oldSelf").message("siren never changes: end this space and open another"),
    )]
    #[schemars(length(max = 9))]
    pub siren: String,
    /// The official name, e.g. `Caen`.
    #[x_kube(validation = Rule::new(r"!self.matches('[\\p{Cc}\\p{Cf}\\p{Co}\\p{Zl}\\p{Zp}]')").message("legalName must hold no invisible character, such as those that turn a text around (U+202E)"))]
    #[schemars(length(min = 1, max = 200))]
    pub legal_name: String,
    /// What kind of authority it is.
    pub kind: CollectivityKindSchema,
    /// The INSEE code of a commune.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^(2[AB][0-9]{3}|[0-9]{5})$')").message("inseeCode must be 5 characters, e.g. 14118 or 2A004"))]
    #[schemars(length(max = 5))]
    pub insee_code: Option<String>,
    /// Inhabitants.
    #[schemars(range(min = 0))]
    pub population: u32,
    /// The `Region` that hosts it. Never changes.
    #[x_kube(validation = Rule::new("self == oldSelf").message("region never changes: a move between regions is a migration"))]
    #[schemars(length(min = 1, max = 63))]
    pub region: String,
    /// The `Plan` that it is given.
    #[schemars(length(min = 1, max = 63))]
    pub plan: String,
    /// Its mail domains, the first being the main one. Lower-case ASCII; not the State's.
    #[x_kube(
        validation = Rule::new("self.all(d, d.matches('^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?[.])+[a-z]([-a-z0-9]{0,61}[a-z0-9])$'))").message("domains must be lower-case domain names, e.g. caen.example"),
        validation = Rule::new("self.all(d, d != 'gouv.fr' && !d.endsWith('.gouv.fr') && !d.endsWith('-gouv.fr'))").message("domains must not be under gouv.fr nor end in -gouv.fr: they are the State's"),
        validation = Rule::new("self.all(d, self.exists_one(e, e == d))").message("domains must not repeat"),
    )]
    #[schemars(length(min = 1, max = 16), inner(length(max = 253)))]
    pub domains: Vec<String>,
    /// What replaces the plan's figures for this tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overrides: Option<Overrides>,
    /// Who answers for the space.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contacts: Option<Contacts>,
    /// What becomes of mail from outside in the name of a hosted domain that neither SPF nor DKIM
    /// proves. Junk is for spaces whose mailing lists break signatures.
    #[serde(default, skip_serializing_if = "UnalignedMailSchema::is_default")]
    pub unaligned_mail: UnalignedMailSchema,
    /// What is asked of the space.
    #[serde(default)]
    pub lifecycle: LifecycleSchema,
    /// The UID of the namespace that this object takes over, after the object that opened it is gone
    /// (a restore from a backup). Only a namespace of the same SIREN can be taken over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')").message("adopts must be the UID of the namespace to take over (kubectl get namespace col-<siren> -o jsonpath={.metadata.uid})"))]
    #[schemars(length(max = 36))]
    pub adopts: Option<String>,
}

/// What replaces the plan's figures.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Overrides {
    /// How many agents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub agents: Option<u32>,
    /// The size of the mail volume. It can only grow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^[1-9][0-9]{0,6}(Mi|Gi|Ti)$')").message("overrides.storage must be a whole number of Mi, Gi or Ti, e.g. 20Gi"))]
    #[schemars(length(max = 16))]
    pub storage: Option<String>,
    /// The default quota of one mailbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^[1-9][0-9]{0,6}(Mi|Gi|Ti)$')").message("overrides.mailboxQuota must be a whole number of Mi, Gi or Ti, e.g. 2Gi"))]
    #[schemars(length(max = 16))]
    pub mailbox_quota: Option<String>,
}

/// Who answers for the space.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Contacts {
    /// The head of information systems, an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(r"self.matches('^[^@\\s\\p{C}\\p{Z}]+@[^@\\s\\p{C}\\p{Z}]+[.][^@\\s\\p{C}\\p{Z}]+$')").message("contacts.dsi must be an address, e.g. dsi@caen.example"))]
    #[schemars(length(max = 320))]
    pub dsi: Option<String>,
    /// The data protection officer, an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(r"self.matches('^[^@\\s\\p{C}\\p{Z}]+@[^@\\s\\p{C}\\p{Z}]+[.][^@\\s\\p{C}\\p{Z}]+$')").message("contacts.dpo must be an address, e.g. dpo@caen.example"))]
    #[schemars(length(max = 320))]
    pub dpo: Option<String>,
}

/// [`CollectivityKind`] with a schema: the domain crate knows no schemas.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
pub enum CollectivityKindSchema {
    /// A commune.
    Commune,
    /// An EPCI.
    Epci,
    /// A département.
    Departement,
    /// A région.
    Region,
    /// A syndicat.
    Syndicat,
    /// Any other public body.
    Other,
}

impl From<CollectivityKind> for CollectivityKindSchema {
    fn from(kind: CollectivityKind) -> Self {
        match kind {
            CollectivityKind::Commune => Self::Commune,
            CollectivityKind::Epci => Self::Epci,
            CollectivityKind::Departement => Self::Departement,
            CollectivityKind::Region => Self::Region,
            CollectivityKind::Syndicat => Self::Syndicat,
            CollectivityKind::Other => Self::Other,
        }
    }
}

/// What becomes of mail that is forged in the name of a hosted domain.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnalignedMailSchema {
    /// It is refused at the door.
    #[default]
    Refuse,
    /// It is delivered, marked, into Junk.
    Junk,
}

impl UnalignedMailSchema {
    // The shape that serde calls.
    #[allow(clippy::trivially_copy_pass_by_ref)]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// [`Lifecycle`] with a schema.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LifecycleSchema {
    /// Everything runs.
    #[default]
    Active,
    /// Logins are refused, mail is still accepted.
    Suspended,
    /// The space ends after a notice of 21 days.
    Terminating,
}

impl From<LifecycleSchema> for Lifecycle {
    fn from(lifecycle: LifecycleSchema) -> Self {
        match lifecycle {
            LifecycleSchema::Active => Self::Active,
            LifecycleSchema::Suspended => Self::Suspended,
            LifecycleSchema::Terminating => Self::Terminating,
        }
    }
}

/// What was seen of a tenant, written only from what was applied and observed.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CollectivityStatus {
    /// The generation that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// kstatus conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The tenant's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Where its servers answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<Endpoints>,
    /// Its certificates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<CertificateStatus>,
    /// DNS records that the collectivity publishes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns_records: Vec<DnsRecord>,
    /// What it may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<QuotaStatus>,
    /// The end of the space, when it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub termination: Option<Termination>,
    /// The namespace of the operator that opened the space.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installation: Option<String>,
    /// Which versions of its region and plan the space stands on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub footing: Option<Footing>,
    /// Under which region and plan it was last applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub under: Option<Under>,
    /// The pod template for which a greeting and a delivery were last seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proven_template: Option<String>,
}

/// Which versions of what it shares with other spaces a space was rendered with.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Footing {
    /// The region: its name, `@`, a hash of its spec.
    pub region: String,
    /// The plan, likewise.
    pub plan: String,
}

/// Where a tenant's servers answer inside the cluster, as `host:port`.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Endpoints {
    /// IMAP over TLS.
    pub imaps: String,
    /// Submission over TLS (RFC 8314).
    pub submissions: String,
    /// ManageSieve (RFC 5804).
    pub sieve: String,
}

/// One certificate in use.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CertificateStatus {
    /// What it is for: `ca`, `mail`, `mail-client`.
    pub name: String,
    /// The Secret that holds it.
    pub secret: String,
    /// Its subject.
    pub subject: String,
    /// Its serial number, in hexadecimal.
    pub serial: String,
    /// First instant of validity, RFC 3339.
    pub not_before: String,
    /// Last instant of validity, RFC 3339.
    pub not_after: String,
    /// When it is renewed, RFC 3339.
    pub renewal_at: String,
}

/// One DNS record to publish.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DnsRecord {
    /// The owner name, with a final dot.
    pub name: String,
    /// `MX`, `TXT`, `SRV`, `CNAME`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The data, in zone-file form.
    pub value: String,
}

/// What a tenant may take.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct QuotaStatus {
    /// How many agents it may have.
    pub agents: u32,
    /// The size of its mail volume.
    pub storage: String,
    /// The default quota of one mailbox.
    pub mailbox_quota: String,
}

/// The end of a space.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Termination {
    /// When it was asked, RFC 3339.
    pub requested_at: String,
    /// The first instant at which data may be erased, RFC 3339.
    pub erasure_after: String,
}

/// Under what a space was last applied, and what its journal tells of it.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Under {
    /// The region.
    pub region: Revision,
    /// The plan.
    pub plan: Revision,
}

/// One generation of one very object.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Revision {
    /// Its UID.
    pub uid: String,
    /// Its generation.
    pub generation: i64,
}
