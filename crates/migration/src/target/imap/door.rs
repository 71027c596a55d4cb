//! Our own store's door: a listener that syncs nothing per message, and all of it at each login.

use crate::account::Endpoint;
use crate::imap::{Command, ImapError, Timeouts};
use crate::limits::{Gate, Limits};
use crate::source::imap::open_once;

/// What the door announces to whoever is logged in; no other server does.
pub(super) const CAPABILITY: &str = "X-SYNC-ON-LOGIN";

/// Puts on disk what the store acknowledged so far: it answers a login once that is done. Tried
/// once alone: a disk that failed to write tells so once, and a second sync would pass.
pub(super) async fn barrier(endpoint: &Endpoint, timeouts: Timeouts) -> Result<(), ImapError> {
    let gate = Gate::new(Limits::default());
    let mut session = open_once(endpoint, timeouts, &gate).await?;
    if !session.capabilities().has(CAPABILITY) {
        return Err(session.protocol(format!("it no longer announces {CAPABILITY}")));
    }
    // The sync is done; how this connection ends changes nothing.
    if let Err(error) = session.send(&Command::new("LOGOUT")).await {
        tracing::debug!(%error, "barrier_logout");
    }
    Ok(())
}
