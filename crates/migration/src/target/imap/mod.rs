//! An IMAP target.

mod append;
mod door;
mod folders;
mod learnt;
mod marks;
mod names;
mod reading;

pub use learnt::Rung;
pub(crate) use names::choose_names;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::{Ack, FlagChange, Listed, Refusal, Target, TargetFolder, WantedFolder};
use crate::account::Endpoint;
use crate::backoff::Backoff;
use crate::error::EndpointError;
use crate::imap::{
    Completion, ImapError, Session, Status, Stream, Timeouts, UidSet, Wire, WireDate, WireFlags,
};
use crate::limits::{Gate, Limits};
use crate::matcher::Held;
use crate::model::Uid;
use crate::patience::{Patience, Side, Teller, Temporary};
use crate::source::Item;
use crate::source::imap::{greet, open};
use learnt::Learnt;

/// Most messages in one MULTIAPPEND.
const MULTIAPPEND: usize = 128;
/// Messages in flight when each is its own APPEND.
const SINGLE_WINDOW: usize = 64;

/// Repeats what may be repeated, on a new connection, a bounded number of times; a server that asks
/// for patience is waited for.
macro_rules! retrying {
    ($target:ident, $operation:expr) => {{
        let mut attempt = 0;
        loop {
            let ended: Result<_, ImapError> = $operation;
            let error = match ended {
                Ok(done) => {
                    $target.patience.restore();
                    break Ok(done);
                }
                Err(error) => error,
            };
            if let Some(temporary) = error.temporary() {
                if !$target.patience.bear(temporary).await {
                    break Err(EndpointError::from(error.out_of_patience()));
                }
                if matches!(error, ImapError::Closed { .. }) {
                    $target.session = None;
                }
                continue;
            }
            if !error.is_transient() || attempt + 1 >= $target.backoff.tries {
                break Err(EndpointError::from(error));
            }
            tracing::warn!(%error, attempt, "target_retry");
            $target.session = None;
            tokio::time::sleep($target.backoff.pause(attempt)).await;
            attempt += 1;
        }
    }};
}

/// Opens a stream to a server.
pub type Dial = Box<dyn Fn() -> Box<dyn Stream> + Send + Sync>;

/// An IMAP target.
pub struct ImapTarget {
    endpoint: Endpoint,
    timeouts: Timeouts,
    backoff: Backoff,
    gate: Arc<Gate>,
    /// Opens what is not the network.
    dial: Option<Dial>,
    patience: Patience,
    session: Option<Session>,
    /// Connections opened so far.
    connections: u64,
    /// Whether the last one was our own store's door.
    door: bool,
    in_flight: VecDeque<Flight>,
    /// Names of folders that other parts of the source were copied to.
    reserved: HashSet<String>,
    learnt: Learnt,
}

#[derive(Default)]
struct Flight {
    tag: String,
    count: usize,
    /// An answer that came before it was asked for.
    early: Option<Completion>,
    folder: String,
    /// Flags, and whether a date stood beside them, that the folder is not known to take.
    news: Vec<(WireFlags, bool)>,
}

impl ImapTarget {
    /// Prepares a target; nothing is opened before it is needed.
    pub fn new(endpoint: Endpoint, timeouts: Timeouts, backoff: Backoff) -> Self {
        Self {
            endpoint,
            timeouts,
            backoff,
            gate: Gate::new(Limits::default()),
            dial: None,
            patience: Patience::new(backoff, Side::Target, Teller::default()),
            session: None,
            connections: 0,
            door: false,
            in_flight: VecDeque::new(),
            reserved: HashSet::new(),
            learnt: Learnt::default(),
        }
    }

    /// Tells when the server is waited for.
    #[must_use]
    pub fn telling(mut self, teller: Teller) -> Self {
        self.patience = Patience::new(self.backoff, Side::Target, teller);
        self
    }

    /// Reaches its server over streams that `dial` opens, such as those of a server in memory.
    #[must_use]
    pub fn over(mut self, dial: Dial) -> Self {
        self.dial = Some(dial);
        self
    }

    async fn session(&mut self) -> Result<&mut Session, ImapError> {
        if self.session.is_none() {
            self.in_flight.clear();
            let session = match &self.dial {
                None => {
                    let (endpoint, patience) = (&self.endpoint, &mut self.patience);
                    open(endpoint, self.timeouts, patience, &self.gate).await?
                }
                Some(dial) => {
                    let address = self.endpoint.url.clone();
                    greet(&self.endpoint, Wire::new(dial(), address, self.timeouts)).await?
                }
            };
            self.connections += 1;
            self.door = session.capabilities().has(door::CAPABILITY);
            self.session = Some(session);
        }
        self.session.as_mut().ok_or_else(|| ImapError::Closed {
            address: self.endpoint.url.clone(),
            said: String::new(),
        })
    }

    fn has(&self, capability: &str) -> bool {
        self.session
            .as_ref()
            .is_some_and(|session| session.capabilities().has(capability))
    }

    async fn prepare_folders(
        &mut self,
        wanted: &[WantedFolder],
        refused: &mut folders::Refused,
    ) -> Result<Vec<Result<TargetFolder, String>>, ImapError> {
        let reserved = self.reserved.clone();
        folders::prepare(self.session().await?, wanted, &reserved, refused).await
    }

    async fn state_of(&mut self, name: &str) -> Result<TargetFolder, ImapError> {
        folders::state(self.session().await?, name).await
    }

    async fn list_anew(&mut self) -> Result<Vec<Listed>, ImapError> {
        let listing = crate::source::imap::list(self.session().await?).await?;
        let subscribed = &listing.subscribed;
        let listed = listing.folders.iter().map(|folder| Listed {
            name: folder.name.clone(),
            subscribed: subscribed.contains(&folder.name),
        });
        Ok(listed.collect())
    }
}

