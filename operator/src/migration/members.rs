//! The accounts of a migration as they stand: what is listed, what is kept of them, what runs.

use std::collections::HashMap;

use melouvert_api::migration::MessageCounts;
use melouvert_store::{AccountPasses, StoreError};
use melouvert_waves::{Account, Done, Goal, Known, Running, Share, Work};
use serde::{Deserialize, Serialize};

use super::{jobs::PassJob, validate::Plan};

/// What a pass was begun for, as the database keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Begun {
    /// What it serves.
    pub goal: Goal,
    /// Its share of the caps.
    pub share: Share,
    /// What earlier passes had copied.
    pub base: MessageCounts,
}

/// Where a pass stands, as the database keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Moved {
    /// What this pass found and copied.
    pub messages: MessageCounts,
    /// Bytes copied a second.
    pub bytes_per_second: u64,
}

/// How a pass ended, as the database keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ended {
    /// What the scheduler needs to know.
    #[serde(flatten)]
    pub done: Done,
    /// What all passes together copied.
    pub messages: MessageCounts,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One account.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Its identifier within the migration.
    pub id: String,
    /// The index of its wave.
    pub wave: usize,
    /// Its login at the source.
    pub source_user: String,
    /// Its address at the target.
    pub target_user: String,
    /// The last pass begun; 0 before the first.
    pub pass: u32,
    /// What it was begun for.
    pub begun: Option<Begun>,
    /// Where it stands.
    pub moved: Option<Moved>,
    /// The last pass that ended.
    pub ended: Option<Ended>,
    /// Its Job.
    pub job: Option<PassJob>,
}

impl Member {
    /// What all passes together copied, as far as told.
    pub fn messages(&self) -> MessageCounts {
        let ended = self.ended.as_ref();
        let under_way = ended.is_none_or(|ended| ended.done.pass < self.pass);
        let base = match (&self.begun, under_way) {
            (Some(begun), true) => begun.base.clone(),
            _ => {
                return ended
                    .map(|ended| ended.messages.clone())
                    .unwrap_or_default();
            }
        };
        let Some(moved) = self.moved.as_ref().map(|moved| &moved.messages) else {
            return base;
        };
        MessageCounts {
            source: base.source.max(base.copied + moved.source),
            copied: base.copied + moved.copied,
            absent: moved.absent,
            bytes: base.bytes + moved.bytes,
            source_bytes: base.source_bytes.max(base.bytes + moved.source_bytes),
        }
    }

    fn account(&self) -> Account {
        let known = self.messages();
        Account {
            wave: self.wave,
            bytes: Some(known.source_bytes.max(known.bytes)).filter(|bytes| *bytes > 0),
            known: Known {
                pass: self.pass,
                begun: self.begun.as_ref().map(|begun| begun.goal),
                done: self.ended.as_ref().map(|ended| ended.done),
            },
            running: self.job.as_ref().map(|job| Running {
                share: self
                    .begun
                    .as_ref()
                    .map(|begun| begun.share)
                    .unwrap_or_default(),
                stopping: job.deleting || job.ended.is_some(),
            }),
        }
    }
}

/// Puts together what is listed, what is kept and what runs. An account whose Secret is gone is
/// known by what was kept of it.
pub fn gather(
    plan: &Plan,
    rows: Vec<AccountPasses>,
    mut jobs: HashMap<String, PassJob>,
) -> Result<Vec<Member>, StoreError> {
    let mut rows: HashMap<String, AccountPasses> = rows
        .into_iter()
        .map(|row| (row.account.clone(), row))
        .collect();
    let mut members = Vec::new();
    for (index, wave) in plan.waves.iter().enumerate() {
        if let Some(listed) = &wave.listed {
            for account in listed {
                let row = rows.remove(&account.id);
                let (from, to) = (&account.source_user, &account.target_user);
                members.push(member(
                    &account.id,
                    index,
                    (from, to),
                    row.as_ref(),
                    &mut jobs,
                )?);
            }
            continue;
        }
        let mut kept: Vec<&AccountPasses> =
            rows.values().filter(|row| row.wave == wave.name).collect();
        kept.sort_by(|a, b| a.source_user.cmp(&b.source_user));
        for row in kept {
            let users = (&row.source_user, &row.target_user);
            members.push(member(&row.account, index, users, Some(row), &mut jobs)?);
        }
    }
    Ok(members)
}

fn member(
    id: &str,
    wave: usize,
    (source_user, target_user): (&String, &String),
    row: Option<&AccountPasses>,
    jobs: &mut HashMap<String, PassJob>,
) -> Result<Member, StoreError> {
    let begun = row.map(|row| read(&row.begun)).transpose()?;
    let moved = row
        .and_then(|row| row.progress.as_ref())
        .map(read)
        .transpose()?;
    let ended = row
        .and_then(|row| row.done.as_ref())
        .map(read)
        .transpose()?;
    Ok(Member {
        id: id.to_owned(),
        wave,
        source_user: source_user.clone(),
        target_user: target_user.clone(),
        pass: row.map_or(0, |row| row.pass.unsigned_abs()),
        begun,
        moved,
        ended,
        job: jobs.remove(id),
    })
}

fn read<T: serde::de::DeserializeOwned>(value: &serde_json::Value) -> Result<T, StoreError> {
    serde_json::from_value(value.clone()).map_err(|_| StoreError::Invalid {
        field: "pass",
        expected: "what this release of the operator writes",
    })
}

/// What the scheduler decides upon, in the order of `members`.
pub fn work(plan: &Plan, members: &[Member]) -> Work {
    Work {
        paused: plan.paused,
        limits: plan.limits,
        waves: plan.waves.iter().map(|wave| wave.rules.clone()).collect(),
        accounts: members.iter().map(Member::account).collect(),
    }
}

#[cfg(test)]
mod tests {
    use melouvert_waves::{Ending, Stage};

    use super::*;

    fn counts(source: u64, copied: u64) -> MessageCounts {
        MessageCounts {
            source,
            copied,
            absent: 0,
            bytes: copied * 10,
            source_bytes: 0,
        }
    }

    fn goal() -> Goal {
        Goal {
            stage: Stage::Presync,
            run: 0,
            retry: 0,
            frozen: false,
            verify_all: false,
        }
    }

    fn one() -> Member {
        Member {
            id: "a".into(),
            wave: 0,
            source_user: "a".into(),
            target_user: "a@a.example".into(),
            pass: 2,
            begun: Some(Begun {
                goal: goal(),
                share: Share::default(),
                base: counts(100, 40),
            }),
            moved: None,
            ended: None,
            job: None,
        }
    }

    #[test]
    fn a_pass_adds_to_what_was_copied_before() {
        let mut member = one();
        assert_eq!(member.messages(), counts(100, 40));
        member.moved = Some(Moved {
            messages: counts(60, 5),
            bytes_per_second: 1,
        });
        assert_eq!(
            (member.messages().source, member.messages().copied),
            (100, 45)
        );
        // Once it ended, its report alone counts.
        let done = Done::after(None, 2, goal(), Ending::Complete, 0);
        let ended = Ended {
            done,
            messages: counts(101, 101),
            reason: None,
        };
        member.ended = Some(ended.clone());
        assert_eq!(member.messages(), counts(101, 101));
        let kept = serde_json::to_value(&ended).unwrap();
        assert_eq!(
            (&kept["pass"], &kept["ending"]),
            (&2.into(), &"complete".into())
        );
        assert_eq!(read::<Ended>(&kept).unwrap(), ended);
    }
}
