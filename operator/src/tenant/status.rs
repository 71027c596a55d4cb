//! What is told of a tenant: a pure function of what was applied and seen, written on difference.

use std::time::Duration;

use jiff::Timestamp;
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
};
use melouvert_api::{
    Collectivity, CollectivityStatus, Reason,
    collectivity::{CertificateStatus, DnsRecord, Endpoints, Footing, QuotaStatus, Under},
    condition::{ERASURE_DUE, READY, RECONCILING, STALLED, Verdict, merge},
};
use melouvert_pki::{CertInfo, PkiError, dkim};
use melouvert_tenant_template::{
    DKIM_ED25519_SELECTOR, DKIM_RSA_SELECTOR, DkimPublic, ValidatedTenant, certificates::mail_host,
    dns_records,
};
use serde_json::json;

use super::{
    material::{self, Keys},
    observe::Seen,
    terminate::End,
    validate::{self, Refusal, Valid},
};

/// The field manager of statuses.
const MANAGER: &str = "melouvert-status";

/// What was applied, as the status tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    namespace: String,
    endpoints: Endpoints,
    certificates: Vec<CertificateStatus>,
    dns_records: Vec<DnsRecord>,
    quota: QuotaStatus,
    installation: String,
    footing: Footing,
    under: Under,
}

/// What of a spec is not applied, though the rest of it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Apart {
    /// What waits for somebody to change it.
    pub kept: Vec<Refusal>,
    /// What is under way.
    pub waits: Vec<(Reason, String)>,
}

/// How far a reconciliation came.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// The spec was refused: nothing is done until it changes.
    Refused(Vec<Refusal>),
    /// A step waits or failed and is tried again.
    Waiting {
        /// Which, CamelCase.
        reason: Reason,
        /// A sentence.
        message: String,
    },
    /// Something that was made once is gone: nothing is made in its place.
    Lost {
        /// What, CamelCase.
        reason: Reason,
        /// A sentence with the way back.
        message: String,
    },
    /// Everything was applied and seen.
    Done(Seen),
    /// Deletion was asked before its date: kept.
    DeletionTooEarly,
}

/// What a status is computed from.
#[derive(Debug, Clone)]
pub struct Account {
    /// What was applied; what was told before stays when there is none.
    pub facts: Option<Facts>,
    /// How far it came.
    pub progress: Progress,
    /// What is kept as it was.
    pub apart: Apart,
    /// Where the end of the space stands.
    pub end: End,
    /// Whether nothing of the tenant exists, so that its object may be deleted at once.
    pub empty: bool,
    /// Whether this generation is in the journal: only then is it told as observed.
    pub journaled: bool,
}

impl Apart {
    /// The longest time until the next look: most of what is kept apart ends with an event.
    pub fn longest(&self) -> Duration {
        let taken = |refusal: &Refusal| refusal.reason == Reason::DomainTaken;
        let waits = |(reason, _): &(Reason, String)| *reason == Reason::RolloutWaits;
        if self.kept.iter().any(taken) {
            super::REFUSED
        } else if self.waits.iter().any(waits) {
            // Whoever proves the change wakes those that wait; this is the safety net.
            super::REFUSED * 5
        } else {
            super::REST
        }
    }
}

impl Account {
    /// The same, having come so far.
    #[must_use]
    pub fn at(&self, progress: Progress) -> Self {
        Self {
            progress,
            ..self.clone()
        }
    }
}

impl Facts {
    /// What was applied of `tenant`. Only called with manifests that the API server took.
    pub fn of_applied(valid: &Valid, keys: &Keys) -> Result<Self, PkiError> {
        let tenant = &valid.tenant;
        let host = mail_host(&tenant.namespace);
        let signing = signing(keys)?;
        Ok(Self {
            namespace: tenant.namespace.to_string(),
            endpoints: Endpoints {
                imaps: format!("{host}:993"),
                submissions: format!("{host}:465"),
                sieve: format!("{host}:4190"),
            },
            certificates: vec![
                certificate("ca", material::CA, keys.ca.info()),
                certificate("mail", material::MAIL_TLS, &keys.mail.info),
                certificate("mail-client", material::CLIENT_TLS, &keys.client.info),
            ],
            dns_records: dns_records(tenant, &signing),
            quota: QuotaStatus {
                agents: tenant.quota.agents,
                storage: tenant.quota.storage.to_string(),
                mailbox_quota: tenant.quota.mailbox.to_string(),
            },
            installation: tenant.system_namespace.clone(),
            footing: valid.footing.clone(),
            under: Under::default(),
        })
    }

