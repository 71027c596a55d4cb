//! Agents: each change and its journal entry in one transaction.

use std::collections::BTreeSet;

use melouvert_domain::{EmailAddress, StorageSize};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Agent, AgentKind, Allocated, NewAgent, TenantStore};
use crate::{
    PasswordHash, StoreError,
    journal::{self, Actor, Entry, timestamp},
};

struct Row {
    id: Uuid,
    local_part: String,
    domain: String,
    display_name: String,
    has_password: bool,
    quota_bytes: i64,
    enabled: bool,
    kind: String,
    created_micros: i64,
}

impl Row {
    fn agent(self) -> Result<Agent, StoreError> {
        let address = format!("{}@{}", self.local_part, self.domain)
            .parse()
            .map_err(|source| sqlx::Error::Decode(Box::new(source)))?;
        Ok(Agent {
            id: self.id,
            address,
            display_name: self.display_name,
            has_password: self.has_password,
            quota: StorageSize::from_bytes(self.quota_bytes.unsigned_abs()),
            enabled: self.enabled,
            kind: if self.kind == "system" {
                AgentKind::System
            } else {
                AgentKind::Agent
            },
            created_at: timestamp(self.created_micros)?,
        })
    }
}

impl TenantStore {
    /// Every mailbox, by domain and name.
    pub async fn agents(&self) -> Result<Vec<Agent>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            r#"select id, local_part, domain, display_name,
                      password_hash is not null as "has_password!", quota_bytes, enabled, kind,
                      (extract(epoch from created_at) * 1000000)::bigint as "created_micros!"
               from agent order by domain, local_part"#
        )
        .fetch_all(&mut *self.database.acquire().await?)
        .await?;
        rows.into_iter().map(Row::agent).collect()
    }

    /// One mailbox; [`StoreError::NotFound`] otherwise.
    pub async fn agent(&self, address: &EmailAddress) -> Result<Agent, StoreError> {
        find(&mut *self.database.acquire().await?, address).await
    }

    /// How many agents there are and what they were promised.
    pub async fn allocated(&self) -> Result<Allocated, StoreError> {
        let sums = sqlx::query!(
            r#"select count(*) filter (where kind = 'agent') as "agents!",
                      coalesce(sum(quota_bytes), 0)::bigint as "quota_bytes!"
               from agent"#
        )
        .fetch_one(&mut *self.database.acquire().await?)
        .await?;
        Ok(Allocated {
            agents: sums.agents.unsigned_abs(),
            quota_bytes: sums.quota_bytes.unsigned_abs(),
        })
    }

    /// Adds one agent, unless there are `max_agents` already.
    ///
    /// Fails with [`StoreError::Conflict`] when the address is a mailbox's or an alias's.
    pub async fn agent_add(
        &self,
        new: &NewAgent,
        max_agents: u64,
        actor: &Actor,
    ) -> Result<Agent, StoreError> {
        let mut transaction = self.write().await?;
        room(&mut transaction, 1, max_agents).await?;
        insert(&mut transaction, std::slice::from_ref(new)).await?;
        let detail = json!({
            "display_name": new.display_name,
            "quota_bytes": new.quota.bytes(),
            "password": new.password_hash.is_some(),
        });
        let entry = Entry::new(actor, "agent.added", new.address.to_string(), detail);
        journal::append(&mut transaction, &entry).await?;
        let agent = find(&mut transaction, &new.address).await?;
        transaction.commit().await?;
        Ok(agent)
    }

    /// Adds all agents or none, and returns how many.
    ///
    /// Fails with [`StoreError::Conflict`] on the first address, in the order given, that is taken
    /// or comes twice.
    pub async fn agents_import(
        &self,
        new: &[NewAgent],
        max_agents: u64,
        actor: &Actor,
    ) -> Result<u64, StoreError> {
        if new.is_empty() {
            return Ok(0);
        }
        let count = new.len() as u64;
        let mut transaction = self.write().await?;
        room(&mut transaction, count, max_agents).await?;
        insert(&mut transaction, new).await?;
        let addresses: Vec<String> = new.iter().map(|n| n.address.to_string()).collect();
        let detail = json!({ "count": count, "addresses": addresses });
        let entry = Entry::new(actor, "agents.imported", self.siren.as_str(), detail);
        journal::append(&mut transaction, &entry).await?;
        transaction.commit().await?;
        Ok(count)
    }

    /// Replaces an agent's password; [`StoreError::NotFound`] if there is no such mailbox.
    pub async fn agent_set_password(
        &self,
        address: &EmailAddress,
        hash: &PasswordHash,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        let done = sqlx::query!(
            "update agent set password_hash = $3 where local_part = $1 and domain = $2",
            address.local().as_str(),
            address.domain().as_str(),
            hash.as_str()
        )
        .execute(&mut *transaction)
        .await?;
        if done.rows_affected() == 0 {
            return Err(no_agent(address));
        }
        let entry = Entry::new(actor, "agent.password.set", address.to_string(), json!({}));
        journal::append(&mut transaction, &entry).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Removes an agent and the aliases that lead to it; its mail stays on the tenant's volume.
    /// System mailboxes stay.
    pub async fn agent_remove(
        &self,
        address: &EmailAddress,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        let agent = find(&mut transaction, address).await?;
        if agent.kind == AgentKind::System {
            return Err(StoreError::Invalid {
                field: "address",
                expected: "an agent's address: the platform needs this mailbox",
            });
        }
        sqlx::query!("delete from agent where id = $1", agent.id)
            .execute(&mut *transaction)
            .await?;
        let detail = json!({ "id": agent.id, "display_name": agent.display_name });
        let entry = Entry::new(actor, "agent.removed", address.to_string(), detail);
        journal::append(&mut transaction, &entry).await?;
        transaction.commit().await?;
        Ok(())
    }
}

