//! Waiting for a condition, with a deadline.

use std::time::{Duration, Instant};

use anyhow::Context;

/// Calls `check` until it gives a value; at the deadline its last refusal is the error.
///
/// The pause between two looks keeps a condition that only a poll can see from taking a core.
pub fn until<T>(
    what: &str,
    limit: Duration,
    mut check: impl FnMut() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        match check() {
            Ok(value) => return Ok(value),
            Err(error) if Instant::now() >= deadline => {
                return Err(error)
                    .with_context(|| format!("gave up after {limit:?} waiting for {what}"));
            }
            Err(_) => std::thread::park_timeout(Duration::from_millis(200)),
        }
    }
}
