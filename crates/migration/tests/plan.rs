//! Plans made against real Dovecots, and carried out.

mod common;

use std::path::Path;
use std::sync::Arc;

use common::{Lab, test_options, witness};
use melouvert_bench::corpus::mailbox_name;
use melouvert_bench::dovecot::{self, PASSWORD};
use melouvert_migration::account::parse_accounts;
use melouvert_migration::preflight::{self, Concern, Decision, Plan, Settings};
use melouvert_migration::{Account, EndpointOptions};

async fn plan(accounts: &[Account], state: &Path, settings: &Settings) -> Plan {
    preflight::run(accounts, Some(state), settings, Arc::new(|_| ())).await
}

fn concerns(plan: &Plan, account: usize) -> Vec<Concern> {
    let findings = &plan.accounts[account].findings;
    findings.iter().map(|finding| finding.concern).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_tells_volumes_writes_nothing_and_knows_what_was_copied() {
    let lab = Lab::new(150, 2);
    let accounts = lab.accounts();
    let before: Vec<_> = (0..2)
        .map(|n| witness(&lab.target, &mailbox_name(n)))
        .collect();
    let first = plan(&accounts, &lab.state(), &Settings::default()).await;
    for (index, account) in first.accounts.iter().enumerate() {
        let (user, told) = (mailbox_name(index), serde_json::to_string(account));
        let told = told.expect("JSON");
        let seen = witness(&lab.source, &user);
        let bytes: u64 = seen.folders.values().flatten().map(|one| one.size).sum();
        assert_eq!(account.decision, Decision::Go, "{told}");
        assert_eq!(account.messages, seen.messages() as u64, "{told}");
        assert_eq!(account.bytes, bytes, "{told}");
        assert_eq!(account.pending_bytes, bytes);
        assert_eq!(account.folders.len(), seen.folders.len());
        assert_eq!(account.measured.as_deref(), Some("source_sample"));
        assert!(account.eta_seconds.is_some_and(|time| time > 0));
        let subscribed = account.folders.iter().filter(|folder| folder.subscribed);
        assert_eq!(subscribed.count(), seen.subscribed.len());
        assert_eq!(
            witness(&lab.target, &user),
            before[index],
            "something was written"
        );
    }
    assert!(!lab.state().exists(), "a plan made a state folder");
    let report = lab.copy().await;
    assert_eq!(report.outcome, melouvert_migration::Outcome::Complete);
    let later = plan(&accounts, &lab.state(), &Settings::default()).await;
    for account in &later.accounts {
        assert_eq!((account.pending_messages, account.pending_bytes), (0, 0));
        assert_eq!(account.eta_seconds, Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_be_copied_is_no_go_with_a_remedy() {
    let target = dovecot::Options {
        quota: Some(60_000),
        ..dovecot::Options::default()
    };
    let lab = Lab::with(90, 1, &target);
    let user = mailbox_name(0);
    let (old, new) = (lab.source.port, lab.target.port);
    let head = "source_url,source_user,source_password,target_url,target_user,target_password";
    let row = |from: u16, password: &str, to: u16, other: &str| {
        format!("imap://127.0.0.1:{from},{user},{password},imap://127.0.0.1:{to},{user},{other}\n")
    };
    let rows = [
        row(old, PASSWORD, new, PASSWORD),
        row(old, "faux", new + 1, "faux"),
        row(old + 1, PASSWORD, new, "faux"),
    ];
    let csv = format!("{head}\n{}", rows.concat());
    let options = EndpointOptions {
        allow_cleartext: true,
        ca_file: None,
    };
    let accounts = parse_accounts(csv.as_bytes(), &options).expect("csv");
    let mut settings = Settings {
        backoff: test_options().backoff,
        max_message_size: Some(1000),
        ..Settings::default()
    };
    settings.backoff.tries = 2;
    let plan = plan(&accounts, &lab.state(), &settings).await;
    assert!(plan.go().is_empty());
    let full = &plan.accounts[0];
    assert_eq!(concerns(&plan, 0)[0], Concern::QuotaShortfall);
    let room = full.quota.expect("a quota");
    let free = room.limit_bytes.expect("a limit") - room.used_bytes;
    assert_eq!(room.short_bytes, full.pending_bytes - free);
    let large: Vec<_> = full
        .findings
        .iter()
        .filter(|finding| finding.concern == Concern::TooLarge)
        .collect();
    assert!(
        !large.is_empty() && large.iter().all(|one| one.folder.is_some()),
        "{large:?}"
    );
    assert!(large[0].detail.contains("UID"), "{large:?}");
    assert_eq!(
        concerns(&plan, 1),
        [Concern::SourceLoginRefused, Concern::TargetUnreachable]
    );
    assert_eq!(
        concerns(&plan, 2),
        [Concern::SourceUnreachable, Concern::TargetLoginRefused]
    );
    let findings = plan.accounts.iter().flat_map(|account| &account.findings);
    for finding in findings {
        assert!(!finding.remedy_fr.is_empty() && !finding.remedy_en.is_empty());
        assert!(!finding.detail.contains("faux"), "a secret in {finding:?}");
    }
    let json = serde_json::to_vec(&plan).expect("JSON");
    assert!(Plan::from_json(&json).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_extensions_is_weighed_message_by_message() {
    let source = dovecot::Options {
        capability: Some("IMAP4rev1".to_owned()),
        format: dovecot::Format::Maildir,
        ..dovecot::Options::default()
    };
    let lab = Lab::with_both(80, 1, &source, &dovecot::Options::default());
    let plan = plan(&lab.accounts(), &lab.state(), &Settings::default()).await;
    let seen = witness(&lab.source, &mailbox_name(0));
    let bytes: u64 = seen.folders.values().flatten().map(|one| one.size).sum();
    assert_eq!(plan.accounts[0].messages, 80);
    assert_eq!(plan.accounts[0].bytes, bytes);
}
