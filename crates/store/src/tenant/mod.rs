//! One tenant's database: agents, aliases, journal, migration reports.

mod agents;
mod packed;
mod passes;
mod postmaster;
mod reports;

use jiff::Timestamp;
use melouvert_domain::{EmailAddress, Siren, StorageSize};
use sqlx::{Postgres, Transaction};
use uuid::Uuid;

pub use passes::{AccountKey, AccountPasses, EndedPass, NewPass};
pub use reports::{MigrationReport, NewReport, ReportKey};

use crate::{
    PasswordHash, PlatformStore, StoreError,
    database::Database,
    journal::{self, Entry, Sealed, Verified},
};

/// Whose mailbox it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AgentKind {
    /// A person or a service of the collectivity.
    Agent,
    /// One that the platform keeps, such as `postmaster`; does not count against the plan.
    System,
}

/// A mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// Its identity, which an address's change would keep.
    pub id: Uuid,
    /// Login and address.
    pub address: EmailAddress,
    /// Shown to people.
    pub display_name: String,
    /// Whether a password was set.
    pub has_password: bool,
    /// The mailbox's limit.
    pub quota: StorageSize,
    /// Whether the mail servers know it.
    pub enabled: bool,
    /// Whose it is.
    pub kind: AgentKind,
    /// Since when.
    pub created_at: Timestamp,
}

/// A mailbox to make.
#[derive(Debug, Clone)]
pub struct NewAgent {
    /// Login and address; the caller checks that the domain is the tenant's.
    pub address: EmailAddress,
    /// Shown to people.
    pub display_name: String,
    /// The mailbox's limit.
    pub quota: StorageSize,
    /// `None`: nobody can log in until a password is set.
    pub password_hash: Option<PasswordHash>,
}

/// What a tenant's agents were promised together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allocated {
    /// How many agents (system mailboxes apart).
    pub agents: u64,
    /// Sum of the quotas of all mailboxes, in bytes.
    pub quota_bytes: u64,
}

/// One tenant's database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TenantStore {
    siren: Siren,
    database: Database,
    platform: PlatformStore,
}

impl TenantStore {
    pub(crate) fn new(siren: Siren, database: Database, platform: PlatformStore) -> Self {
        Self {
            siren,
            database,
            platform,
        }
    }

    /// Whose database it is.
    pub fn siren(&self) -> &Siren {
        &self.siren
    }

    /// Writes one entry of the tenant's journal.
    pub async fn journal_append(&self, entry: Entry) -> Result<Sealed, StoreError> {
        let mut transaction = self.database.write().await?;
        let sealed = journal::append(&mut transaction, &entry).await?;
        transaction.commit().await?;
        Ok(sealed)
    }

    /// Writes one entry of the tenant's journal unless one of the same action and subject says the
    /// same under `keys` of its detail; tells whether it did.
    pub async fn journal_append_once(
        &self,
        entry: Entry,
        keys: &[&str],
    ) -> Result<bool, StoreError> {
        let mut transaction = self.database.begin().await?;
        let new = journal::append_once(&mut transaction, &entry, keys).await?;
        transaction.commit().await?;
        Ok(new)
    }

    /// Whether the tenant's journal has an entry of this action and subject.
    pub async fn journal_says(&self, action: &str, subject: &str) -> Result<bool, StoreError> {
        let connection = &mut *self.database.acquire().await?;
        journal::says(connection, action, subject, &serde_json::Map::new()).await
    }

    /// At most `limit` entries after `after_seq`, in order.
    pub async fn journal(&self, after_seq: i64, limit: i64) -> Result<Vec<Sealed>, StoreError> {
        journal::page(&mut *self.database.acquire().await?, after_seq, limit).await
    }

    /// Walks the tenant's whole chain and compares it with the last head that the platform's
    /// journal recorded; [`StoreError::BrokenJournal`] names the first broken link.
    pub async fn journal_verify(&self) -> Result<Verified, StoreError> {
        let anchor = self.platform.anchor(&self.siren).await?;
        journal::verify(&mut *self.database.acquire().await?, anchor).await
    }

    /// A transaction that is the only writer until it ends: what it counts stays true.
    async fn write(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        self.database.write().await
    }
}
