//! `agents`: list, add, import, set a password, remove.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use melouvert_api::wire::{
    AddedAgent, AddedAgents, Agent, AgentList, IMPORT_MAX, ImportAgents, NewAgent, PasswordSet,
    RemovedAgent, SetPassword,
};
use melouvert_domain::{EmailAddress, Lifecycle, NamespaceName};
use melouvert_store::{self as store, AgentKind, StoreError};

use super::{
    authenticate::User,
    authorize::Resource,
    error::ApiError,
    mailstore::{MailStore, REMEMBERED},
    new_agent::{self, Candidate, Flaw, Space},
    passwords::{self, Chosen},
    state::Platform,
    tenant::{Limits, Tenant},
    unread::{self, Unread},
};

/// `GET /v1/tenants/{siren}/agents`.
pub async fn list(
    State(platform): State<Arc<Platform>>,
    Path(siren): Path<String>,
    user: User,
) -> Result<Json<AgentList>, ApiError> {
    let tenant = platform
        .enter(&user, "list", Resource::Agents, &siren)
        .await?;
    let limit = tenant.limits()?.agents;
    let agents = tenant.store.agents().await?;
    Ok(Json(AgentList {
        agents: agents.iter().map(wire).collect(),
        limit,
    }))
}

/// `POST /v1/tenants/{siren}/agents`.
pub async fn add(
    State(platform): State<Arc<Platform>>,
    Path(siren): Path<String>,
    user: User,
    body: Unread,
) -> Result<(StatusCode, Json<AddedAgent>), ApiError> {
    let tenant = platform
        .enter(&user, "create", Resource::Agents, &siren)
        .await?;
    let limits = open(&tenant)?.limits()?;
    let new: NewAgent = platform.read(body, &tenant, unread::ORDINARY).await?;
    let candidate = new_agent::check(&new, space(&tenant, limits)).map_err(|flaws| {
        flaws
            .into_iter()
            .next()
            .map_or_else(|| ApiError::bad_request(""), Flaw::into)
    })?;
    let hash = platform
        .hash(tenant.store.siren(), &[&candidate.password])
        .await?;
    let row = row(&candidate, hash.into_iter().next());
    let agent = tenant
        .store
        .agent_add(&row, limits.agents.into(), &tenant.actor)
        .await?;
    let added = AddedAgent {
        agent: wire(&agent),
        password: candidate.password.shown(),
    };
    Ok((StatusCode::CREATED, Json(added)))
}

/// `POST /v1/tenants/{siren}/agents:import`: all or none.
pub async fn import(
    State(platform): State<Arc<Platform>>,
    Path(siren): Path<String>,
    user: User,
    body: Unread,
) -> Result<(StatusCode, Json<AddedAgents>), ApiError> {
    let tenant = platform
        .enter(&user, "create", Resource::Agents, &siren)
        .await?;
    let limits = open(&tenant)?.limits()?;
    let _place = platform.reading.place(tenant.store.siren()).await?;
    let ImportAgents { agents: new } = platform.read(body, &tenant, unread::IMPORT).await?;
    if new.len() > IMPORT_MAX {
        return Err(too_many(new.len()));
    }
    let present = tenant.store.agents().await?;
    let taken: Vec<EmailAddress> = present.iter().map(|a| a.address.clone()).collect();
    // A millisecond for each given password: in its turn, as the hashes.
    let checked = async {
        tokio::task::block_in_place(|| new_agent::check_all(&new, space(&tenant, limits), &taken))
    };
    let candidates = platform
        .hashing
        .turn(tenant.store.siren(), checked)
        .await
        .map_err(|error| ApiError::internal(&error))?
        .map_err(ApiError::bad_lines)?;
    // Asked before the hashes, which take time; the transaction asks again.
    let present_agents = present
        .iter()
        .filter(|a| a.kind == AgentKind::Agent)
        .count() as u64;
    if present_agents + candidates.len() as u64 > u64::from(limits.agents) {
        return Err(StoreError::LimitReached {
            limit: limits.agents.into(),
            used: present_agents,
            requested: candidates.len() as u64,
        }
        .into());
    }
    let passwords: Vec<&Chosen> = candidates.iter().map(|c| &c.password).collect();
    let hashes = platform.hash(tenant.store.siren(), &passwords).await?;
    let rows: Vec<store::NewAgent> = candidates
        .iter()
        .zip(hashes)
        .map(|(candidate, hash)| row(candidate, Some(hash)))
        .collect();
    tenant
        .store
        .agents_import(&rows, limits.agents.into(), &tenant.actor)
        .await?;
    let after: BTreeMap<EmailAddress, store::Agent> = tenant
        .store
        .agents()
        .await?
        .into_iter()
        .map(|agent| (agent.address.clone(), agent))
        .collect();
    let agents = candidates
        .iter()
        .filter_map(|candidate| {
            Some(AddedAgent {
                agent: wire(after.get(&candidate.address)?),
                password: candidate.password.shown(),
            })
        })
        .collect();
    Ok((StatusCode::CREATED, Json(AddedAgents { agents })))
}

