//! The proof: what was at the source, what is at the target, and each exception with its remedy.

mod consistency;

use serde::{Deserialize, Serialize};

use crate::model::{FolderPath, InternalDate, Uid};

pub use consistency::{Flaw, Inconsistency, inconsistencies};

/// Version of the report's form.
pub const FORMAT: &str = "melouvert-migration-report/1";

/// Why something is absent or different.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The source fails on this message.
    SourceUndeliverable,
    /// The file that holds this item is damaged there.
    SourceUnreadable,
    /// The source's folder cannot be opened.
    SourceFolderUnavailable,
    /// The source renumbered the folder during the run.
    SourceValidityChanged,
    /// The target's mailbox is full.
    OverQuota,
    /// The target accepts no message of this size.
    TooLarge,
    /// The target refused for another reason.
    TargetRefused,
    /// The target's folder cannot be created.
    TargetFolderRefused,
    /// The target's connection breaks on this message.
    TargetBreaks,
    /// Read back, the message was not there.
    AbsentAtTarget,
    /// It had been read back alike, and is no longer there: the target's user deleted it, or the
    /// target lost it. It is not copied again on its own.
    DeletedAtTarget,
    /// Read back, the bytes were others.
    BytesDiffer,
    /// Read back, the date was another.
    DateDiffers,
    /// Read back, the flags were others.
    FlagsDiffer,
    /// Listed anew, the folder was not there.
    FolderAbsent,
    /// Listed anew, the user was not subscribed to the folder.
    SubscriptionDiffers,
    /// The run was stopped before this message's turn.
    NotReached,
    /// A calendar entry or a contact is not well-formed.
    CollectionItemInvalid,
    /// The source's item has no form at the target.
    NotRepresentable,
}

impl Reason {
    /// All of them, as the documents list them.
    pub const ALL: [Self; 19] = [
        Self::SourceUndeliverable,
        Self::SourceUnreadable,
        Self::SourceFolderUnavailable,
        Self::SourceValidityChanged,
        Self::OverQuota,
        Self::TooLarge,
        Self::TargetRefused,
        Self::TargetFolderRefused,
        Self::TargetBreaks,
        Self::AbsentAtTarget,
        Self::DeletedAtTarget,
        Self::BytesDiffer,
        Self::DateDiffers,
        Self::FlagsDiffer,
        Self::FolderAbsent,
        Self::SubscriptionDiffers,
        Self::NotReached,
        Self::CollectionItemInvalid,
        Self::NotRepresentable,
    ];

    /// What a support team can do.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::SourceUndeliverable => {
                "Open this message on the old server; repair or export it there, then run again."
            }
            Self::SourceUnreadable => {
                "Export this item again from the program that wrote the file, then run again."
            }
            Self::SourceFolderUnavailable => {
                "Check the folder's rights on the old server, then run again."
            }
            Self::SourceValidityChanged
            | Self::NotReached
            | Self::AbsentAtTarget
            | Self::FolderAbsent => "Run the same command again: it goes on where it stopped.",
            Self::OverQuota => {
                "Raise the mailbox's quota, then run again: only what is absent is copied."
            }
            Self::TooLarge => "Raise the target's message size limit, then run again.",
            Self::TargetRefused => "Read the server's words, remove the cause, then run again.",
            Self::TargetFolderRefused => {
                "Rename the folder on the old server, or allow its name on the target."
            }
            Self::TargetBreaks => "Look into the target's log for this message, then run again.",
            Self::DeletedAtTarget => {
                "If its user did not delete it, copy it again: run with a new state folder."
            }
            Self::BytesDiffer => "Keep the old server: the target altered this message. Report it.",
            Self::SubscriptionDiffers => {
                "Run again, or let the user subscribe to the folder; its messages are right."
            }
            Self::DateDiffers => "The target keeps another date; the bytes are right.",
            Self::FlagsDiffer => {
                "The target keeps other flags, or its user changed them; the bytes are right."
            }
            Self::CollectionItemInvalid => {
                "Correct this entry in the source file, then run again; the file itself is kept \
                 unaltered."
            }
            Self::NotRepresentable => {
                "Open this item in the program that made the file, and keep the file."
            }
        }
    }

    /// True when the message itself is at the target, byte for byte.
    pub fn is_only_metadata(self) -> bool {
        matches!(
            self,
            Self::DateDiffers | Self::FlagsDiffer | Self::SubscriptionDiffers
        )
    }
}

