//! Whether a proof agrees with itself: each verdict is drawn again from counts and hashes.

use super::{AccountReport, AccountStatus, FORMAT, FolderProof};
use crate::engine::{Outcome, Report};
use crate::model::hash_of_hashes;

/// What does not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Flaw {
    /// The report's form is another.
    Format,
    /// A folder's count of exceptions is not that of the exceptions listed for it.
    ExceptionCount {
        /// What the folder says.
        told: u64,
        /// What is listed.
        listed: u64,
    },
    /// A folder is said complete although something is absent or different, or the reverse.
    FolderVerdict,
    /// A hash is not 64 hexadecimal digits, or a count of nothing has not the hash of nothing.
    FolderHash,
    /// More was read back than was copied.
    ReadBack,
    /// Fewer messages at the target than at the source, and nothing says why.
    Missing {
        /// How many.
        messages: u64,
    },
    /// An account's state is not what its folders and exceptions amount to.
    AccountVerdict,
    /// The outcome is not what the accounts amount to.
    Outcome,
}

/// Something that does not hold, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inconsistency {
    /// The source user; none for the whole report.
    pub account: Option<String>,
    /// The folder; none for the whole account.
    pub folder: Option<String>,
    /// What.
    pub flaw: Flaw,
}

/// Everything in a report that does not hold.
pub fn inconsistencies(report: &Report) -> Vec<Inconsistency> {
    let mut found = Vec::new();
    let whole = |flaw| Inconsistency {
        account: None,
        folder: None,
        flaw,
    };
    if report.format != FORMAT {
        found.push(whole(Flaw::Format));
    }
    for account in &report.accounts {
        of_account(account, &mut found);
    }
    if report.outcome != Outcome::of(&report.accounts) {
        found.push(whole(Flaw::Outcome));
    }
    found
}

fn of_collections(account: &AccountReport, found: &mut Vec<Inconsistency>) {
    for one in &account.collections {
        let folder = one.exception_folder().to_string();
        let listed = account.exceptions.iter().filter(|e| e.folder == folder);
        let listed = listed.count() as u64;
        let mut flaws = Vec::new();
        let alike = one.source_hash == one.stored_hash;
        if listed != one.exceptions && (alike || one.exceptions > 0) {
            let told = one.exceptions;
            flaws.push(Flaw::ExceptionCount { told, listed });
        }
        if one.complete != (one.exceptions == 0 && alike) {
            flaws.push(Flaw::FolderVerdict);
        }
        if !hash_fits(&one.source_hash, one.items) || !hash_fits(&one.stored_hash, one.items) {
            flaws.push(Flaw::FolderHash);
        }
        found.extend(flaws.into_iter().map(|flaw| Inconsistency {
            account: Some(account.source_user.clone()),
            folder: Some(one.name.clone()),
            flaw,
        }));
    }
}

fn of_account(account: &AccountReport, found: &mut Vec<Inconsistency>) {
    of_collections(account, found);
    let mut add = |folder: Option<&FolderProof>, flaw| {
        found.push(Inconsistency {
            account: Some(account.source_user.clone()),
            folder: folder.map(|folder| folder.path.clone()),
            flaw,
        });
    };
    let mut missing = 0;
    for folder in &account.folders {
        let of_folder = account
            .exceptions
            .iter()
            .filter(|e| e.folder == folder.path);
        let listed = of_folder.count() as u64;
        if listed != folder.exceptions {
            let told = folder.exceptions;
            add(Some(folder), Flaw::ExceptionCount { told, listed });
        }
        let alike = folder.source_hash == folder.target_hash;
        if folder.complete != (folder.exceptions == 0 && alike) {
            add(Some(folder), Flaw::FolderVerdict);
        }
        if !hash_fits(&folder.source_hash, folder.copied_messages)
            || !hash_fits(&folder.target_hash, folder.verified_messages)
        {
            add(Some(folder), Flaw::FolderHash);
        }
        let other_count = alike && folder.verified_messages != folder.copied_messages;
        if folder.verified_messages > folder.copied_messages || other_count {
            add(Some(folder), Flaw::ReadBack);
        }
        if folder.complete {
            let told = folder.copied_messages + folder.left_out_messages;
            missing += folder.source_messages.saturating_sub(told);
        }
    }
    // What was deleted at the source during the run is missing rightly.
    if let Some(messages) = missing
        .checked_sub(account.vanished_messages)
        .filter(|messages| *messages > 0)
    {
        add(None, Flaw::Missing { messages });
    }
    let sound = account.failure.is_none()
        && account.exceptions.is_empty()
        && account.folders.iter().all(|folder| folder.complete)
        && account.collections.iter().all(|one| one.complete);
    if account.status == AccountStatus::Complete && !sound
        || account.status == AccountStatus::Partial && account.exceptions.is_empty()
    {
        add(None, Flaw::AccountVerdict);
    }
}

