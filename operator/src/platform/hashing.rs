//! Who has a processor next for password hashes: spaces in turn, however many one of them asks for.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use melouvert_domain::Siren;
use tokio::sync::{AcquireError, Semaphore};

/// The queue in front of the processors. A space waits there with one batch at a time, so that the
/// queue's order is the spaces' turn.
#[derive(Debug)]
pub struct Hashing {
    processors: Semaphore,
    spaces: Mutex<BTreeMap<Siren, Weak<Semaphore>>>,
}

impl Hashing {
    /// A queue in front of so many processors.
    pub fn new(processors: usize) -> Self {
        Self {
            processors: Semaphore::new(processors),
            spaces: Mutex::default(),
        }
    }

    /// Runs one batch of a space when it is its turn.
    pub async fn turn<T>(
        &self,
        space: &Siren,
        batch: impl Future<Output = T>,
    ) -> Result<T, AcquireError> {
        let own = self.of(space);
        let _own = own.acquire().await?;
        let _processor = self.processors.acquire().await?;
        Ok(batch.await)
    }

    fn of(&self, space: &Siren) -> Arc<Semaphore> {
        let mut spaces = self.spaces.lock().unwrap_or_else(PoisonError::into_inner);
        spaces.retain(|_, own| own.strong_count() > 0);
        if let Some(own) = spaces.get(space).and_then(Weak::upgrade) {
            return own;
        }
        let own = Arc::new(Semaphore::new(1));
        spaces.insert(space.clone(), Arc::downgrade(&own));
        own
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;

    use super::*;

    #[tokio::test]
    async fn a_long_import_keeps_no_other_space_waiting() {
        let queue = Arc::new(Hashing::new(1));
        let done = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        let spaces: [Siren; 2] = ["211401187".parse().unwrap(), "217605401".parse().unwrap()];
        // Two hundred batches of one space, then three of another.
        let asked = std::iter::repeat_n(0, 200).chain(std::iter::repeat_n(1, 3));
        for space in asked {
            let (queue, done, siren) = (queue.clone(), done.clone(), spaces[space].clone());
            tasks.spawn(async move {
                let batch = async {
                    tokio::task::yield_now().await;
                    done.lock().unwrap().push(space);
                };
                queue.turn(&siren, batch).await.unwrap();
            });
        }
        while tasks.join_next().await.is_some() {}
        let order = done.lock().unwrap().clone();
        assert_eq!(order.len(), 203);
        let last = order.iter().rposition(|space| *space == 1).unwrap();
        assert!(last < 8, "the second space waited for {last} batches");
        assert!(queue.of(&spaces[0]).available_permits() == 1);
        assert!(queue.spaces.lock().unwrap().len() <= 1, "nobody is kept");
    }
}