/// `PUT /v1/tenants/{siren}/agents/{address}/password`.
pub async fn set_password(
    State(platform): State<Arc<Platform>>,
    Path((siren, address)): Path<(String, String)>,
    user: User,
    body: Unread,
) -> Result<Json<PasswordSet>, ApiError> {
    let tenant = platform
        .enter_for(&user, "update", Resource::Agents, &siren, Some(&address))
        .await?;
    let address = parse(&address)?;
    let SetPassword { password } = platform.read(body, &tenant, unread::ORDINARY).await?;
    // Known before anything is computed: nobody makes the platform work for a mailbox of no one.
    let agent = tenant.store.agent(&address).await?;
    let about = [&*agent.display_name, &*tenant.object.spec.legal_name];
    let chosen = Chosen::of(password.as_ref(), &address, &about).map_err(|error| {
        let (fr, en) = passwords::flaw(&error);
        ApiError::from(Flaw {
            column: "password",
            fr,
            en,
        })
    })?;
    for hash in platform.hash(tenant.store.siren(), &[&chosen]).await? {
        tenant
            .store
            .agent_set_password(&address, &hash, &tenant.actor)
            .await?;
    }
    Ok(Json(PasswordSet {
        sessions_ended: end_sessions(&platform, &tenant, &address).await,
        address: address.to_string(),
        password: chosen.shown(),
    }))
}

/// `DELETE /v1/tenants/{siren}/agents/{address}`: the mail stays on the tenant's volume.
pub async fn remove(
    State(platform): State<Arc<Platform>>,
    Path((siren, address)): Path<(String, String)>,
    user: User,
) -> Result<Json<RemovedAgent>, ApiError> {
    let tenant = platform
        .enter_for(&user, "delete", Resource::Agents, &siren, Some(&address))
        .await?;
    let address = parse(&address)?;
    if tenant.store.agent(&address).await?.kind == AgentKind::System {
        return Err(needed(&address));
    }
    tenant.store.agent_remove(&address, &tenant.actor).await?;
    Ok(Json(RemovedAgent {
        sessions_ended: end_sessions(&platform, &tenant, &address).await,
        address: address.to_string(),
        mailbox_kept: true,
    }))
}

/// Ends the agent's sessions, at once and again when no former password can open new ones; the
/// caller is told when that failed, since the change itself stands.
async fn end_sessions(platform: &Arc<Platform>, tenant: &Tenant, address: &EmailAddress) -> bool {
    let ended = kick(platform, &tenant.namespace, address).await;
    let (platform, namespace, address) =
        (platform.clone(), tenant.namespace.clone(), address.clone());
    tokio::spawn(async move {
        // Only time makes Dovecot forget.
        tokio::time::sleep(REMEMBERED).await;
        kick(&platform, &namespace, &address).await;
    });
    ended
}

async fn kick(platform: &Platform, namespace: &NamespaceName, address: &EmailAddress) -> bool {
    let region_ca_pem = platform.material.borrow().region_ca_pem.clone();
    let mail = MailStore {
        namespace,
        region_ca_pem: &region_ca_pem,
    };
    match mail.kick(&platform.kube, &address.to_string()).await {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(
                %namespace,
                %error,
                source = ?std::error::Error::source(&error),
                "open sessions of an agent were not ended"
            );
            false
        }
    }
}

fn space(tenant: &Tenant, limits: Limits) -> Space<'_> {
    Space {
        name: &tenant.object.spec.legal_name,
        domains: &tenant.object.spec.domains,
        limits,
    }
}

/// Refuses new agents in a space that ends.
fn open(tenant: &Tenant) -> Result<&Tenant, ApiError> {
    if Lifecycle::from(tenant.object.spec.lifecycle) != Lifecycle::Terminating {
        return Ok(tenant);
    }
    Err(ApiError::conflict(
        "TenantTerminating",
        (
            "cette collectivité est en cours de fermeture",
            "this collectivity is being closed",
        ),
        (
            "annulez d'abord la fermeture : melouvert collectivity undelete",
            "cancel the closure first: melouvert collectivity undelete",
        ),
    ))
}

fn needed(address: &EmailAddress) -> ApiError {
    ApiError::conflict(
        "SystemMailbox",
        (
            &format!("{address} est une boîte de la plateforme, que les normes exigent (RFC 5321)"),
            &format!(
                "{address} is a mailbox of the platform, which the standards demand (RFC 5321)"
            ),
        ),
        (
            "elle ne compte pas dans l'offre : laissez-la",
            "it does not count in the plan: leave it",
        ),
    )
    .field("address")
}

fn too_many(found: usize) -> ApiError {
    ApiError::invalid(
        "agents",
        (
            &format!("{found} agents en un seul import : au plus {IMPORT_MAX}"),
            &format!("{found} agents in one import: at most {IMPORT_MAX}"),
        ),
        ("coupez le fichier en plusieurs", "split the file"),
    )
}

fn parse(address: &str) -> Result<EmailAddress, ApiError> {
    address.parse().map_err(|error| {
        ApiError::invalid(
            "address",
            (
                &format!("{address:?} n'est pas une adresse : nom@domaine attendu"),
                &format!("{error}"),
            ),
            ("vérifiez l'adresse", "check the address"),
        )
    })
}

fn row(candidate: &Candidate, password_hash: Option<store::PasswordHash>) -> store::NewAgent {
    store::NewAgent {
        address: candidate.address.clone(),
        display_name: candidate.name.clone(),
        quota: candidate.quota,
        password_hash,
    }
}

fn wire(agent: &store::Agent) -> Agent {
    Agent {
        address: agent.address.to_string(),
        name: agent.display_name.clone(),
        quota_bytes: agent.quota.bytes(),
        enabled: agent.enabled,
        kind: match agent.kind {
            AgentKind::Agent => "agent".into(),
            AgentKind::System => "system".into(),
        },
        has_password: agent.has_password,
        created_at: agent.created_at.to_string(),
    }
}
