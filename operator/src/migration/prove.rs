//! The proof of a migration: the reports of its accounts in one.

use std::collections::HashMap;

use melouvert_migration::{
    Outcome, Report,
    proof::{AccountReport, FORMAT, Failure},
    seal,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::members::Member;

/// The reports of the accounts in one, and its hash.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    /// The whole report.
    pub report: Value,
    /// BLAKE3 of its canonical JSON.
    pub hash: String,
}

/// Which passes a proof rests on: another value means that another proof is due.
pub fn rests_on(members: &[&Member]) -> String {
    let mut hasher = Sha256::new();
    for member in members {
        let pass = member.ended.as_ref().map_or(0, |ended| ended.done.pass);
        hasher.update(member.id.as_bytes());
        hasher.update(pass.to_le_bytes());
    }
    hex::encode(&hasher.finalize()[..16])
}

/// Puts the reports of `members` together, in their order. An account without a report of its last
/// pass is in it as failed: what is not proven is never left out.
pub fn merge(
    members: &[&Member],
    (source_url, target_url): (&str, &str),
    mut reports: HashMap<String, Value>,
) -> Result<Merged, serde_json::Error> {
    let mut accounts: Vec<Value> = Vec::new();
    let mut read: Vec<AccountReport> = Vec::new();
    let (mut started, mut finished) = (None, None);
    for member in members {
        let kept = reports
            .remove(&member.id)
            .map(serde_json::from_value::<Report>);
        let kept = kept.transpose()?;
        let without = member
            .ended
            .as_ref()
            .is_some_and(|ended| ended.reason.as_deref() == Some("job_failed"));
        let account = match kept {
            Some(report) if !without => {
                started = started.into_iter().chain([report.started]).min();
                finished = finished.into_iter().chain([report.finished]).max();
                report.accounts.into_iter().next()
            }
            _ => None,
        };
        let account = account.unwrap_or_else(|| absent(member, source_url, target_url));
        accounts.push(serde_json::to_value(&account)?);
        read.push(account);
    }
    let report = seal::settled(json!({
        "format": FORMAT,
        "started": started.unwrap_or_default(),
        "finished": finished.unwrap_or_default(),
        "outcome": Outcome::of(&read),
        "accounts": accounts,
    }));
    let hash = seal::hash(&report);
    Ok(Merged { report, hash })
}

fn absent(member: &Member, source_url: &str, target_url: &str) -> AccountReport {
    AccountReport {
        failure: Some(Failure {
            reason: "job_failed".into(),
            message: "the account's Job ended without a report; see its pods' log, then retry"
                .into(),
        }),
        ..AccountReport::blank(
            (source_url, &member.source_user),
            (target_url, &member.target_user),
        )
    }
}

#[cfg(test)]
mod tests {
    use melouvert_migration::proof::AccountStatus;

    use super::*;

    fn member(id: &str) -> Member {
        Member {
            id: id.into(),
            wave: 0,
            source_user: format!("old-{id}"),
            target_user: format!("{id}@caen.example"),
            pass: 1,
            begun: None,
            moved: None,
            ended: None,
            job: None,
        }
    }

    fn report(id: &str, minute: u32, status: &str) -> Value {
        json!({
            "format": FORMAT, "outcome": "complete",
            "started": format!("2026-11-24T10:{minute:02}:00Z"),
            "finished": format!("2026-11-24T11:{minute:02}:00Z"),
            "accounts": [{
                "source_url": "imaps://old.example:993", "source_user": format!("old-{id}"),
                "target_url": "imaps://mail:993", "target_user": format!("{id}@caen.example"),
                "status": status, "failure": null, "seconds": 1.0 / 3.0,
                "written_messages": 2, "written_bytes": 10, "matched_messages": 0,
                "flag_changes": 0, "vanished_messages": 0, "folders": [], "exceptions": [],
            }],
        })
    }

    fn merged(reports: &[(&str, Value)]) -> Report {
        let members = [member("a"), member("b")];
        let members: Vec<&Member> = members.iter().collect();
        let reports = reports
            .iter()
            .map(|(id, report)| ((*id).to_owned(), report.clone()));
        let merged = merge(&members, ("imaps://old", "imaps://mail"), reports.collect()).unwrap();
        assert_eq!(seal::hash(&merged.report), merged.hash);
        serde_json::from_value(merged.report).unwrap()
    }

    #[test]
    fn accounts_are_put_together_in_order() {
        let whole = merged(&[
            ("b", report("b", 5, "complete")),
            ("a", report("a", 9, "complete")),
        ]);
        assert_eq!(whole.outcome, Outcome::Complete);
        let users: Vec<&str> = whole
            .accounts
            .iter()
            .map(|a| a.source_user.as_str())
            .collect();
        assert_eq!(users, ["old-a", "old-b"]);
        assert_eq!(whole.started.to_string(), "2026-11-24T10:05:00Z");
        assert_eq!(whole.finished.to_string(), "2026-11-24T11:09:00Z");
    }

    #[test]
    fn what_is_not_proven_is_never_left_out() {
        let whole = merged(&[("a", report("a", 9, "complete"))]);
        assert_eq!(whole.outcome, Outcome::Partial);
        assert_eq!(whole.accounts[1].source_user, "old-b");
        assert_eq!(whole.accounts[1].status, AccountStatus::Failed);
    }

    #[test]
    fn another_pass_asks_for_another_proof() {
        use melouvert_waves::{Done, Ending, Goal, Stage};
        let goal = Goal {
            stage: Stage::Presync,
            run: 0,
            retry: 0,
            frozen: false,
            verify_all: false,
        };
        let mut one = member("a");
        let first = rests_on(&[&one]);
        one.ended = Some(super::super::members::Ended {
            done: Done::after(None, 1, goal, Ending::Complete, 0),
            messages: melouvert_api::migration::MessageCounts::default(),
            reason: None,
        });
        assert_ne!(rests_on(&[&one]), first);
    }
}