    /// Under which region and plan it was applied.
    #[must_use]
    pub fn under(mut self, under: Under) -> Self {
        self.under = under;
        self
    }

    /// Whether the relays must hear of these domains before mail can be delivered.
    pub fn routes_changed(&self, tenant: &Collectivity) -> bool {
        let mut told = tenant.clone();
        self.tell(told.status.get_or_insert_default());
        validate::served(&told) != validate::served(tenant)
    }

    fn tell(&self, status: &mut CollectivityStatus) {
        status.namespace = Some(self.namespace.clone());
        status.endpoints = Some(self.endpoints.clone());
        status.certificates.clone_from(&self.certificates);
        status.dns_records.clone_from(&self.dns_records);
        status.quota = Some(self.quota.clone());
        status.installation = Some(self.installation.clone());
        status.footing = Some(self.footing.clone());
        status.under = Some(self.under.clone());
    }
}

fn signing(keys: &Keys) -> Result<Vec<DkimPublic>, PkiError> {
    let public = |selector: &str, key| {
        Ok::<_, PkiError>(DkimPublic {
            selector: selector.into(),
            txt: dkim::txt_record(key)?,
        })
    };
    let mut signing = vec![public(DKIM_ED25519_SELECTOR, &keys.dkim_ed25519)?];
    if let Some(rsa) = &keys.dkim_rsa {
        signing.push(public(DKIM_RSA_SELECTOR, rsa)?);
    }
    Ok(signing)
}

/// The value that each selector's records would be told with.
pub fn signing_records(
    tenant: &ValidatedTenant,
    keys: &Keys,
) -> Result<Vec<(&'static str, String)>, PkiError> {
    let records = dns_records(tenant, &signing(keys)?);
    let of = |selector: &'static str| {
        let prefix = format!("{selector}._domainkey.");
        let record = records
            .iter()
            .find(|record| record.name.starts_with(&prefix))?;
        Some((selector, record.value.clone()))
    };
    Ok([DKIM_ED25519_SELECTOR, DKIM_RSA_SELECTOR]
        .into_iter()
        .filter_map(of)
        .collect())
}

fn certificate(name: &str, secret: &str, info: &CertInfo) -> CertificateStatus {
    CertificateStatus {
        name: name.into(),
        secret: secret.into(),
        subject: info.subject.clone(),
        serial: info.serial.clone(),
        not_before: info.not_before.to_string(),
        not_after: info.not_after.to_string(),
        renewal_at: info.renewal_at.to_string(),
    }
}

/// The status that follows `previous`.
pub fn compute(tenant: &Collectivity, account: &Account, now: Timestamp) -> CollectivityStatus {
    let mut status = tenant.status.clone().unwrap_or_default();
    let generation = tenant.metadata.generation;
    if account.journaled {
        status.observed_generation = generation;
    }
    if let Some(facts) = &account.facts {
        facts.tell(&mut status);
    }
    if let Progress::Done(Seen::Working { template }) = &account.progress {
        status.proven_template = Some(template.clone());
    }
    status.termination = account.end.record().cloned();
    let instant = k8s_openapi::jiff::Timestamp::from_second(now.as_second()).unwrap_or_default();
    status.conditions = merge(&status.conditions, verdicts(account), generation, instant);
    status
}

