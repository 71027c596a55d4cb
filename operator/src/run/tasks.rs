//! The process's tasks: what must live, and how all end together.

use std::time::Duration;

use anyhow::Context as _;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::leader::LeaderError;

/// How long tasks may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(15);

/// SIGTERM came before everything had started.
#[derive(Debug, thiserror::Error)]
#[error("stopped before everything had started")]
pub(super) struct Stopped;

/// Tasks that must all live: the first that ends before the stop, or fails, ends the process.
pub(super) struct Tasks {
    set: JoinSet<(&'static str, bool, anyhow::Result<()>)>,
    pub(super) stop: CancellationToken,
}

impl Tasks {
    pub(super) fn new(stop: CancellationToken) -> Self {
        Self {
            set: JoinSet::new(),
            stop,
        }
    }

    pub(super) fn spawn(
        &mut self,
        name: &'static str,
        task: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        self.set.spawn(async move { (name, false, task.await) });
    }

    /// A task that may end; it is dropped at the stop.
    pub(super) fn spawn_once(
        &mut self,
        name: &'static str,
        task: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        let stop = self.stop.clone();
        self.set.spawn(async move {
            tokio::select! {
                result = task => (name, true, result),
                () = stop.cancelled() => (name, true, Ok(())),
            }
        });
    }

    /// Awaits `step` while all tasks live.
    pub(super) async fn alive_until<T>(
        &mut self,
        step: impl Future<Output = T>,
    ) -> anyhow::Result<T> {
        let mut step = std::pin::pin!(step);
        loop {
            tokio::select! {
                done = &mut step => return Ok(done),
                () = self.stop.cancelled() => return Err(Stopped.into()),
                Some(ended) = self.set.join_next() => self.check(ended)?,
            }
        }
    }

    /// Waits for the stop or the first death, then for the others; but for none when the lease is
    /// lost: another operator may be writing already, so nothing is brought to its end here.
    pub(super) async fn finish(mut self) -> anyhow::Result<()> {
        let mut result = Ok(());
        while let Some(ended) = self.set.join_next().await {
            if let Err(error) = self.check(ended) {
                if error.is::<LeaderError>() {
                    return Err(error);
                }
                tracing::error!(error = format!("{error:#}"), "a task died: stopping");
                result = Err(error);
                self.stop.cancel();
            }
            if self.stop.is_cancelled() {
                break;
            }
        }
        let rest = async {
            while let Some(ended) = self.set.join_next().await {
                if let Err(error) = self.check(ended) {
                    tracing::warn!(error = format!("{error:#}"), "a task failed while stopping");
                }
            }
        };
        if tokio::time::timeout(GRACE, rest).await.is_err() {
            tracing::warn!("tasks still run after the grace period: leaving");
        }
        result
    }

    fn check(
        &self,
        ended: Result<(&'static str, bool, anyhow::Result<()>), tokio::task::JoinError>,
    ) -> anyhow::Result<()> {
        let (name, may_end, result) = ended.context("a task panicked")?;
        result.with_context(|| format!("{name} failed"))?;
        if may_end || self.stop.is_cancelled() {
            return Ok(());
        }
        anyhow::bail!("{name} ended although it must not")
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, time::Instant};

    use super::*;

    fn with_a_writer(last: anyhow::Result<()>) -> Tasks {
        let mut tasks = Tasks::new(CancellationToken::new());
        // A reconciliation that goes on after the stop, as long as it is let.
        tasks.spawn("writer", pending());
        tasks.spawn("lease", async { last });
        tasks
    }

    #[tokio::test]
    async fn a_lost_lease_waits_for_nobody() {
        let tasks = with_a_writer(Err(LeaderError::Lost.into()));
        let (stop, since) = (tasks.stop.clone(), Instant::now());
        let error = tasks.finish().await.unwrap_err();
        assert!(error.is::<LeaderError>(), "{error:#}");
        assert!(since.elapsed() < GRACE / 3);
        assert!(!stop.is_cancelled(), "nobody was asked to finish");
    }

    #[tokio::test(start_paused = true)]
    async fn another_death_lets_the_rest_finish_within_the_grace_period() {
        let tasks = with_a_writer(Err(anyhow::anyhow!("something else")));
        let (stop, since) = (tasks.stop.clone(), tokio::time::Instant::now());
        tasks.finish().await.unwrap_err();
        assert!(stop.is_cancelled());
        assert!(since.elapsed() >= GRACE);
    }
}
