//! Go or no-go: a pure function of both scans and the journal.

use std::collections::HashSet;

use super::findings::{Concern, Finding, Severity};
use super::plan::{AccountPlan, Decision, FolderPlan, QuotaRoom};
use super::speed::Speed;
use super::{names, source, target};
use crate::account::{Account, Destination, Origin};
use crate::error::{EndpointError, MigrationError};
use crate::imap::extent::Quota;
use crate::journal::JournalState;
use crate::model::FolderPath;
use crate::target::WantedFolder;

/// Messages above the limit that are named one by one.
const NAMED: usize = 10;

/// All that is known of one account.
pub(super) struct Facts {
    pub(super) source: Result<source::Scan, EndpointError>,
    pub(super) target: Result<target::Scan, EndpointError>,
    pub(super) journal: Result<JournalState, MigrationError>,
    pub(super) limit: Option<u64>,
    pub(super) earlier: Option<Speed>,
    /// Whether the copy fills the target's folders for sent mail, trash and the like.
    pub(super) special_use: bool,
    /// The rate that the copy is held to.
    pub(super) bytes_per_second: Option<u64>,
}

/// Draws the account's plan.
pub(super) fn decide(account: &Account, facts: Facts) -> AccountPlan {
    let mut findings = Vec::new();
    if let (Origin::Imap(source), Destination::Imap(target)) = (&account.source, &account.target)
        && source.same_place(target)
    {
        findings.push(Finding::new(Concern::SamePlace, ""));
    }
    let refused = (Concern::SourceLoginRefused, Concern::SourceUnreachable);
    let source = known(facts.source, refused, &mut findings);
    let refused = (Concern::TargetLoginRefused, Concern::TargetUnreachable);
    let target = known(facts.target, refused, &mut findings);
    let journal = facts.journal.unwrap_or_else(|error| {
        findings.push(Finding::new(Concern::JournalUnusable, error.chain()));
        JournalState::default()
    });
    let names = names(&source, &target, &journal, facts.special_use, &mut findings);
    let folders = folders(&source, names, &journal, facts.limit, &mut findings);
    let left = |count: fn(&FolderPlan) -> u64| folders.iter().map(count).sum::<u64>();
    let (pending_messages, pending_bytes) =
        (left(|f| f.pending_messages), left(|f| f.pending_bytes));
    let room = target
        .quota
        .map(|quota| room(quota, pending_messages, pending_bytes));
    findings.extend(of_target(room, target.rights));
    let speed = facts.earlier.or(source.sample);
    let measured = facts.earlier.map(|_| "earlier_run");
    let measured = measured.or_else(|| source.sample.map(|_| "source_sample"));
    let at_least = facts.bytes_per_second;
    let at_least = at_least.and_then(|rate| pending_bytes.checked_div(rate));
    let eta = speed.and_then(|speed| speed.time_for(pending_messages, pending_bytes));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    AccountPlan {
        key: account.key(),
        source_url: account.source.url().to_owned(),
        source_user: account.source.user().to_owned(),
        target_url: account.target.url().to_owned(),
        target_user: account.target.user().to_owned(),
        decision: decision(&findings),
        messages: left(|folder| folder.messages),
        bytes: left(|folder| folder.bytes),
        pending_messages,
        pending_bytes,
        eta_seconds: eta.map(|time| time.max(at_least.unwrap_or(0))),
        bytes_per_second: speed.map(|speed| speed.byte_rate()),
        measured: measured.map(str::to_owned),
        quota: room,
        max_message_size: facts.limit,
        folders,
        findings,
    }
}

/// What a scan found; nothing, and why, when it failed.
fn known<T: Default>(
    scan: Result<T, EndpointError>,
    (login, reach): (Concern, Concern),
    findings: &mut Vec<Finding>,
) -> T {
    scan.unwrap_or_else(|error| {
        let concern = if error.is_login() { login } else { reach };
        findings.push(Finding::new(concern, chain(&error)));
        T::default()
    })
}

fn decision(findings: &[Finding]) -> Decision {
    let mut severities = findings.iter().map(|one| one.severity);
    if severities.any(|one| one == Severity::Blocking) {
        Decision::NoGo
    } else {
        Decision::Go
    }
}

/// What the target's room and rights say against the account.
fn of_target(room: Option<QuotaRoom>, rights: Option<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(room) = room.filter(|room| room.short_bytes > 0 || room.short_messages > 0) {
        let (bytes, messages) = (room.short_bytes, room.short_messages);
        let detail = format!("{bytes} bytes and {messages} messages short");
        findings.push(Finding::new(Concern::QuotaShortfall, detail));
    }
    if let Some(rights) = rights.filter(|rights| !rights.contains('i')) {
        findings.push(Finding::new(Concern::TargetNotWritable, rights));
    }
    findings
}

