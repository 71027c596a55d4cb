//! The plan as a value: shown, saved, carried out.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use super::findings::Finding;
use crate::account::Account;
use crate::schedule;
use crate::seal;

/// Version of the plan's form.
pub const PLAN_FORMAT: &str = "melouvert-migration-plan/1";

/// Whether an account may be copied.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It may.
    Go,
    /// Not before its blocking findings are remedied.
    NoGo,
}

/// One folder's share.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FolderPlan {
    /// Path at the source.
    pub path: String,
    /// Name at the target, as on the wire.
    pub target_name: String,
    /// Messages at the source.
    pub messages: u64,
    /// Their bytes, as the source claims them.
    pub bytes: u64,
    /// Messages that no earlier run copied.
    pub pending_messages: u64,
    /// Their bytes.
    pub pending_bytes: u64,
    /// Whether the user subscribed to it.
    pub subscribed: bool,
    /// What it is for, such as `\Sent`.
    pub special_use: Option<String>,
}

/// The target's room.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct QuotaRoom {
    /// Bytes in use.
    pub used_bytes: u64,
    /// Bytes allowed.
    pub limit_bytes: Option<u64>,
    /// Messages there.
    pub used_messages: u64,
    /// Messages allowed.
    pub limit_messages: Option<u64>,
    /// Bytes that will not fit.
    pub short_bytes: u64,
    /// Messages that will not fit.
    pub short_messages: u64,
}

/// One account's plan.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AccountPlan {
    /// The account's identity: both URLs and users.
    pub key: String,
    /// Source URL, without credentials.
    pub source_url: String,
    /// Source user.
    pub source_user: String,
    /// Target URL, without credentials.
    pub target_url: String,
    /// Target user.
    pub target_user: String,
    /// Go or no-go.
    pub decision: Decision,
    /// Messages at the source.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Messages that no earlier run copied.
    pub pending_messages: u64,
    /// Their bytes.
    pub pending_bytes: u64,
    /// How long copying will take, alone; none when no speed could be measured.
    pub eta_seconds: Option<u64>,
    /// The speed that this rests on.
    pub bytes_per_second: Option<u64>,
    /// Where it was measured: `earlier_run` or `source_sample`.
    pub measured: Option<String>,
    /// The target's room, where it tells.
    pub quota: Option<QuotaRoom>,
    /// The largest message that the target takes, where known.
    pub max_message_size: Option<u64>,
    /// Per folder.
    pub folders: Vec<FolderPlan>,
    /// What was found, the gravest first.
    pub findings: Vec<Finding>,
}

/// A plan.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// [`PLAN_FORMAT`].
    pub format: String,
    /// When it was made.
    pub made: Timestamp,
    /// BLAKE3 over the accounts' keys in the order of the file: passwords do not count.
    pub accounts_hash: String,
    /// Accounts copied at once.
    pub jobs: u64,
    /// How long the accounts that are go will take together.
    pub eta_seconds: Option<u64>,
    /// Per account, in the order of the file.
    pub accounts: Vec<AccountPlan>,
    /// BLAKE3 of all the rest: of its JSON with sorted keys and without blanks.
    pub hash: String,
}

/// Why a plan cannot be carried out.
#[derive(Debug, Error)]
pub enum PlanError {
    /// It is no plan.
    #[error("failed to read the plan: it is not of the form {PLAN_FORMAT}")]
    Form(#[source] serde_json::Error),
    /// Its form is another.
    #[error("failed to use the plan: its form is {found}, expected {PLAN_FORMAT}")]
    Format {
        /// The form found.
        found: String,
    },
    /// It was changed since it was made.
    #[error("failed to use the plan: it was changed since it was made")]
    Changed,
    /// It was made for other accounts.
    #[error("failed to use the plan: it was made for other accounts than those of the file")]
    OtherAccounts,
}

/// What bounds the accounts together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Accounts copied at once, as asked.
    pub(super) jobs: usize,
    /// Accounts copied at once, as the limit on connections lets them.
    pub(super) at_once: usize,
    /// The rate that they share.
    pub(super) bytes_per_second: Option<u64>,
}

impl Pace {
    /// How long the accounts that are go take together; none when one's time is unknown.
    fn time(self, plans: &[AccountPlan]) -> Option<u64> {
        let go = || plans.iter().filter(|plan| plan.decision == Decision::Go);
        let times: Option<Vec<u64>> = go().map(|plan| plan.eta_seconds).collect();
        let alone = schedule::time_together(&times?, self.at_once);
        let bytes: u64 = go().map(|plan| plan.pending_bytes).sum();
        let shared = self
            .bytes_per_second
            .and_then(|rate| bytes.checked_div(rate));
        Some(alone.max(shared.unwrap_or(0)))
    }
}

