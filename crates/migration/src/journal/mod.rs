//! The journal of one account: what the target has acknowledged, so that a run can be resumed
//! after a kill at any instruction.
//!
//! Records are appended after the acknowledgement, each with its checksum. A torn or lost tail is
//! harmless: the engine re-reads what the target holds above the last journalled UID and matches
//! it by hash.

mod file;
pub(crate) mod frames;
mod items;
mod record;
mod state;

pub use file::Journal;
pub use items::Items;
pub use record::{FolderId, FolderRecord, ItemRecord, Record, Watermark};
pub use state::{FolderState, JournalState};
