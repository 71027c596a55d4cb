//! Which message of the source each one that the target holds already is.
//!
//! Exact duplicates differ by their dates and flags alone. One whose own copy is not there may take
//! that of another for the time being; when the other comes, the copy is its own, and the bytes that
//! came with it are written for the first one, whose bytes they are too.

use super::batch::record;
use super::unsynced::Waiting;
use super::writer::Writer;
use crate::error::MigrationError;
use crate::journal::{ItemRecord, Record};
use crate::matcher::Claimed;
use crate::model::FlagSet;
use crate::source::Item;
use crate::target::FlagChange;

/// An item that took a copy whose date or flags are not its own. It enters the journal when its
/// folder has ended: nobody else can come for the copy then.
pub(super) struct Loose {
    record: ItemRecord,
    found: Claimed,
}

impl Writer<'_> {
    /// Keeps an item without writing it when the target holds it already; returns what is to be
    /// written.
    pub(super) fn claim(
        &mut self,
        folder: usize,
        item: Item,
    ) -> Result<Option<Item>, MigrationError> {
        let run = &mut self.folders[folder];
        let claimed = run.pool.claim(item.payload.hash, item.date, &item.flags);
        if let Some(found) = claimed {
            let record = record(&item, found.uid, false, false);
            if found.is_exactly(item.date, &item.flags) {
                self.keep_claimed(folder, record)?;
            } else {
                run.loose.push(Loose { record, found });
            }
            return Ok(None);
        }
        let own = run.loose.iter().position(|loose| {
            let same_bytes = loose.record.hash == item.payload.hash;
            same_bytes && loose.found.is_exactly(item.date, &item.flags)
        });
        let Some(place) = own else {
            return Ok(Some(item));
        };
        let loose = run.loose.remove(place);
        let record = record(&item, loose.found.uid, false, false);
        self.keep_claimed(folder, record)?;
        Ok(Some(Item {
            uid: loose.record.source_uid,
            flags: loose.record.flags,
            date: loose.record.date,
            ..item
        }))
    }

    fn keep_claimed(&mut self, folder: usize, record: ItemRecord) -> Result<(), MigrationError> {
        let bytes = record.size;
        let records = vec![Record::Item(self.folders[folder].id, record)];
        self.keep(Waiting::Messages {
            folder,
            records,
            bytes,
            written: false,
        })
    }

    /// The folder has ended: what its items took is theirs.
    pub(super) fn settle_claims(&mut self, folder: usize) -> Result<(), MigrationError> {
        for loose in std::mem::take(&mut self.folders[folder].loose) {
            let Loose { record, found } = loose;
            // A store that rebuilds its index from the messages' files knows no flags of them.
            let bare = found.flags.is_empty() && found.is_of(record.date);
            if bare && self.caution.mend_flags && self.target.forgetful() {
                let change = FlagChange {
                    uid: found.uid,
                    add: record.flags.clone(),
                    remove: FlagSet::default(),
                };
                self.unsynced.mend(folder, change);
            }
            self.keep_claimed(folder, record)?;
        }
        Ok(())
    }
}
