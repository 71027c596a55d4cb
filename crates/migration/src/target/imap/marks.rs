//! Flags of messages that are at an IMAP target already: changed one by one where it refuses them
//! together.

use super::{FlagChange, ImapTarget};
use crate::imap::{Command, Completion, ImapError, MailboxName, Status, UidSet, WireFlags};
use crate::model::{FlagSet, Uid};
use crate::source::imap::pipeline;

/// One STORE.
struct Mark {
    uid: Uid,
    add: bool,
    flags: WireFlags,
}

impl Mark {
    fn command(&self) -> Command {
        let words = if self.add {
            "+FLAGS.SILENT"
        } else {
            "-FLAGS.SILENT"
        };
        Command::new("UID STORE")
            .uids(&UidSet::These(&[self.uid]))
            .words(words)
            .flags(&self.flags)
    }
}

impl ImapTarget {
    /// Changes flags; returns the messages of which some flag could not be set.
    pub(super) async fn change_flags_of(
        &mut self,
        name: &str,
        changes: &[FlagChange],
    ) -> Result<Vec<Uid>, ImapError> {
        let mut left_out = Vec::new();
        let mut marks = Vec::new();
        for change in changes {
            let add = self.learnt.flags(name, &change.add, super::Rung::Whole);
            if !add.set().same_as(&change.add) {
                left_out.push(change.uid);
            }
            for (add, flags) in [(true, add), (false, WireFlags::of(&change.remove))] {
                if !flags.set().is_empty() {
                    let uid = change.uid;
                    marks.push(Mark { uid, add, flags });
                }
            }
        }
        let ends = self.store(name, &marks).await?;
        let mut each = Vec::new();
        for (mark, end) in marks.iter().zip(&ends) {
            if end.status == Status::Ok {
                continue;
            }
            each.extend(mark.flags.set().iter().map(|flag| Mark {
                uid: mark.uid,
                add: mark.add,
                flags: WireFlags::of(&FlagSet::new([flag])),
            }));
        }
        if !each.is_empty() {
            left_out.extend(self.one_by_one(name, &each).await?);
        }
        left_out.sort_unstable();
        left_out.dedup();
        Ok(left_out)
    }

    /// Sets what a message was stored without; what the folder refuses is remembered.
    pub(super) async fn set_left_out(
        &mut self,
        name: &str,
        uid: Uid,
        (wanted, sent): (&FlagSet, &WireFlags),
    ) -> Result<(), ImapError> {
        let wanted = self.learnt.flags(name, wanted, super::Rung::Whole);
        let left_out = wanted.set().minus(sent.set());
        let marks: Vec<Mark> = left_out
            .iter()
            .map(|flag| Mark {
                uid,
                add: true,
                flags: WireFlags::of(&FlagSet::new([flag])),
            })
            .collect();
        if !marks.is_empty() {
            self.one_by_one(name, &marks).await?;
        }
        Ok(())
    }

    /// Marks of one flag each; returns the messages of which one was refused.
    async fn one_by_one(&mut self, name: &str, marks: &[Mark]) -> Result<Vec<Uid>, ImapError> {
        let ends = self.store(name, marks).await?;
        let mut refused = Vec::new();
        for (mark, end) in marks.iter().zip(&ends) {
            if end.status == Status::Ok {
                self.learnt.took(name, &mark.flags, false);
                continue;
            }
            refused.push(mark.uid);
            for flag in mark.flags.set().iter() {
                tracing::debug!(folder = name, flag, said = end.text, "flag_refused");
                self.learnt.refused(name, flag);
            }
        }
        Ok(refused)
    }

    async fn store(&mut self, name: &str, marks: &[Mark]) -> Result<Vec<Completion>, ImapError> {
        let mailbox = MailboxName::of(name)?;
        let session = self.session().await?;
        let select = Command::new("SELECT").mailbox(&mailbox);
        let done = session.run(&select, |_| {}).await?;
        if done.status != Status::Ok {
            return Err(session.refused("SELECT", &done));
        }
        let commands: Vec<Command> = marks.iter().map(Mark::command).collect();
        let ends = pipeline(session, &commands, |_, _| {}).await?;
        self.deselect().await?;
        Ok(ends)
    }

    /// Leaves the selected folder without expunging anything.
    async fn deselect(&mut self) -> Result<(), ImapError> {
        let unselect = self.has("UNSELECT");
        let session = self.session().await?;
        if unselect {
            session.run(&Command::new("UNSELECT"), |_| {}).await?;
        } else {
            // CLOSE would expunge what SELECT opened; a read-only EXAMINE first prevents it.
            session.run(&Command::new("EXAMINE INBOX"), |_| {}).await?;
            session.run(&Command::new("CLOSE"), |_| {}).await?;
        }
        Ok(())
    }
}