fn verdicts(account: &Account) -> Vec<Verdict> {
    let mut all = match &account.progress {
        Progress::Refused(refusals) => refused(refusals),
        Progress::Waiting { reason, message } => triple([false, true, false], *reason, message),
        Progress::Lost { reason, message } => triple([false, false, true], *reason, message),
        Progress::Done(Seen::Working { .. }) => triple(
            [true, false, false],
            Reason::Serving,
            "the mail servers answer with the expected certificate and accept mail",
        ),
        Progress::Done(Seen::Ended) => triple(
            [false, false, false],
            Reason::Terminating,
            &notice(&account.end),
        ),
        Progress::DeletionTooEarly => triple(
            [false, false, true],
            Reason::DeletionTooEarly,
            &format!(
                "deletion was asked but the data are kept; {}",
                notice(&account.end)
            ),
        ),
    };
    set_apart(&mut all, &account.apart);
    if account.end.is_due() {
        all.push(verdict(
            ERASURE_DUE,
            true,
            Reason::NoticeOver,
            &notice(&account.end),
        ));
    } else if account.empty {
        let nothing = "nothing was made for this object: it may be deleted";
        all.push(verdict(ERASURE_DUE, true, Reason::NothingToErase, nothing));
    } else if account.end.record().is_some() {
        all.push(verdict(
            ERASURE_DUE,
            false,
            Reason::NoticeRuns,
            &notice(&account.end),
        ));
    }
    all
}

/// What is not applied shows beside what the servers do: `Ready` says that they serve, `Stalled` that
/// something asked of them waits for a change, `Reconciling` that something is under way.
fn set_apart(all: &mut [Verdict], apart: &Apart) {
    let mut tell = |kind, reason, message: String| {
        let quiet = all
            .iter_mut()
            .find(|verdict| verdict.kind == kind && !verdict.holds);
        if let Some(place) = quiet {
            *place = verdict(kind, true, reason, &message);
        }
    };
    if let Some(first) = apart.kept.first() {
        tell(STALLED, first.reason, texts(&apart.kept));
    }
    if let Some((reason, _)) = apart.waits.first() {
        let all: Vec<&str> = apart.waits.iter().map(|(_, text)| text.as_str()).collect();
        tell(RECONCILING, *reason, all.join("; "));
    }
}

fn notice(end: &End) -> String {
    match end {
        End::NotAsked => "set spec.lifecycle to Terminating to start the notice of 21 days".into(),
        End::Notice { record, .. } => format!(
            "the space ends; its data may be erased from {}; set spec.lifecycle to Active to keep it",
            record.erasure_after
        ),
        End::Due { record } => format!(
            "the notice ended on {}: deleting this object erases the data",
            record.erasure_after
        ),
    }
}

fn refused(refusals: &[Refusal]) -> Vec<Verdict> {
    let reason = refusals
        .first()
        .map_or(Reason::InvalidSpec, |first| first.reason);
    triple([false, false, true], reason, &texts(refusals))
}

fn texts(refusals: &[Refusal]) -> String {
    let texts: Vec<String> = refusals
        .iter()
        .map(|refusal| format!("{}: {}", refusal.field, refusal.message))
        .collect();
    texts.join("; ")
}

fn triple([ready, reconciling, stalled]: [bool; 3], reason: Reason, message: &str) -> Vec<Verdict> {
    vec![
        verdict(READY, ready, reason, message),
        verdict(RECONCILING, reconciling, reason, message),
        verdict(STALLED, stalled, reason, message),
    ]
}

fn verdict(kind: &'static str, holds: bool, reason: Reason, message: &str) -> Verdict {
    Verdict {
        kind,
        holds,
        reason,
        message: message.into(),
    }
}

/// Writes the status if it differs from what the object says; tells whether it did.
pub async fn write(
    client: &Client,
    tenant: &Collectivity,
    status: &CollectivityStatus,
) -> Result<bool, kube::Error> {
    if tenant.status.as_ref() == Some(status) {
        return Ok(false);
    }
    let api: Api<Collectivity> = Api::all(client.clone());
    let name = tenant.name_any();
    // The UID: a new object of the same name must not inherit this status.
    let patch = json!({
        "apiVersion": format!("{}/{}", melouvert_api::GROUP, melouvert_api::VERSION),
        "kind": "Collectivity",
        "metadata": {"name": name, "uid": tenant.metadata.uid},
        "status": status,
    });
    let params = PatchParams::apply(MANAGER).force();
    api.patch_status(&name, &params, &Patch::Apply(&patch))
        .await?;
    Ok(true)
}

#[cfg(test)]
mod tests;
