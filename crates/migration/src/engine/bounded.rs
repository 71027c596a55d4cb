//! Ends a run at so many exceptions, as soon as they are told, even in the middle of a mailbox.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio_util::sync::CancellationToken;

use crate::progress::{Event, Progress};

/// Counts exceptions on their way to the listener.
pub(super) struct Bounded {
    inner: Arc<dyn Progress>,
    /// Those of this account.
    told: AtomicUsize,
    /// Those of the whole run.
    all: Arc<AtomicUsize>,
    most: Option<usize>,
    stop: CancellationToken,
}

impl Bounded {
    pub(super) fn new(
        inner: Arc<dyn Progress>,
        all: Arc<AtomicUsize>,
        most: Option<usize>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            inner,
            told: AtomicUsize::new(0),
            all,
            most,
            stop,
        }
    }

    /// Adds what the account's report has beyond what was told on the way.
    pub(super) fn settle(&self, exceptions: usize) {
        let told = self.told.load(Ordering::Relaxed);
        self.count(exceptions.saturating_sub(told));
    }

    fn count(&self, more: usize) {
        let seen = self.all.fetch_add(more, Ordering::Relaxed) + more;
        if self.most.is_some_and(|most| seen >= most) {
            self.stop.cancel();
        }
    }
}

impl Progress for Bounded {
    fn event(&self, event: Event) {
        if matches!(event, Event::Exception { .. }) {
            self.told.fetch_add(1, Ordering::Relaxed);
            self.count(1);
        }
        self.inner.event(event);
    }
}