fn no_agent(address: &EmailAddress) -> StoreError {
    StoreError::NotFound {
        what: "agent",
        name: address.to_string(),
    }
}

async fn find(connection: &mut PgConnection, address: &EmailAddress) -> Result<Agent, StoreError> {
    sqlx::query_as!(
        Row,
        r#"select id, local_part, domain, display_name,
                  password_hash is not null as "has_password!", quota_bytes, enabled, kind,
                  (extract(epoch from created_at) * 1000000)::bigint as "created_micros!"
           from agent where local_part = $1 and domain = $2"#,
        address.local().as_str(),
        address.domain().as_str()
    )
    .fetch_optional(connection)
    .await?
    .ok_or_else(|| no_agent(address))?
    .agent()
}

/// Whether `requested` more agents fit. The caller holds the journal's lock.
async fn room(connection: &mut PgConnection, requested: u64, limit: u64) -> Result<(), StoreError> {
    let used = sqlx::query_scalar!(r#"select count(*) as "n!" from agent where kind = 'agent'"#)
        .fetch_one(connection)
        .await?
        .unsigned_abs();
    if used.saturating_add(requested) > limit {
        return Err(StoreError::LimitReached {
            limit,
            used,
            requested,
        });
    }
    Ok(())
}

/// Inserts all in one statement, once no address is known to be taken.
async fn insert(connection: &mut PgConnection, new: &[NewAgent]) -> Result<(), StoreError> {
    let mut columns = Columns::default();
    for agent in new {
        columns.push(agent)?;
    }
    free(connection, new, &columns).await?;
    sqlx::query!(
        r#"insert into agent (local_part, domain, display_name, quota_bytes, password_hash)
           select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[])"#,
        &columns.local_parts,
        &columns.domains,
        &columns.display_names,
        &columns.quotas,
        &columns.passwords as &[Option<String>]
    )
    .execute(connection)
    .await?;
    Ok(())
}

#[derive(Default)]
struct Columns {
    local_parts: Vec<String>,
    domains: Vec<String>,
    display_names: Vec<String>,
    quotas: Vec<i64>,
    passwords: Vec<Option<String>>,
}

impl Columns {
    fn push(&mut self, agent: &NewAgent) -> Result<(), StoreError> {
        if agent.display_name.chars().any(char::is_control) {
            return Err(StoreError::Invalid {
                field: "display_name",
                expected: "a name without control characters",
            });
        }
        let quota = i64::try_from(agent.quota.bytes()).map_err(|_| StoreError::Invalid {
            field: "quota",
            expected: "less than 8 EiB",
        })?;
        self.local_parts.push(agent.address.local().to_string());
        self.domains.push(agent.address.domain().to_string());
        self.display_names.push(agent.display_name.clone());
        self.quotas.push(quota);
        let password = agent.password_hash.as_ref();
        self.passwords
            .push(password.map(|hash| hash.as_str().to_owned()));
        Ok(())
    }
}

/// Refuses the first address that is a mailbox's, an alias's, or comes twice.
async fn free(
    connection: &mut PgConnection,
    new: &[NewAgent],
    columns: &Columns,
) -> Result<(), StoreError> {
    let taken = sqlx::query_scalar!(
        r#"select wanted.local_part || '@' || wanted.domain as "address!"
           from unnest($1::text[], $2::text[]) as wanted (local_part, domain)
           where exists (select from agent a
                         where a.local_part = wanted.local_part and a.domain = wanted.domain)
              or exists (select from alias a
                         where a.local_part = wanted.local_part and a.domain = wanted.domain)"#,
        &columns.local_parts,
        &columns.domains
    )
    .fetch_all(connection)
    .await?;
    let mut taken: BTreeSet<String> = taken.into_iter().collect();
    for agent in new {
        if !taken.insert(agent.address.to_string()) {
            return Err(StoreError::Conflict {
                field: "address",
                value: agent.address.to_string(),
            });
        }
    }
    Ok(())
}
