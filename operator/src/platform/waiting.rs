//! Connections on which no request is under way that the cluster allowed. They are kept only while
//! there is room: nobody closes the API by opening connections and saying nothing.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio_util::sync::CancellationToken;

/// Connections that wait, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Waiting {
    known: Arc<Mutex<BTreeMap<u64, CancellationToken>>>,
    next: Arc<AtomicU64>,
}

/// One connection; it waits but for the time of a request that the cluster allowed.
#[derive(Debug, Clone)]
pub struct Caller(Arc<Entry>);

#[derive(Debug)]
struct Entry {
    waiting: Waiting,
    number: AtomicU64,
    /// Cancelled when the place is needed.
    cut: CancellationToken,
}

/// A request that the cluster allowed is under way: the connection is not cut.
#[derive(Debug)]
pub struct Busy(Arc<Entry>);

impl Waiting {
    /// A connection that was just opened.
    pub fn open(&self) -> Caller {
        let entry = Arc::new(Entry {
            waiting: self.clone(),
            number: AtomicU64::new(0),
            cut: CancellationToken::new(),
        });
        entry.wait();
        Caller(entry)
    }

    /// Cuts the one that waits for longest; `false` when none waits.
    pub fn cut_oldest(&self) -> bool {
        let oldest = self.lock().pop_first();
        if let Some((_, cut)) = &oldest {
            cut.cancel();
        }
        oldest.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, CancellationToken>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn wait(&self) {
        let number = self.waiting.next.fetch_add(1, Ordering::Relaxed);
        self.number.store(number, Ordering::Relaxed);
        self.waiting.lock().insert(number, self.cut.clone());
    }

    fn leave(&self) {
        let number = self.number.load(Ordering::Relaxed);
        self.waiting.lock().remove(&number);
    }
}

impl Caller {
    /// The cluster allowed a request, which goes on until the value is dropped.
    pub fn busy(&self) -> Busy {
        self.0.leave();
        Busy(self.0.clone())
    }

    /// Ends when the place is needed for another.
    pub async fn cut(&self) {
        self.0.cut.cancelled().await;
    }
}

impl PartialEq for Caller {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Caller {}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.wait();
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_one_that_waits_for_longest_yields() {
        let waiting = Waiting::default();
        let (first, second, third) = (waiting.open(), waiting.open(), waiting.open());
        let busy = first.busy();
        assert!(waiting.cut_oldest());
        second.cut().await;
        drop(third);
        assert!(!waiting.cut_oldest(), "a request that was allowed stays");
        assert!(!first.0.cut.is_cancelled());
        drop(busy);
        assert!(waiting.cut_oldest(), "it waits again");
        first.cut().await;
        drop((first, second));
        assert!(waiting.lock().is_empty());
    }
}
