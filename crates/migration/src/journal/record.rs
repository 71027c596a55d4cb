//! The journal's records.

use serde::{Deserialize, Serialize};

use crate::model::{FlagSet, FolderPath, InternalDate, MessageHash, Uid};

/// A folder at one UIDVALIDITY of its source, numbered within the journal.
pub type FolderId = u32;

/// A folder's source and target.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FolderRecord {
    /// Its number in this journal.
    pub id: FolderId,
    /// Its path at the source.
    pub path: FolderPath,
    /// UIDVALIDITY at the source.
    pub source_validity: u32,
    /// Its name at the target, as on the wire.
    pub target_name: String,
    /// UIDVALIDITY at the target.
    pub target_validity: u32,
}

/// A message that the target has acknowledged.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ItemRecord {
    /// UID at the source.
    pub source_uid: Uid,
    /// UID at the target; 0 when the target does not tell.
    pub target_uid: Uid,
    /// Length in bytes.
    pub size: u64,
    /// BLAKE3 of the raw bytes.
    pub hash: MessageHash,
    /// Flags at the source when they were last carried over.
    pub flags: FlagSet,
    /// INTERNALDATE.
    pub date: Option<InternalDate>,
    /// True when this engine wrote it, false when it was found there.
    pub written: bool,
    /// True when every message of the target's folder up to `target_uid` is accounted for, so
    /// that a resumed run reads back only what lies above it.
    pub floor: bool,
}

/// Where a folder's source stood when everything in it had been carried over.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Watermark {
    /// UIDNEXT.
    pub uid_next: u32,
    /// MESSAGES.
    pub messages: u32,
    /// HIGHESTMODSEQ, 0 when the server has none.
    pub highest_modseq: u64,
}

/// One line of the journal.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Record {
    /// A folder is begun.
    Folder(FolderRecord),
    /// A message is at the target.
    Item(FolderId, ItemRecord),
    /// A message's new flags were carried over.
    Flags(FolderId, Uid, FlagSet),
    /// The folder is complete, with zero errors; the target's messages up to the UID are accounted
    /// for.
    Complete(FolderId, Watermark, Uid),
    /// Everything up to this target UID was read back and found right.
    Verified(FolderId, Uid),
    /// The target was seen to lack an item: it must be copied again.
    Lost(FolderId, Uid),
    /// A subscription was carried over.
    Subscribed(FolderPath),
    /// A writer began.
    Opened,
    /// The writer ended in order.
    Closed,
    /// The server's own identity for a folder.
    Identity(FolderId, String),
    /// The folder has another path at the source; its name at the target stays.
    Renamed(FolderId, FolderPath),
    /// These messages were deleted at the source after they had been carried over; they stay at
    /// the target.
    Gone(FolderId, Vec<Uid>),
    /// The source gave a text of its own in place of this message, and that was carried over.
    Substitute(FolderId, Uid),
    /// Messages of a view that are in another copied folder as well, with their hashes: they were
    /// left out.
    LeftOut(FolderId, Vec<(Uid, MessageHash)>),
}
