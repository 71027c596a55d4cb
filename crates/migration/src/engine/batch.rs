//! What a writer takes, sends and counts.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::journal::ItemRecord;
use crate::model::Uid;
use crate::source::{Delivery, Item};

/// A batch that is not full goes out when nothing comes for this long.
const IDLE: Duration = Duration::from_millis(30);

/// What one account's run counted.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) written: u64,
    pub(super) written_bytes: u64,
    pub(super) matched: u64,
    pub(super) vanished: u64,
    /// Messages by folder whose date of arrival is that of their own header.
    pub(super) header_dates: BTreeMap<usize, u64>,
}

/// A batch in flight, or about to be.
pub(super) struct Batch {
    pub(super) folder: usize,
    pub(super) items: Vec<Item>,
}

impl Batch {
    /// Nothing but the question whether the connection still stands.
    pub(super) fn question() -> Self {
        Self {
            folder: 0,
            items: Vec::new(),
        }
    }

    pub(super) fn is_question(&self) -> bool {
        self.items.is_empty()
    }
}

/// How cautious an attempt is with a forgetful target.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Caution {
    /// Nothing is sent before what was acknowledged is on disk: what breaks a connection again
    /// and again is then found alone.
    pub(super) step_by_step: bool,
    /// A crash may have taken flags from what was written before.
    pub(super) mend_flags: bool,
}

/// What a writer meets next.
pub(super) enum Next {
    Delivery(Delivery),
    Idle,
    End,
}

pub(super) async fn next_delivery(deliveries: &mut mpsc::Receiver<Delivery>, busy: bool) -> Next {
    let received = if busy {
        match timeout(IDLE, deliveries.recv()).await {
            Ok(received) => received,
            Err(_) => return Next::Idle,
        }
    } else {
        deliveries.recv().await
    };
    received.map_or(Next::End, Next::Delivery)
}

/// A message at the target as the journal has it.
pub(super) fn record(item: &Item, target_uid: Uid, written: bool, floor: bool) -> ItemRecord {
    ItemRecord {
        source_uid: item.uid,
        target_uid,
        size: item.payload.size,
        hash: item.payload.hash,
        flags: item.flags.clone(),
        date: item.date,
        written,
        floor,
    }
}
