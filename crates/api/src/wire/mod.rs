//! What travels between the platform API and its clients, as JSON.
//!
//! Sizes are in bytes, instants in RFC 3339, hashes in lower-case hexadecimal.

mod passes;

use std::fmt;

pub use passes::{
    PROOF_FORMAT, Proof, ProofCollectivity, ProofMigration, PutPassProgress, PutPassReport, Report,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The port of the platform API.
pub const PORT: u16 = 8443;
/// The audience of tokens that are meant for the platform API alone (migration Jobs).
pub const AUDIENCE: &str = "melouvert";
/// How many agents one import may carry.
pub const IMPORT_MAX: usize = 5_000;
/// How many journal entries one page may carry.
pub const JOURNAL_PAGE_MAX: u32 = 1_000;
/// A password in clear; it never shows in a log.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Password(String);

impl Password {
    /// Wraps a password.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The password itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// One agent of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Agent {
    /// The address, which is also the login.
    pub address: String,
    /// The name shown to people.
    pub name: String,
    /// The quota of the mailbox, in bytes.
    pub quota_bytes: u64,
    /// Whether the agent may log in.
    pub enabled: bool,
    /// `agent`, or `system` for `postmaster`.
    pub kind: String,
    /// Whether a password was set.
    pub has_password: bool,
    /// Since when, RFC 3339.
    pub created_at: String,
}

/// The agents of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentList {
    /// All of them, by address.
    pub agents: Vec<Agent>,
    /// How many the tenant may have, system mailboxes aside.
    pub limit: u32,
}

/// An agent to add.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewAgent {
    /// The address: its domain is one of the tenant's.
    pub address: String,
    /// The name shown to people.
    pub name: String,
    /// The quota, e.g. `2Gi`; the tenant's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<String>,
    /// The password; one is made and returned once when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Password>,
    /// The line of the caller's file, repeated in errors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
}

/// Agents to add, all or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportAgents {
    /// At most [`IMPORT_MAX`].
    pub agents: Vec<NewAgent>,
}

/// An agent that was added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AddedAgent {
    /// The agent.
    #[serde(flatten)]
    pub agent: Agent,
    /// The password when the platform made it: shown this once, kept nowhere in clear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Password>,
}

/// Agents that were added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddedAgents {
    /// In the order of the request.
    pub agents: Vec<AddedAgent>,
}

/// A new password.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetPassword {
    /// The password; one is made and returned once when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Password>,
}

/// A password that was set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PasswordSet {
    /// Whose it is.
    pub address: String,
    /// Whether the agent's open sessions were ended; when not, they and the former password may last
    /// until the mail server answers again or forgets them.
    pub sessions_ended: bool,
    /// The password when the platform made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Password>,
}

/// An agent that was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RemovedAgent {
    /// Whose mailbox it was.
    pub address: String,
    /// Whether the mail is still on the tenant's volume.
    pub mailbox_kept: bool,
    /// Whether the agent's open sessions were ended; when not, they and the former password may last
    /// until the mail server answers again or forgets them.
    pub sessions_ended: bool,
}

/// What a tenant may take and takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quota {
    /// How many agents it may have.
    pub agents_limit: u32,
    /// How many it has.
    pub agents: u32,
    /// The size of its mail volume.
    pub storage_bytes: u64,
    /// The quotas of its mailboxes together.
    pub allocated_bytes: u64,
    /// What its mailboxes hold together; absent when its mail server does not tell.
    pub used_bytes: Option<u64>,
    /// Each mailbox.
    pub mailboxes: Vec<MailboxQuota>,
    /// Why the use is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<Said>,
}

/// What one mailbox may take and takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MailboxQuota {
    /// Its address.
    pub address: String,
    /// What it may hold.
    pub quota_bytes: u64,
    /// What it holds.
    pub used_bytes: Option<u64>,
    /// How many messages it holds.
    pub messages: Option<u64>,
}

/// One link of a journal.
///
/// Its hash is SHA-256 over the canonical JSON (keys sorted, no blank) of all the other fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// Its place, from 1.
    pub seq: i64,
    /// When, RFC 3339 with microseconds, UTC.
    pub at: String,
    /// The authenticated user who acted.
    pub actor: String,
    /// What was done, e.g. `agent.added`.
    pub action: String,
    /// To whom or what.
    pub subject: String,
    /// More about it.
    pub detail: Value,
    /// The hash of the link before; 64 zeros for the first.
    pub previous: String,
    /// Its own hash.
    pub hash: String,
}

/// A page of a journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JournalPage {
    /// In order.
    pub entries: Vec<JournalEntry>,
    /// The `after` of the next page, when the page is full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<i64>,
}

/// What the platform found when it verified a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// Whether every link holds.
    pub intact: bool,
    /// How many links were read; up to the broken one.
    pub entries: i64,
    /// The hash of the last link; absent from an empty or broken journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// The first broken link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<BrokenLink>,
}

/// A link that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokenLink {
    /// Its place.
    pub seq: i64,
    /// What is wrong, in English.
    pub reason: String,
}

/// A sentence in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Said {
    /// French.
    pub fr: String,
    /// English.
    pub en: String,
}

/// The body of every refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What was refused.
    pub error: ErrorDetail,
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ErrorDetail {
    /// CamelCase, e.g. `InvalidField`.
    pub code: String,
    /// The field at fault.
    pub field: Option<String>,
    /// What is wrong, in French.
    pub message_fr: String,
    /// What is wrong, in English.
    pub message_en: String,
    /// What to do, in French.
    pub remedy_fr: String,
    /// What to do, in English.
    pub remedy_en: String,
    /// Every bad line of an import.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<BadLine>,
}

/// A bad line of an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadLine {
    /// The line given with the agent, else its place from 1.
    pub line: u64,
    /// The column: `address`, `name`, `quota` or `password`.
    pub column: String,
    /// What is wrong, in French.
    pub message_fr: String,
    /// What is wrong, in English.
    pub message_en: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_does_not_show_in_debug() {
        let request = SetPassword {
            password: Some(Password::new("correct horse")),
        };
        assert!(!format!("{request:?}").contains("horse"));
        let json = serde_json::to_string(&request).unwrap();
        assert_eq!(json, r#"{"password":"correct horse"}"#);
    }

    #[test]
    fn a_mistyped_field_is_refused() {
        let text = r#"{"address":"a@caen.example","name":"A","qouta":"2Gi"}"#;
        let error = serde_json::from_str::<NewAgent>(text).unwrap_err();
        assert!(error.to_string().contains("qouta"), "{error}");
    }
}
