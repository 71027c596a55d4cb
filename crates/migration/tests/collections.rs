//! iCalendar and vCard files through the engine, to the proof.

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use common::{Lab, test_options, witness};
use melouvert_bench::dovecot::PASSWORD;
use melouvert_migration::account::parse_accounts;
use melouvert_migration::proof::Reason;
use melouvert_migration::{EndpointOptions, Options, Outcome, Report, Silent};
use tokio_util::sync::CancellationToken;

const GOOD: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//essai//FR\r\n\
    BEGIN:VEVENT\r\nUID:un\r\nDTSTAMP:20261124T200000Z\r\nDTSTART:20261124T200000Z\r\n\
    SUMMARY:Conseil municipal\r\n  extraordinaire\r\nEND:VEVENT\r\n\
    BEGIN:VTODO\r\nUID:deux\r\nDTSTAMP:20261124T200000Z\r\nEND:VTODO\r\nEND:VCALENDAR\r\n";

async fn import(source: &str, target: &Path, state: &Path) -> Report {
    let csv = format!(
        "source_url,source_user,source_password,target_url,target_user,target_password\n\
         {source},,,export:{},,\n",
        target.display()
    );
    let accounts = parse_accounts(csv.as_bytes(), &EndpointOptions::default()).expect("csv");
    let (silent, stop) = (Arc::new(Silent), CancellationToken::new());
    melouvert_migration::run(accounts, state, &Options::default(), silent, stop).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_calendar_is_kept_counted_and_proven() {
    let lab = tempfile::tempdir().expect("folder");
    let source = lab.path().join("Mairie.ics");
    fs::write(&source, GOOD).expect("write");
    let (export, state) = (lab.path().join("export"), lab.path().join("state"));
    let url = format!("ical:{}", source.display());
    let report = import(&url, &export, &state).await;
    assert_eq!(report.outcome, Outcome::Complete, "{report:?}");
    let proof = &report.accounts[0].collections[0];
    assert_eq!(
        (proof.name.as_str(), proof.items, proof.written),
        ("Mairie", 2, 2)
    );
    let kept = export.join("collections/calendars");
    assert_eq!(
        fs::read_to_string(kept.join("Mairie.ics")).expect("kept"),
        GOOD
    );
    assert_eq!(
        fs::read_dir(kept.join("Mairie")).expect("objects").count(),
        2
    );
    let sums = Command::new("sha256sum")
        .args(["--check", "--strict", "SHA256SUMS"])
        .current_dir(&export)
        .output()
        .expect("sha256sum runs");
    let checked = String::from_utf8_lossy(&sums.stdout);
    assert!(sums.status.success(), "{checked}");
    assert!(
        checked.contains("collections/calendars/Mairie.ics: OK"),
        "{checked}"
    );
    let again = import(&url, &export, &state).await;
    assert_eq!(again.accounts[0].collections[0].written, 0);
    assert_eq!(
        again.accounts[0].collections[0].stored_hash,
        proof.stored_hash
    );
}

/// A mail server has no place for calendars and contacts: they are kept beside the journal, and
/// nothing of them is put among the mail.
#[tokio::test(flavor = "multi_thread")]
async fn beside_a_server_calendars_and_contacts_are_kept_as_files() {
    let lab = Lab::new(0, 1);
    let before = witness(&lab.target, "agent01");
    let files = lab.directory.path();
    let card = "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Zoé\r\nN:;Zoé\r\nEND:VCARD\r\n";
    fs::write(files.join("Mairie.ics"), GOOD).expect("write");
    fs::write(files.join("Élus.vcf"), card).expect("write");
    let options = EndpointOptions {
        allow_cleartext: true,
        ca_file: None,
    };
    let port = lab.target.port;
    let row = |scheme: &str, name: &str| {
        let path = files.join(name);
        let target = format!("imap://127.0.0.1:{port},agent01,{PASSWORD}");
        format!("{scheme}:{},,,{target}\n", path.display())
    };
    let csv = format!(
        "source_url,source_user,source_password,target_url,target_user,target_password\n{}{}",
        row("ical", "Mairie.ics"),
        row("vcard", "Élus.vcf")
    );
    let accounts = parse_accounts(csv.as_bytes(), &options).expect("csv");
    let kept = |account: usize, path: &str| lab.state().join(accounts[account].key()).join(path);
    for pass in 0..2 {
        let report = lab.copy_with(accounts.clone(), &test_options()).await;
        assert_eq!(report.outcome, Outcome::Complete, "{report:?}");
        for (account, (name, items)) in [("Mairie", 2), ("Élus", 1)].into_iter().enumerate() {
            let proof = &report.accounts[account].collections[0];
            let new = if pass == 0 { items } else { 0 };
            assert_eq!(
                (proof.name.as_str(), proof.items, proof.written),
                (name, items, new)
            );
            assert!(proof.complete);
        }
    }
    let calendar = kept(0, "collections/calendars/Mairie.ics");
    assert_eq!(fs::read_to_string(calendar).expect("kept"), GOOD);
    let contacts = kept(1, "collections/contacts/Élus.vcf");
    assert_eq!(fs::read_to_string(contacts).expect("kept"), card);
    assert_eq!(witness(&lab.target, "agent01"), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_entry_fails_the_run_and_is_named() {
    let lab = tempfile::tempdir().expect("folder");
    let source = lab.path().join("contacts");
    fs::create_dir(&source).expect("folder");
    let good = "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Zoé\r\nN:;Zoé\r\nEND:VCARD\r\n";
    let bad = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:sans-nom\r\nEND:VCARD\r\n";
    fs::write(source.join("equipe.vcf"), format!("{good}{bad}")).expect("write");
    let url = format!("vcard:{}", source.display());
    let report = import(&url, &lab.path().join("export"), &lab.path().join("state")).await;
    assert_eq!(report.outcome, Outcome::Partial);
    let account = &report.accounts[0];
    assert_eq!(
        (
            account.collections[0].items,
            account.collections[0].exceptions
        ),
        (1, 1)
    );
    let exception = &account.exceptions[0];
    assert_eq!(exception.reason, Reason::CollectionItemInvalid);
    assert_eq!(exception.folder, "collections/equipe");
    assert!(
        exception
            .detail
            .contains("UID sans-nom: FN must stand once"),
        "{}",
        exception.detail
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_without_collections_still_reads() {
    let lab = tempfile::tempdir().expect("folder");
    let source = lab.path().join("a.ics");
    fs::write(&source, GOOD).expect("write");
    let url = format!("ical:{}", source.display());
    let report = import(&url, &lab.path().join("export"), &lab.path().join("state")).await;
    let mut json = serde_json::to_value(&report).expect("JSON");
    let account = json["accounts"][0].as_object_mut().expect("an account");
    assert!(account.remove("collections").is_some());
    let old: Report = serde_json::from_value(json).expect("an old report");
    assert_eq!(old.accounts[0].collections, []);
}