/// One thing that is absent or different.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Exception {
    /// Source user.
    pub account: String,
    /// Folder at the source.
    pub folder: String,
    /// UID at the source; none when the whole folder is meant.
    pub uid: Option<Uid>,
    /// Bytes, when known.
    pub size: Option<u64>,
    /// Date, when known.
    pub date: Option<String>,
    /// Stable identifier.
    pub reason: Reason,
    /// The server's words.
    pub detail: String,
    /// What to do.
    pub remedy: String,
}

impl Exception {
    /// Builds an exception; its remedy follows from the reason.
    pub fn new(account: &str, folder: &FolderPath, uid: Option<Uid>, reason: Reason) -> Self {
        Self {
            account: account.to_owned(),
            folder: folder.to_string(),
            uid,
            size: None,
            date: None,
            reason,
            detail: String::new(),
            remedy: reason.remedy().to_owned(),
        }
    }

    /// Adds what is known of the message.
    #[must_use]
    pub fn about(mut self, size: u64, date: Option<InternalDate>) -> Self {
        self.size = Some(size);
        self.date = date.map(InternalDate::to_imap);
        self
    }

    /// Adds the server's words.
    #[must_use]
    pub fn saying(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// One folder's proof.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FolderProof {
    /// Path at the source.
    pub path: String,
    /// Name at the target, as on the wire.
    pub target_name: String,
    /// Messages at the source when it was surveyed.
    pub source_messages: u64,
    /// Messages carried over, in all runs.
    pub copied_messages: u64,
    /// Messages of a view that were left out, since another copied folder has them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out_messages: u64,
    /// Bytes of those carried over.
    pub copied_bytes: u64,
    /// BLAKE3 over the sorted BLAKE3 of each message as the source gave it.
    pub source_hash: String,
    /// Messages that were read back through the target's protocol and compared.
    pub verified_messages: u64,
    /// BLAKE3 over the sorted BLAKE3 of each message as the target gave it back.
    pub target_hash: String,
    /// Exceptions in this folder.
    pub exceptions: u64,
    /// True when nothing is absent and everything was read back alike.
    pub complete: bool,
}

/// One calendar's or address book's proof.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CollectionProof {
    /// Calendar or contacts.
    pub kind: crate::collection::Kind,
    /// Its name at the source.
    pub name: String,
    /// Well-formed objects at the source, each counted once.
    pub items: u64,
    /// Of these, written by this run.
    pub written: u64,
    /// Bytes of the objects kept.
    pub bytes: u64,
    /// BLAKE3 over the sorted BLAKE3 of each object as the source gave it.
    pub source_hash: String,
    /// The same of the objects as read back from disk.
    pub stored_hash: String,
    /// What could not be kept as an object.
    pub exceptions: u64,
    /// True when nothing is absent and everything was read back alike.
    pub complete: bool,
}

impl CollectionProof {
    /// The folder that its exceptions name: apart from the mail's, which may have the same name.
    pub fn exception_folder(&self) -> FolderPath {
        FolderPath(vec!["collections".to_owned(), self.name.clone()])
    }
}

/// How an account ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountStatus {
    /// Nothing is absent.
    Complete,
    /// Some items are absent.
    Partial,
    /// The account could not be copied.
    Failed,
    /// Stopped on request.
    Stopped,
}

