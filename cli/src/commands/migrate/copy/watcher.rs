//! A run's progress on one line.

use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};

use bytesize::ByteSize;
use melouvert_migration::Event;

use crate::{progress::Progress, text::text};

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

impl melouvert_migration::Progress for Watcher {
    fn event(&self, event: Event) {
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
        if let Ok(mut line) = self.line.lock() {
            line.update(&now);
        }
    }
}
