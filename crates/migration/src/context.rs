//! What every source and target of one account works with.

use std::path::PathBuf;
use std::sync::Arc;

use crate::backoff::Backoff;
use crate::imap::Timeouts;
use crate::limits::Gate;
use crate::patience::Teller;
use crate::payload::Room;

/// What every source and target of one account works with.
#[derive(Clone, Debug)]
pub struct Context {
    /// Deadlines on the wire.
    pub timeouts: Timeouts,
    /// Reconnection.
    pub backoff: Backoff,
    /// Bounds of the messages in flight.
    pub room: Arc<Room>,
    /// The limits that all accounts of a run share.
    pub gate: Arc<Gate>,
    /// Who is told when a server is waited for.
    pub teller: Teller,
    /// The account's own folder, where the journal is: sources and targets may keep files there.
    pub directory: PathBuf,
}
