//! A run's progress on one line.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytesize::ByteSize;
use melouvert_migration::{
    Event,
    patience::{Cause, Side},
};

use crate::{
    progress::Progress,
    text::{Text, text},
};

/// Turns events into one line.
pub struct Watcher {
    line: Mutex<Progress>,
    accounts: usize,
    finished: AtomicU64,
    planned: AtomicU64,
    copied: AtomicU64,
    bytes: AtomicU64,
}

impl Watcher {
    /// Of a run over so many accounts.
    pub fn new(line: Progress, accounts: usize) -> Self {
        Self {
            line: Mutex::new(line),
            accounts,
            finished: AtomicU64::new(0),
            planned: AtomicU64::new(0),
            copied: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }
}

impl Watcher {
    fn tell(&self, words: &Text) {
        if let Ok(mut line) = self.line.lock() {
            line.update(words);
        }
    }
}

impl melouvert_migration::Progress for Watcher {
    fn event(&self, event: Event) {
        if let Event::Waiting {
            side, cause, pause, ..
        } = event
        {
            self.tell(&waiting(side, cause, pause));
            return;
        }
        let tell = match event {
            Event::Surveyed { to_copy, .. } => {
                self.planned.fetch_add(to_copy, Ordering::Relaxed);
                true
            }
            Event::Copied {
                messages, bytes, ..
            } => {
                let before = self.copied.fetch_add(messages, Ordering::Relaxed);
                self.bytes.fetch_add(bytes, Ordering::Relaxed);
                before / 1000 != (before + messages) / 1000
            }
            Event::AccountFinished { .. } => {
                self.finished.fetch_add(1, Ordering::Relaxed);
                true
            }
            _ => false,
        };
        if !tell {
            return;
        }
        let done = self.finished.load(Ordering::Relaxed);
        let all = self.accounts;
        let copied = self.copied.load(Ordering::Relaxed);
        let planned = self.planned.load(Ordering::Relaxed);
        let bytes = ByteSize::b(self.bytes.load(Ordering::Relaxed));
        let now = text!(
            "{done}/{all} boîtes, {copied}/{planned} messages, {bytes}",
            "{done}/{all} mailboxes, {copied}/{planned} messages, {bytes}"
        );
        self.tell(&now);
    }
}

/// Whom is waited for, why, and for how long.
fn waiting(side: Side, cause: Cause, pause: Duration) -> Text {
    let seconds = pause.as_millis().div_ceil(1000);
    let (whom_fr, whom_en) = match side {
        Side::Source => ("l'ancien serveur", "the old server"),
        Side::Target => ("le nouveau serveur", "the new server"),
    };
    let (why_fr, why_en) = match cause {
        Cause::Throttled => ("bridé", "throttled"),
        Cause::Connections => ("trop de connexions", "too many connections"),
        Cause::Bandwidth => ("débit épuisé", "bandwidth used up"),
        Cause::Unavailable => ("indisponible", "unavailable"),
        Cause::InUse => ("boîte occupée", "mailbox in use"),
        Cause::Refusing => ("il refuse tout", "it refuses everything"),
    };
    text!(
        "en attente de {whom_fr} : {why_fr}, reprise dans {seconds} s",
        "waiting for {whom_en}: {why_en}, going on in {seconds} s"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_says_for_whom_why_and_how_long() {
        let pause = Duration::from_millis(39_100);
        let words = waiting(Side::Source, Cause::Throttled, pause);
        let fr = "en attente de l'ancien serveur : bridé, reprise dans 40 s";
        let en = "waiting for the old server: throttled, going on in 40 s";
        assert_eq!((words.fr.as_str(), words.en.as_str()), (fr, en));
    }
}
