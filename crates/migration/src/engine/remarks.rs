//! What a source says of a message that it delivers next.

use super::writer::Writer;
use crate::error::MigrationError;
use crate::journal::Record;
use crate::model::Uid;
use crate::proof::Reason;
use crate::source::{Entries, Item, Remark};

impl Writer<'_> {
    /// Tells what a person must know, keeps the rest in mind.
    pub(super) fn remark(
        &mut self,
        folder: usize,
        uid: Uid,
        remark: Remark,
    ) -> Result<(), MigrationError> {
        match remark {
            Remark::DateFromHeader => {
                *self.counts.header_dates.entry(folder).or_default() += 1;
            }
            Remark::NoDate => self.except(folder, Some(uid), Reason::DateDiffers, |exception| {
                exception.saying("neither the server nor the message tells when it arrived")
            }),
            Remark::NoFlags => self.unflagged = Some(uid),
            Remark::Substitute => {
                self.except(
                    folder,
                    Some(uid),
                    Reason::SourceUndeliverable,
                    |exception| {
                        exception.saying(
                        "the server gives a text of its own in place of the message; that text was \
                         copied",
                    )
                    },
                );
                let record = Record::Substitute(self.folders[folder].id, uid);
                self.journal.append(vec![record])?;
            }
        }
        Ok(())
    }

    /// Gives a message the flags that the survey saw, when the source tells none with it.
    pub(super) fn flags_seen(&self, folder: usize, item: &mut Item) {
        if self.unflagged != Some(item.uid) {
            return;
        }
        let (Entries::All(entries) | Entries::Changed(entries)) =
            &self.folders[folder].source.entries
        else {
            return;
        };
        let place = entries.binary_search_by_key(&item.uid, |entry| entry.uid);
        if let Ok(place) = place {
            item.flags = entries[place].flags.clone();
        }
    }
}
