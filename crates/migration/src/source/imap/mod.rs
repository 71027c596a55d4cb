//! An IMAP source: everything is read with EXAMINE and BODY.PEEK.

mod gather;
mod judge;
mod memory;
mod read;
mod scan;
mod survey;

pub(crate) use survey::{Listing, list, list_source, pipeline, pipeline_into};

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::mpsc;

use self::memory::Memory;
use super::{Delivery, FolderWork, Known, Source, SourceFolder};
use crate::account::Endpoint;
use crate::backoff::Backoff;
use crate::error::EndpointError;
use crate::imap::{Compressing, Credentials, ImapError, Session, Timeouts, Wire, connect};
use crate::limits::{Gate, Limits};
use crate::model::FolderPath;
use crate::patience::{Patience, Side, Teller};
use crate::payload::Room;

/// Connects and logs in, with bounded retries; a server that asks for patience is waited for.
pub(crate) async fn open(
    endpoint: &Endpoint,
    timeouts: Timeouts,
    patience: &mut Patience,
    gate: &Arc<Gate>,
) -> Result<Session, ImapError> {
    let backoff = patience.backoff();
    let mut attempt = 0;
    loop {
        let error = match open_once(endpoint, timeouts, gate).await {
            Ok(session) => return Ok(session),
            Err(error) => error,
        };
        if let Some(temporary) = error.temporary() {
            if !patience.bear(temporary).await {
                return Err(error.out_of_patience());
            }
            continue;
        }
        if !error.is_transient() || attempt + 1 >= backoff.tries {
            return Err(error);
        }
        tracing::warn!(endpoint = endpoint.url, attempt, %error, "connection_retry");
        tokio::time::sleep(backoff.pause(attempt)).await;
        attempt += 1;
    }
}

/// Opens a connection, without trying again.
pub(crate) async fn open_once(
    endpoint: &Endpoint,
    timeouts: Timeouts,
    gate: &Arc<Gate>,
) -> Result<Session, ImapError> {
    let (host, port, security) = (&endpoint.host, endpoint.port, &endpoint.security);
    let pass = gate.enter(host).await;
    let wire = connect(host, port, security, timeouts, pass).await?;
    let mut session = greet(endpoint, wire).await?;
    let compress = match endpoint.compress {
        Compressing::Always => true,
        Compressing::Never => false,
        Compressing::Auto => gate.gains_by_deflate(host, session.round_trip()),
    };
    if compress {
        session.compress().await?;
    }
    Ok(session)
}

/// Logs in over a connection.
pub(crate) async fn greet(endpoint: &Endpoint, wire: Wire) -> Result<Session, ImapError> {
    let who = Credentials {
        host: &endpoint.host,
        port: endpoint.port,
        user: &endpoint.user,
        password: &endpoint.password,
        login: &endpoint.login,
    };
    Session::open(wire, &endpoint.security, &who).await
}

/// An IMAP source.
pub struct ImapSource {
    endpoint: Endpoint,
    timeouts: Timeouts,
    backoff: Backoff,
    room: Arc<Room>,
    gate: Arc<Gate>,
    patience: Patience,
    session: Option<Session>,
    left_alone: Vec<FolderPath>,
    unread: Arc<AtomicU64>,
    no_subscriptions: Option<String>,
}

impl ImapSource {
    /// Prepares a source; nothing is opened before it is needed.
    pub fn new(endpoint: Endpoint, timeouts: Timeouts, backoff: Backoff, room: Arc<Room>) -> Self {
        Self {
            endpoint,
            timeouts,
            backoff,
            room,
            gate: Gate::new(Limits::default()),
            patience: Patience::new(backoff, Side::Source, Teller::default()),
            session: None,
            left_alone: Vec::new(),
            unread: Arc::default(),
            no_subscriptions: None,
        }
    }

    /// Shares a run's limits.
    #[must_use]
    pub fn limited(mut self, gate: Arc<Gate>) -> Self {
        self.gate = gate;
        self
    }

    /// Tells when the server is waited for.
    #[must_use]
    pub fn telling(mut self, teller: Teller) -> Self {
        self.patience = Patience::new(self.backoff, Side::Source, teller);
        self
    }

    async fn session(&mut self) -> Result<&mut Session, ImapError> {
        if self.session.is_none() {
            let (endpoint, patience) = (&self.endpoint, &mut self.patience);
            let mut session = open(endpoint, self.timeouts, patience, &self.gate).await?;
            session.count_unread_in(&self.unread);
            self.session = Some(session);
        }
        // The branch above has just filled it.
        self.session.as_mut().ok_or_else(|| ImapError::Closed {
            address: self.endpoint.url.clone(),
            said: String::new(),
        })
    }
}

impl Source for ImapSource {
    fn survey<'a>(
        &'a mut self,
        known: &'a dyn Known,
    ) -> BoxFuture<'a, Result<Vec<SourceFolder>, EndpointError>> {
        async move {
            let mut memory = Memory::default();
            let mut attempt = 0;
            loop {
                let session = self.session().await?;
                let known_before = memory.size();
                let error = match survey::survey(session, known, &mut memory).await {
                    Ok(found) => {
                        self.left_alone = found.left_alone;
                        self.patience.restore();
                        self.no_subscriptions = found.no_subscriptions;
                        return Ok(found.folders);
                    }
                    Err(error) => error,
                };
                if let Some(temporary) = error.temporary() {
                    self.session
                        .take_if(|_| matches!(error, ImapError::Closed { .. }));
                    if !self.patience.bear(temporary).await {
                        return Err(error.out_of_patience().into());
                    }
                    continue;
                }
                // What it refused is not asked again at once: each break teaches something.
                attempt = if memory.size() > known_before {
                    0
                } else {
                    attempt + 1
                };
                if !error.is_transient() || attempt >= self.backoff.tries {
                    return Err(error.into());
                }
                tracing::warn!(attempt, %error, "survey_retry");
                self.session = None;
                tokio::time::sleep(self.backoff.pause(attempt)).await;
            }
        }
        .boxed()
    }

    fn left_alone(&self) -> Vec<FolderPath> {
        self.left_alone.clone()
    }

    fn unread_lines(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.unread)
    }

    fn subscriptions_unknown(&self) -> Option<String> {
        self.no_subscriptions.clone()
    }

    fn read(
        &mut self,
        work: Vec<FolderWork>,
        out: mpsc::Sender<Delivery>,
    ) -> BoxFuture<'_, Result<(), EndpointError>> {
        async move {
            read::read(self, work, out)
                .await
                .map_err(EndpointError::from)
        }
        .boxed()
    }
}
