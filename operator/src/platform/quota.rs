//! `mailboxes`: what a tenant may take, was promised and takes.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Path, State},
};
use melouvert_api::wire::{MailboxQuota, Quota, Said};
use melouvert_store::{Agent, AgentKind};

use super::{
    authenticate::User,
    authorize::Resource,
    error::ApiError,
    mailstore::{MailStore, Usage},
    state::Platform,
    tenant::Limits,
};

/// `GET /v1/tenants/{siren}/quota`.
///
/// A mail server that does not tell leaves the use unknown, and says so: the rest is still true.
pub async fn get(
    State(platform): State<Arc<Platform>>,
    Path(siren): Path<String>,
    user: User,
) -> Result<Json<Quota>, ApiError> {
    let tenant = platform
        .enter(&user, "get", Resource::Mailboxes, &siren)
        .await?;
    let limits = tenant.limits()?;
    let agents = tenant.store.agents().await?;
    let addresses: Vec<String> = agents.iter().map(|a| a.address.to_string()).collect();
    let region_ca_pem = platform.material.borrow().region_ca_pem.clone();
    let mail = MailStore {
        namespace: &tenant.namespace,
        region_ca_pem: &region_ca_pem,
    };
    let usage = mail.usage(&platform.kube, &addresses).await;
    let (usage, unknown) = match usage {
        Ok(usage) => (Some(usage), None),
        Err(error) => {
            tracing::warn!(
                namespace = %tenant.namespace,
                %error,
                source = ?std::error::Error::source(&error),
                "the use of mailboxes is unknown"
            );
            (None, Some(silent()))
        }
    };
    Ok(Json(join(limits, &agents, usage.as_ref(), unknown)))
}

fn silent() -> Said {
    Said {
        fr: "le serveur de messagerie de la collectivité ne répond pas : l'occupation est inconnue pour l'instant".into(),
        en: "the collectivity's mail server does not answer: the use is unknown for now".into(),
    }
}

fn join(
    limits: Limits,
    agents: &[Agent],
    usage: Option<&BTreeMap<String, Usage>>,
    unknown: Option<Said>,
) -> Quota {
    let mailboxes: Vec<MailboxQuota> = agents
        .iter()
        .map(|agent| {
            let address = agent.address.to_string();
            let used = usage.and_then(|usage| usage.get(&address));
            MailboxQuota {
                quota_bytes: agent.quota.bytes(),
                used_bytes: used.map(|u| u.bytes),
                messages: used.map(|u| u.messages),
                address,
            }
        })
        .collect();
    let people = agents.iter().filter(|a| a.kind == AgentKind::Agent).count();
    Quota {
        agents_limit: limits.agents,
        agents: u32::try_from(people).unwrap_or(u32::MAX),
        storage_bytes: limits.storage.bytes(),
        allocated_bytes: mailboxes.iter().map(|m| m.quota_bytes).sum(),
        used_bytes: usage.map(|usage| usage.values().map(|u| u.bytes).sum()),
        mailboxes,
        unknown,
    }
}