/// An account's failure.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// Stable identifier.
    pub reason: String,
    /// The error with its causes.
    pub message: String,
}

/// What a note is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoteKind {
    /// The folder has another name at the source since the last pass; at the target it keeps the
    /// one it got.
    FolderRenamed,
    /// The folder is no longer at the source; what was copied stays at the target.
    FolderDeleted,
    /// The folder belongs to another user or to all: it was left alone.
    FolderOfOthers,
    /// The folder went to the target's folder of the same use.
    SpecialUse,
    /// The server tells no date of arrival that a server keeps for some messages: that of their
    /// last hop stands for it, else their own.
    DateFromHeader,
    /// Texts that the server gave in place of messages were copied, in this pass or before.
    Substitute,
    /// Answers of the server that could not be read and were not needed.
    LinesPassedOver,
    /// The server does not tell which folders the user is subscribed to.
    SubscriptionsUnknown,
    /// The folder is a view: messages of it that another copied folder has were left out.
    View,
}

impl NoteKind {
    /// All of them, as the documents list them.
    pub const ALL: [Self; 9] = [
        Self::FolderRenamed,
        Self::FolderDeleted,
        Self::FolderOfOthers,
        Self::SpecialUse,
        Self::DateFromHeader,
        Self::Substitute,
        Self::LinesPassedOver,
        Self::SubscriptionsUnknown,
        Self::View,
    ];
}

/// Something worth knowing that is no fault: nothing is absent because of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Note {
    /// Stable identifier.
    pub kind: NoteKind,
    /// Folder at the source.
    pub folder: String,
    /// What is particular.
    pub detail: String,
}

/// One account's proof.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AccountReport {
    /// Source URL, without credentials.
    pub source_url: String,
    /// Source user.
    pub source_user: String,
    /// Target URL, without credentials.
    pub target_url: String,
    /// Target user.
    pub target_user: String,
    /// How it ended.
    pub status: AccountStatus,
    /// Why it failed, if so.
    pub failure: Option<Failure>,
    /// Seconds it took.
    pub seconds: f64,
    /// Messages written by this run.
    pub written_messages: u64,
    /// Bytes written by this run.
    pub written_bytes: u64,
    /// Messages found at the target by their hash and therefore not written again.
    pub matched_messages: u64,
    /// Messages whose flags were carried over again.
    pub flag_changes: u64,
    /// Messages that this run found deleted at the source: before it could read them, or since
    /// they were copied (these stay at the target).
    pub vanished_messages: u64,
    /// Folders that a new listing of the target showed.
    #[serde(default)]
    pub listed_folders: u64,
    /// Subscriptions, of those carried over in this run, that a new listing showed.
    #[serde(default)]
    pub listed_subscriptions: u64,
    /// Per folder.
    pub folders: Vec<FolderProof>,
    /// Calendars and contacts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub collections: Vec<CollectionProof>,
    /// Everything absent or different.
    pub exceptions: Vec<Exception>,
    /// What is worth knowing without being a fault.
    #[serde(default)]
    pub notes: Vec<Note>,
}

impl AccountReport {
    /// The report of an account of which nothing is known but who it is, taken for failed: URL and
    /// user of its source, then of its target.
    pub fn blank(source: (&str, &str), target: (&str, &str)) -> Self {
        Self {
            source_url: source.0.to_owned(),
            source_user: source.1.to_owned(),
            target_url: target.0.to_owned(),
            target_user: target.1.to_owned(),
            status: AccountStatus::Failed,
            failure: None,
            seconds: 0.0,
            written_messages: 0,
            written_bytes: 0,
            matched_messages: 0,
            flag_changes: 0,
            vanished_messages: 0,
            listed_folders: 0,
            listed_subscriptions: 0,
            folders: Vec::new(),
            collections: Vec::new(),
            exceptions: Vec::new(),
            notes: Vec::new(),
        }
    }
}