/// A hash of hashes has 64 digits, and is that of nothing for no message and for no message alone.
fn hash_fits(hash: &str, messages: u64) -> bool {
    let digits = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits && (messages == 0) == (hash == hash_of_hashes([]).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FolderPath, MessageHash};
    use crate::proof::{CollectionProof, Exception, Reason};

    fn report() -> Report {
        let hash = hash_of_hashes([MessageHash::of(b"a")]).to_string();
        let folder = FolderProof {
            path: "INBOX".into(),
            target_name: "INBOX".into(),
            source_messages: 1,
            copied_messages: 1,
            left_out_messages: 0,
            copied_bytes: 1,
            source_hash: hash.clone(),
            verified_messages: 1,
            target_hash: hash,
            exceptions: 0,
            complete: true,
        };
        let account = AccountReport {
            source_url: String::new(),
            source_user: "jeanne".into(),
            target_url: String::new(),
            target_user: "jeanne".into(),
            status: AccountStatus::Complete,
            failure: None,
            seconds: 1.0,
            written_messages: 1,
            written_bytes: 1,
            matched_messages: 0,
            flag_changes: 0,
            vanished_messages: 0,
            listed_folders: 1,
            listed_subscriptions: 0,
            folders: vec![folder],
            collections: Vec::new(),
            exceptions: Vec::new(),
            notes: Vec::new(),
        };
        Report {
            format: FORMAT.into(),
            started: jiff::Timestamp::UNIX_EPOCH,
            finished: jiff::Timestamp::UNIX_EPOCH,
            outcome: Outcome::Complete,
            accounts: vec![account],
        }
    }

    fn flaws(change: impl Fn(&mut Report)) -> Vec<Flaw> {
        let mut changed = report();
        change(&mut changed);
        let found = inconsistencies(&changed);
        found.into_iter().map(|one| one.flaw).collect()
    }

    #[test]
    fn a_sound_report_has_no_flaw() {
        assert_eq!(flaws(|_| ()), []);
        let absent = |report: &mut Report| {
            let path = FolderPath(vec!["INBOX".into()]);
            let account = &mut report.accounts[0];
            let exception = Exception::new("jeanne", &path, Some(2), Reason::TooLarge);
            account.exceptions.push(exception);
            account.status = AccountStatus::Partial;
            account.folders[0].source_messages = 2;
            account.folders[0].exceptions = 1;
            account.folders[0].complete = false;
            report.outcome = Outcome::Partial;
        };
        assert_eq!(flaws(absent), []);
    }

    #[test]
    fn collections_are_looked_at_too() {
        let hash = hash_of_hashes([MessageHash::of(b"a")]).to_string();
        let with = |change: &dyn Fn(&mut CollectionProof)| {
            flaws(|report| {
                let mut proof = CollectionProof {
                    kind: crate::collection::Kind::Contacts,
                    name: "equipe".into(),
                    items: 1,
                    written: 1,
                    bytes: 1,
                    source_hash: hash.clone(),
                    stored_hash: hash.clone(),
                    exceptions: 0,
                    complete: true,
                };
                change(&mut proof);
                report.accounts[0].collections.push(proof);
            })
        };
        assert_eq!(with(&|_| ()), []);
        assert!(with(&|one| one.complete = false).contains(&Flaw::FolderVerdict));
        assert!(with(&|one| one.items = 0).contains(&Flaw::FolderHash));
        let flaws = with(&|one| one.exceptions = 1);
        assert!(
            flaws.contains(&Flaw::ExceptionCount { told: 1, listed: 0 }),
            "{flaws:?}"
        );
    }

    #[test]
    fn each_embellishment_is_seen() {
        let other = hash_of_hashes([MessageHash::of(b"b")]).to_string();
        let account =
            |change: &dyn Fn(&mut AccountReport)| flaws(|report| change(&mut report.accounts[0]));
        let folder = |change: &dyn Fn(&mut FolderProof)| account(&|a| change(&mut a.folders[0]));
        assert_eq!(flaws(|r| r.format = "x/1".into()), [Flaw::Format]);
        assert_eq!(flaws(|r| r.outcome = Outcome::Partial), [Flaw::Outcome]);
        assert_eq!(
            folder(&|f| f.target_hash.clone_from(&other)),
            [Flaw::FolderVerdict]
        );
        let count = Flaw::ExceptionCount { told: 1, listed: 0 };
        assert!(folder(&|f| f.exceptions = 1).contains(&count));
        assert!(folder(&|f| f.complete = false).contains(&Flaw::FolderVerdict));
        assert!(folder(&|f| f.source_hash.truncate(9)).contains(&Flaw::FolderHash));
        assert!(folder(&|f| f.copied_messages = 0).contains(&Flaw::FolderHash));
        assert!(folder(&|f| f.verified_messages = 2).contains(&Flaw::ReadBack));
        let missing = Flaw::Missing { messages: 6 };
        assert_eq!(folder(&|f| f.source_messages = 7), [missing]);
        assert_eq!(
            account(&|a| {
                a.folders[0].source_messages = 7;
                a.vanished_messages = 6;
            }),
            []
        );
        assert!(account(&|a| a.status = AccountStatus::Partial).contains(&Flaw::AccountVerdict));
    }
}
