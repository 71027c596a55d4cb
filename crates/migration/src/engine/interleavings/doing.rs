//! What happens between two passes, and what the model makes of it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use super::mortal::{Loss, Mailbox};
use super::{SAME, USERS, World};

/// What may happen between two steps.
#[derive(Clone, Debug)]
pub(super) enum Doing {
    /// A pass that dies after so many steps of the target.
    Pass(u32, bool),
    /// A pass during which the target's power fails.
    PowerFails(u32, u32),
    /// The power fails between two passes.
    PowerFailed(u32),
    /// New mail at the source; some of it byte for byte the same as other mail.
    Arrive(bool),
    SourceExpunge(usize),
    SourceFlag(usize),
    UserFlag(usize),
    UserClears(usize),
    UserExpunge(usize),
    UserAppend,
    LoseTail(usize),
    SourceRenumber,
    TargetRenumber,
}

pub(super) fn doing() -> impl Strategy<Value = Doing> {
    let place = any::<usize>;
    prop_oneof![
        4 => (1u32..14, any::<bool>()).prop_map(|(steps, stores)| Doing::Pass(steps, stores)),
        2 => Just(Doing::Pass(u32::MAX, false)),
        2 => (1u32..14, any::<u32>()).prop_map(|(step, kept)| Doing::PowerFails(step, kept)),
        1 => any::<u32>().prop_map(Doing::PowerFailed),
        6 => any::<bool>().prop_map(Doing::Arrive),
        1 => place().prop_map(Doing::SourceExpunge),
        2 => place().prop_map(Doing::SourceFlag),
        2 => place().prop_map(Doing::UserFlag),
        1 => place().prop_map(Doing::UserClears),
        1 => place().prop_map(Doing::UserExpunge),
        1 => Just(Doing::UserAppend),
        1 => place().prop_map(Doing::LoseTail),
        1 => Just(Doing::SourceRenumber),
        1 => Just(Doing::TargetRenumber),
    ]
}

impl Doing {
    /// Whether it goes through the target's ordinary door.
    fn is_the_users(&self) -> bool {
        matches!(
            self,
            Self::UserFlag(_)
                | Self::UserClears(_)
                | Self::UserExpunge(_)
                | Self::UserAppend
                | Self::TargetRenumber
        )
    }
}

impl World {
    pub(super) async fn act(&mut self, doing: Doing, state: &Path) {
        let users = doing.is_the_users();
        match doing {
            Doing::Pass(steps, stores) => {
                let _ = self.pass(state, steps, stores).await;
            }
            Doing::PowerFails(step, kept) => {
                let _ = self.pass_of_failing_power(state, step, Loss(kept)).await;
            }
            Doing::PowerFailed(kept) => self.power_failed(Loss(kept)),
            Doing::Arrive(same) => self.arrive(same),
            Doing::SourceExpunge(index) => {
                if let Some(uid) = self.source.nth(index) {
                    self.source.mail.remove(&uid);
                }
            }
            Doing::SourceFlag(index) => self.source_flags(index),
            Doing::UserFlag(index) => self.user_marks(index, state, true),
            Doing::UserClears(index) => self.user_marks(index, state, false),
            Doing::UserExpunge(index) => self.user_expunges(index, state),
            Doing::UserAppend => {
                self.users += 1;
                let content = USERS + self.users;
                self.at_target(|target| target.put(content, BTreeSet::new()));
            }
            Doing::LoseTail(index) => self.lose_tail(index, state),
            Doing::SourceRenumber => {
                self.source.renumber();
                self.forget();
            }
            Doing::TargetRenumber => {
                self.at_target(Mailbox::renumber);
                self.forget();
            }
        }
        self.sync_after(users);
    }

    fn at_target<T>(&self, change: impl FnOnce(&mut Mailbox) -> T) -> T {
        change(&mut self.target.lock().expect("lock"))
    }

    fn power_failed(&self, loss: Loss) {
        if let Some(disk) = &self.disk {
            let mut disk = disk.lock().expect("lock");
            self.at_target(|target| loss.strike(target, &mut disk));
        }
    }

    fn arrive(&mut self, same: bool) {
        let content = if same {
            SAME
        } else {
            self.source.next + 100 * self.source.validity
        };
        *self.arrived.entry(content).or_default() += 1;
        self.source.put(content, BTreeSet::from(["Src"]));
    }

    fn source_flags(&mut self, index: usize) {
        if let Some(uid) = self.source.nth(index) {
            let (content, flags) = self.source.mail.get_mut(&uid).expect("picked");
            if !flags.remove("Src") {
                flags.insert("Src");
            }
            self.flagged.insert(*content);
        }
    }

    fn user_expunges(&mut self, index: usize, state: &Path) {
        let Some(uid) = self.at_target(|target| target.nth(index)) else {
            return;
        };
        let knew = self.journalled(state, uid);
        let removed = self.at_target(|target| target.mail.remove(&uid));
        let (content, _) = removed.expect("picked");
        *self.deleted.entry(content).or_default() += 1;
        if knew && content != SAME {
            self.gone.insert(content);
        }
    }

    fn lose_tail(&mut self, index: usize, state: &Path) {
        let path = state.join("journal");
        if let Ok(file) = std::fs::OpenOptions::new().write(true).open(path) {
            let length = usize::try_from(file.metadata().expect("file").len()).expect("small");
            file.set_len((index % (length + 1)) as u64).expect("cut");
        }
        self.lost_journal = true;
        self.forget();
    }

    /// The journal knows these messages no more: what was deleted can only be seen as new, and
    /// what the user cleared as what a crash took (see `user_marks`).
    fn forget(&mut self) {
        self.gone.clear();
        if self.disk.is_some() {
            self.flagged.append(&mut self.cleared);
        }
    }

    /// The target's user sets a flag of their own, or clears the source's.
    fn user_marks(&mut self, index: usize, state: &Path, sets: bool) {
        let Some(uid) = self.target.lock().expect("lock").nth(index) else {
            return;
        };
        let knew = self.journalled(state, uid);
        let target = Arc::clone(&self.target);
        let mut server = target.lock().expect("lock");
        let (content, flags) = server.mail.get_mut(&uid).expect("picked");
        // What a crash and a user do to a message that no journal knows looks the same.
        let unclear = !knew && self.disk.is_some();
        if unclear {
            self.flagged.insert(*content);
        }
        if sets {
            flags.insert("Mine");
            self.mine.insert(*content);
        } else {
            flags.remove("Src");
            if !unclear {
                self.cleared.insert(*content);
            }
        }
    }
}
