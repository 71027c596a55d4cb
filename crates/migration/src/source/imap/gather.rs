//! What a server told of each message within one FETCH command: it may spread it over several
//! responses, in any order (RFC 9051 7.5.2).

use std::collections::BTreeMap;

use crate::imap::FetchItem;
use crate::model::{FlagSet, InternalDate, Uid};
use crate::payload::Payload;

/// What is known of one message so far.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) flags: Option<FlagSet>,
    pub(super) date: Option<InternalDate>,
    /// A date was told, readable or not: none is to be waited for.
    pub(super) dated: bool,
    pub(super) body: Option<Payload>,
}

impl Told {
    fn is_whole(&self) -> bool {
        self.body.is_some() && self.flags.is_some() && self.dated
    }

    /// Bytes that it keeps from others; what is on disk is never kept back.
    fn held(&self) -> u64 {
        self.body.as_ref().map_or(0, |body| body.size)
    }
}

/// The messages of one command that are not whole yet.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    told: BTreeMap<Uid, Told>,
    held: u64,
}

impl Gathered {
    /// Takes a response in; returns the message once there is nothing more to wait for. Bodies wait
    /// for their flags and dates within `most` bytes of memory: whoever holds more would wait for
    /// room that it has itself.
    pub(super) fn take(&mut self, uid: Uid, item: FetchItem, most: u64) -> Option<Told> {
        let told = self.told.entry(uid).or_default();
        self.held -= told.held().min(self.held);
        told.flags = item.flags.or(told.flags.take());
        told.dated |= item.dated;
        told.date = item.date.or(told.date);
        told.body = item.body.or(told.body.take());
        let waits = told.body.as_ref().is_none_or(|body| {
            body.memory().is_some() && self.held.saturating_add(body.size) <= most
        });
        if told.is_whole() || !waits {
            return self.told.remove(&uid);
        }
        self.held += told.held();
        None
    }

    /// The command has ended: what has a body is all that comes.
    pub(super) fn take_bodies(&mut self) -> Vec<(Uid, Told)> {
        let whole = std::mem::take(&mut self.told).into_iter();
        let (with, without): (BTreeMap<_, _>, BTreeMap<_, _>) =
            whole.partition(|(_, told)| told.body.is_some());
        self.told = without;
        self.held = 0;
        with.into_iter().collect()
    }

    /// Whether something was told of a message whose body did not come.
    pub(super) fn knows(&self, uid: Uid) -> bool {
        self.told.contains_key(&uid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(size: usize) -> FetchItem {
        FetchItem {
            body: Some(Payload::from_bytes(vec![b'x'; size].into())),
            ..FetchItem::default()
        }
    }

    fn rest() -> FetchItem {
        FetchItem {
            flags: Some(FlagSet::new(["\\Seen"])),
            date: InternalDate::parse("17-Jul-1996 02:44:25 -0700"),
            dated: true,
            ..FetchItem::default()
        }
    }

    #[test]
    fn parts_come_together_in_any_order() {
        for turned in [false, true] {
            let mut gathered = Gathered::default();
            let (first, second) = if turned {
                (body(10), rest())
            } else {
                (rest(), body(10))
            };
            assert!(gathered.take(5, first, 100).is_none());
            assert!(gathered.knows(5));
            let told = gathered.take(5, second, 100).expect("whole");
            assert!(told.date.is_some() && told.flags.is_some() && told.body.is_some());
            assert!(!gathered.knows(5));
        }
    }

    #[test]
    fn bodies_wait_within_bounds_and_come_at_the_end() {
        let mut gathered = Gathered::default();
        assert!(gathered.take(1, body(60), 100).is_none());
        // The second would hold too much: it does not wait.
        assert!(gathered.take(2, body(60), 100).is_some());
        // Told once more it counts once.
        assert!(gathered.take(1, body(60), 100).is_none());
        assert!(gathered.take(3, body(40), 100).is_none());
        assert!(gathered.take(4, rest(), 100).is_none());
        let bodies: Vec<Uid> = gathered.take_bodies().iter().map(|(uid, _)| *uid).collect();
        assert_eq!(bodies, [1, 3]);
        assert!(gathered.knows(4) && gathered.take(5, body(100), 100).is_none());
    }
}