impl Target for ImapTarget {
    fn reserve(&mut self, names: Vec<String>) {
        self.reserved = names.into_iter().collect();
    }

    fn prepare<'a>(
        &'a mut self,
        wanted: &'a [WantedFolder],
    ) -> BoxFuture<'a, Result<Vec<Result<TargetFolder, String>>, EndpointError>> {
        async move {
            let mut refused = folders::Refused::new();
            retrying!(self, self.prepare_folders(wanted, &mut refused).await)
        }
        .boxed()
    }

    fn state<'a>(
        &'a mut self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<TargetFolder, EndpointError>> {
        async move { retrying!(self, self.state_of(name).await) }.boxed()
    }

    fn listed(&mut self) -> BoxFuture<'_, Result<Option<Vec<Listed>>, EndpointError>> {
        async move { retrying!(self, self.list_anew().await).map(Some) }.boxed()
    }

    fn read_above<'a>(
        &'a mut self,
        name: &'a str,
        above: Uid,
    ) -> BoxFuture<'a, Result<Vec<Held>, EndpointError>> {
        async move {
            let set = UidSet::From(above.saturating_add(1));
            // `n:*` names the last message even when its UID is below n.
            let wanted = |uid| uid > above;
            retrying!(self, self.read_back(name, &set, wanted).await)
        }
        .boxed()
    }

    fn read_these<'a>(
        &'a mut self,
        name: &'a str,
        uids: &'a [Uid],
    ) -> BoxFuture<'a, Result<Vec<Held>, EndpointError>> {
        async move {
            let set = UidSet::These(uids);
            let wanted = |uid| uids.binary_search(&uid).is_ok();
            retrying!(self, self.read_back(name, &set, wanted).await)
        }
        .boxed()
    }

    fn submit<'a>(
        &'a mut self,
        name: &'a str,
        batch: &'a [Item],
    ) -> BoxFuture<'a, Result<(), EndpointError>> {
        async move {
            let sent = if batch.is_empty() {
                self.send_noop().await
            } else {
                self.send_batch(name, batch, None).await
            };
            sent.map_err(EndpointError::from)
        }
        .boxed()
    }

    fn submit_alone<'a>(
        &'a mut self,
        name: &'a str,
        item: &'a Item,
        rung: Rung,
    ) -> BoxFuture<'a, Result<(), EndpointError>> {
        async move {
            let batch = std::slice::from_ref(item);
            let sent = self.send_batch(name, batch, Some(rung)).await;
            sent.map_err(EndpointError::from)
        }
        .boxed()
    }

    fn next_rung(&self, name: &str, item: &Item, rung: Rung) -> Option<Rung> {
        let date = item.date.and_then(WireDate::of);
        self.learnt.next(name, (&item.flags, date), rung)
    }

    fn complete_flags<'a>(
        &'a mut self,
        name: &'a str,
        uid: Uid,
        (item, rung): (&'a Item, Rung),
    ) -> BoxFuture<'a, Result<(), EndpointError>> {
        async move {
            let sent = self.learnt.flags(name, &item.flags, rung);
            let flags = (&item.flags, &sent);
            retrying!(self, self.set_left_out(name, uid, flags).await)
        }
        .boxed()
    }

    fn wait<'a>(&'a mut self, refusal: &'a Refusal) -> BoxFuture<'a, Result<(), EndpointError>> {
        async move {
            let temporary = Temporary::heard(&refusal.said);
            let Some(temporary) = temporary else {
                return Ok(());
            };
            if self.patience.bear(temporary).await {
                return Ok(());
            }
            let (address, said) = (self.endpoint.url.clone(), refusal.said.clone());
            Err(ImapError::Busy { address, said }.into())
        }
        .boxed()
    }

    fn acknowledge(&mut self) -> BoxFuture<'_, Result<Ack, EndpointError>> {
        async move { self.next_ack().await.map_err(EndpointError::from) }.boxed()
    }

    fn window(&self) -> usize {
        // After a line that was not understood nothing more goes out before that is dealt with.
        let misunderstood = |flight: &Flight| {
            let early = flight.early.as_ref();
            early.is_some_and(|done| done.status == Status::Bad)
        };
        let trusted = !self.learnt.is_wary() && !self.in_flight.iter().any(misunderstood);
        let plus = self.has("LITERAL+") && trusted;
        match (plus, self.has("MULTIAPPEND")) {
            (true, true) => 2,
            (true, false) => SINGLE_WINDOW,
            (false, _) => 1,
        }
    }

    fn batch_limit(&self) -> usize {
        if self.has("MULTIAPPEND") {
            MULTIAPPEND
        } else {
            1
        }
    }

    fn change_flags<'a>(
        &'a mut self,
        name: &'a str,
        changes: &'a [FlagChange],
    ) -> BoxFuture<'a, Result<Vec<Uid>, EndpointError>> {
        async move { retrying!(self, self.change_flags_of(name, changes).await) }.boxed()
    }

    fn reconnect(&mut self) -> BoxFuture<'_, Result<(), EndpointError>> {
        async move {
            self.session = None;
            self.session().await?;
            Ok(())
        }
        .boxed()
    }

    fn forgetful(&self) -> bool {
        self.door
    }

    fn connection(&self) -> u64 {
        self.connections
    }

    fn barrier(&self) -> BoxFuture<'static, Result<(), EndpointError>> {
        let (endpoint, timeouts) = (self.endpoint.clone(), self.timeouts);
        async move {
            let passed = door::barrier(&endpoint, timeouts).await;
            passed.map_err(EndpointError::from)
        }
        .boxed()
    }
}