impl Plan {
    pub(super) fn assemble(
        accounts: &[Account],
        plans: Vec<AccountPlan>,
        pace: Pace,
        now: Timestamp,
    ) -> Self {
        let mut plan = Self {
            format: PLAN_FORMAT.to_owned(),
            made: now,
            accounts_hash: accounts_hash(accounts),
            jobs: pace.jobs as u64,
            eta_seconds: pace.time(&plans),
            accounts: plans,
            hash: String::new(),
        };
        plan.hash = plan.computed_hash();
        plan
    }

    fn computed_hash(&self) -> String {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        if let Value::Object(map) = &mut value {
            map.remove("hash");
        }
        seal::hash(&value)
    }

    /// Reads a saved plan and checks that it is as it was made.
    pub fn from_json(bytes: &[u8]) -> Result<Self, PlanError> {
        let value: Value = serde_json::from_slice(bytes).map_err(PlanError::Form)?;
        let found = value.get("format").and_then(Value::as_str).unwrap_or("");
        if found != PLAN_FORMAT {
            return Err(PlanError::Format {
                found: found.to_owned(),
            });
        }
        let plan: Self = serde_json::from_value(value).map_err(PlanError::Form)?;
        if plan.hash == plan.computed_hash() {
            Ok(plan)
        } else {
            Err(PlanError::Changed)
        }
    }

    /// Refuses a plan that was made for other accounts, or for others in another order.
    pub fn check(&self, accounts: &[Account]) -> Result<(), PlanError> {
        if self.accounts_hash == accounts_hash(accounts) {
            Ok(())
        } else {
            Err(PlanError::OtherAccounts)
        }
    }

    /// The keys of the accounts that are go.
    pub fn go(&self) -> BTreeSet<&str> {
        let go = self
            .accounts
            .iter()
            .filter(|one| one.decision == Decision::Go);
        go.map(|one| one.key.as_str()).collect()
    }

    /// The bytes left to copy of each account, by its key.
    pub fn sizes(&self) -> BTreeMap<String, u64> {
        let size = |one: &AccountPlan| (one.key.clone(), one.pending_bytes);
        self.accounts.iter().map(size).collect()
    }
}

fn accounts_hash(accounts: &[Account]) -> String {
    let mut hasher = blake3::Hasher::new();
    for account in accounts {
        hasher.update(account.key().as_bytes());
        hasher.update(b"\n");
    }
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{EndpointOptions, parse_accounts};

    fn accounts(rows: &str) -> Vec<Account> {
        let head = "source_url,source_user,source_password,target_url,target_user,target_password";
        let csv = format!("{head}\n{rows}");
        parse_accounts(csv.as_bytes(), &EndpointOptions::default()).unwrap()
    }

    fn assembled() -> Plan {
        let pace = Pace {
            jobs: 4,
            at_once: 4,
            bytes_per_second: None,
        };
        Plan::assemble(&accounts(ROWS), Vec::new(), pace, Timestamp::UNIX_EPOCH)
    }

    const ROWS: &str = "imaps://a,u,p,imaps://b,u,p\nimaps://a,v,p,imaps://b,v,p\n";

    #[test]
    fn a_saved_plan_is_read_back_and_a_changed_one_refused() {
        let plan = assembled();
        let json = serde_json::to_string_pretty(&plan).unwrap();
        assert_eq!(Plan::from_json(json.as_bytes()).unwrap(), plan);
        let changed = json.replace("\"jobs\": 4", "\"jobs\": 5");
        let refused = Plan::from_json(changed.as_bytes());
        assert!(matches!(refused, Err(PlanError::Changed)), "{refused:?}");
        let other = json.replace("plan/1", "plan/2");
        let refused = Plan::from_json(other.as_bytes());
        assert!(matches!(refused, Err(PlanError::Format { .. })));
        assert!(matches!(Plan::from_json(b"x"), Err(PlanError::Form(_))));
    }

    #[test]
    fn a_plan_holds_for_its_accounts_whatever_their_passwords() {
        let plan = assembled();
        assert!(
            plan.check(&accounts(&ROWS.replace(",p,", ",other,")))
                .is_ok()
        );
        for rows in [ROWS.replace(",v,", ",w,"), ROWS.lines().take(1).collect()] {
            assert!(plan.check(&accounts(&rows)).is_err(), "{rows}");
        }
    }
}