fn chain(error: &EndpointError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

fn room(quota: Quota, messages: u64, bytes: u64) -> QuotaRoom {
    let short = |needed: u64, used: u64, limit: Option<u64>| {
        limit.map_or(0, |limit| needed.saturating_sub(limit.saturating_sub(used)))
    };
    QuotaRoom {
        used_bytes: quota.used_bytes,
        limit_bytes: quota.limit_bytes,
        used_messages: quota.used_messages,
        limit_messages: quota.limit_messages,
        short_bytes: short(bytes, quota.used_bytes, quota.limit_bytes),
        short_messages: short(messages, quota.used_messages, quota.limit_messages),
    }
}

/// The target's name of each folder, as the copy will choose it.
fn names(
    source: &source::Scan,
    target: &target::Scan,
    journal: &JournalState,
    special_use: bool,
    findings: &mut Vec<Finding>,
) -> Vec<String> {
    let wanted: Vec<WantedFolder> = source
        .folders
        .iter()
        .map(|folder| WantedFolder {
            name: journal
                .folder(&folder.path)
                .map(|state| state.record.target_name.clone()),
            path: folder.path.clone(),
            subscribe: false,
            role: folder.role.filter(|_| special_use),
        })
        .collect();
    let own: HashSet<&FolderPath> = wanted.iter().map(|folder| &folder.path).collect();
    let taken = journal
        .folders()
        .filter(|state| !own.contains(&state.record.path))
        .map(|state| state.record.target_name.clone())
        .collect();
    let (names, told) = names::map(&wanted, &target.listing, &taken);
    findings.extend(told);
    names
}

fn folders(
    source: &source::Scan,
    names: Vec<String>,
    journal: &JournalState,
    limit: Option<u64>,
    findings: &mut Vec<Finding>,
) -> Vec<FolderPlan> {
    let plan = |(folder, name): (&source::Folder, String)| {
        findings.extend(of_folder(folder, limit));
        let state = journal
            .folder(&folder.path)
            .filter(|state| state.record.source_validity == folder.validity);
        let done = state.map_or(0, |state| state.items.len() as u64);
        let done_bytes: u64 =
            state.map_or(0, |state| state.items.iter().map(|item| item.size).sum());
        FolderPlan {
            path: folder.path.to_string(),
            target_name: name,
            messages: folder.messages,
            bytes: folder.bytes,
            pending_messages: folder.messages.saturating_sub(done),
            pending_bytes: if done >= folder.messages {
                0
            } else {
                folder.bytes.saturating_sub(done_bytes)
            },
            subscribed: folder.subscribed,
            special_use: folder.role.map(|role| role.attribute().to_owned()),
        }
    };
    source.folders.iter().zip(names).map(plan).collect()
}

fn of_folder(folder: &source::Folder, limit: Option<u64>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(why) = &folder.unreadable {
        findings.push(Finding::new(Concern::FolderUnreadable, why));
    }
    if let (Some(limit), false) = (limit, folder.too_large.is_empty()) {
        let named: Vec<String> = folder
            .too_large
            .iter()
            .take(NAMED)
            .map(|(uid, size)| format!("UID {uid} {size} bytes"))
            .collect();
        let (count, named) = (folder.too_large.len(), named.join(", "));
        let detail = format!("{count} over {limit} bytes: {named}");
        findings.push(Finding::new(Concern::TooLarge, detail));
    }
    if !folder.others.is_empty() {
        let others = folder.others.join(", ");
        findings.push(Finding::new(Concern::AccessNotCarried, others));
    }
    let place = |finding: Finding| finding.in_folder(&folder.path);
    findings.into_iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortfall_is_what_does_not_fit_into_what_is_free() {
        let quota = Quota {
            used_bytes: 700,
            limit_bytes: Some(1000),
            used_messages: 9,
            limit_messages: Some(10),
        };
        assert_eq!(room(quota, 1, 300).short_bytes, 0);
        let short = room(quota, 5, 450);
        assert_eq!((short.short_bytes, short.short_messages), (150, 4));
        let endless = Quota {
            limit_bytes: None,
            ..quota
        };
        assert_eq!(room(endless, 1, u64::MAX).short_bytes, 0);
        let over = Quota {
            used_bytes: 2000,
            ..quota
        };
        assert_eq!(room(over, 0, 5).short_bytes, 5);
    }

    #[test]
    fn what_concerns_a_folder_names_it() {
        let folder = source::Folder {
            path: FolderPath(vec!["A".into(), "b".into()]),
            too_large: (1..=12).map(|uid| (uid, 900)).collect(),
            others: vec!["fred lr".into()],
            ..source::Folder::default()
        };
        let findings = of_folder(&folder, Some(800));
        assert!(findings.iter().all(|f| f.folder.as_deref() == Some("A/b")));
        assert!(
            findings[0]
                .detail
                .starts_with("12 over 800 bytes: UID 1 900 bytes")
        );
        assert!(!findings[0].detail.contains("UID 11"));
        assert_eq!(findings[1].concern, Concern::AccessNotCarried);
    }
}
