//! The connection to the region's PostgreSQL: it may be away at start and come back.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use melouvert_api::Reason;
use melouvert_store::{MayMake, PlatformStore, Server, StoreError};
use melouvert_tenant_template::platform::REGION_CA_SECRET;
use secrecy::SecretString;
use tokio::sync::watch;

use crate::{backoff, bootstrap, cluster::secret, events::Events, heads, settings::Settings};

/// The key of the authority's certificate, in the database's Secret and in the region's root's.
const AUTHORITY: &str = "ca.crt";

/// The longest wait between two attempts: everything waits for the database.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Why the database could not be reached.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// A Secret could not be read.
    #[error("failed to read Secret {name}")]
    Credentials {
        /// Which one.
        name: String,
        /// Why.
        #[source]
        source: secret::SecretError,
    },
    /// The Region could not be read.
    #[error("failed to read the Region")]
    Region(#[source] Box<kube::Error>),
    /// The server did not answer or refused.
    #[error("failed to connect to PostgreSQL at {host}:{port}")]
    Connect {
        /// Its host name.
        host: String,
        /// Its port.
        port: u16,
        /// Why.
        #[source]
        source: Box<StoreError>,
    },
    /// What was seen elsewhere of the region could not be read.
    #[error("failed to look for traces of an earlier database")]
    Traces(#[source] Box<kube::Error>),
    /// The platform's database was made before and is not there.
    #[error("the platform's database is lost: {0}")]
    Lost(String),
    /// No connection was made yet since the operator started.
    #[error("the database was not reached yet: {last}")]
    NotYet {
        /// What the last attempt said.
        last: String,
    },
}

impl DatabaseError {
    fn is_lost(&self) -> bool {
        matches!(self, Self::Connect { source, .. } if matches!(**source, StoreError::Gone { .. }))
    }
}

/// What is known of the connection.
#[derive(Clone)]
enum State {
    Away(String),
    Lost(String),
    Connected(Connected),
}

/// A connection that was made once, and what it was verified against.
#[derive(Clone)]
struct Connected {
    store: PlatformStore,
    ca_pem: String,
}

/// A shared handle on the platform database, usable before the first connection.
#[derive(Clone)]
pub struct Database {
    state: watch::Receiver<State>,
}

/// The side of [`Database`] that connects.
pub struct Connector {
    client: Client,
    settings: Settings,
    state: watch::Sender<State>,
}

/// A handle and the connector that fills it.
pub fn channel(client: Client, settings: Settings) -> (Database, Connector) {
    let (sender, receiver) = watch::channel(State::Away("no attempt was made".into()));
    (
        Database { state: receiver },
        Connector {
            client,
            settings,
            state: sender,
        },
    )
}

impl Database {
    /// The platform database, or why there is none yet.
    pub fn get(&self) -> Result<PlatformStore, DatabaseError> {
        Ok(self.known()?.store)
    }

    /// What the server's certificate was verified against, PEM: tenants' servers trust the same.
    pub fn authority(&self) -> Result<String, DatabaseError> {
        Ok(self.known()?.ca_pem)
    }

    fn known(&self) -> Result<Connected, DatabaseError> {
        match &*self.state.borrow() {
            State::Connected(known) => Ok(known.clone()),
            State::Away(last) => Err(DatabaseError::NotYet { last: last.clone() }),
            State::Lost(last) => Err(DatabaseError::Lost(last.clone())),
        }
    }

    /// Waits for the first connection.
    ///
    /// Returns `None` when the connector ended without one: the process is stopping.
    pub async fn connected(&self) -> Option<PlatformStore> {
        let mut state = self.state.clone();
        match &*state
            .wait_for(|state| matches!(state, State::Connected(_)))
            .await
            .ok()?
        {
            State::Connected(known) => Some(known.store.clone()),
            State::Away(_) | State::Lost(_) => None,
        }
    }
}

impl Connector {
    /// Connects, waiting longer after each failure (1 s to 5 s), and returns once it is done.
    ///
    /// Every failure is told in the log, by `/readyz` and in an Event of the operator's pod.
    pub async fn run(self, events: Events) {
        let mut failures = 0_u32;
        loop {
            match self.attempt().await {
                Ok(known) => {
                    tracing::info!(failures, "connected to the platform database");
                    self.state.send_replace(State::Connected(known));
                    return;
                }
                Err(error) => {
                    failures = failures.saturating_add(1);
                    let wait = backoff::delay(failures).min(LONGEST_WAIT);
                    let text = crate::errors::chain(&error);
                    tracing::warn!(failures, retry_in = ?wait, error = text, "the database is away");
                    let lost = error.is_lost();
                    let reason = if lost {
                        Reason::DatabaseLost
                    } else {
                        Reason::DatabaseUnreachable
                    };
                    events.own_warning(reason.as_str(), &text).await;
                    let state = if lost {
                        State::Lost(text)
                    } else {
                        State::Away(text)
                    };
                    self.state.send_replace(state);
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    async fn attempt(&self) -> Result<Connected, DatabaseError> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &self.settings.namespace);
        let read = async |name: &str, key: &str| {
            secret::text(&secrets, name, key)
                .await
                .map_err(|source| DatabaseError::Credentials {
                    name: name.into(),
                    source,
                })
        };
        let user = read(&self.settings.database_secret, "username").await?;
        let password = read(&self.settings.database_secret, "password").await?;
        let ca_pem = match self.given_authority(&secrets).await? {
            Some(given) => given,
            None => read(REGION_CA_SECRET, AUTHORITY).await?,
        };
        let server = Server {
            host: self.settings.database_host.clone(),
            port: self.settings.database_port,
            user,
            password: SecretString::from(password),
            ca_pem: ca_pem.clone(),
        };
        let may_make = self.may_make().await?;
        match PlatformStore::connect(&server, may_make).await {
            Ok(store) => Ok(Connected { store, ca_pem }),
            Err(source) => Err(DatabaseError::Connect {
                host: server.host,
                port: server.port,
                source: Box::new(source),
            }),
        }
    }

    /// Whether the platform's database may be made: not once its journal's head was seen, nor where
    /// there is any space, unless somebody answered for it.
    async fn may_make(&self) -> Result<MayMake, DatabaseError> {
        let traces = |source| DatabaseError::Traces(Box::new(source));
        let known = heads::known(&self.client, &self.settings.namespace)
            .await
            .map_err(traces)?;
        if known.accepts(heads::PLATFORM) {
            return Ok(MayMake::Anew);
        }
        let spaces = bootstrap::has_spaces(&self.client).await.map_err(traces)?;
        Ok(if known.knows(heads::PLATFORM) || spaces {
            MayMake::Never
        } else {
            MayMake::First
        })
    }

    /// The authority that the hoster named, in the Region or beside the password.
    async fn given_authority(
        &self,
        secrets: &Api<Secret>,
    ) -> Result<Option<String>, DatabaseError> {
        let region = bootstrap::served_region(&self.client, self.settings.region.as_deref())
            .await
            .map_err(|source| DatabaseError::Region(Box::new(source)))?;
        if let Some(ca) = region.and_then(|region| region.database.ca) {
            return Ok(Some(ca));
        }
        let name = &self.settings.database_secret;
        match secret::text(secrets, name, AUTHORITY).await {
            Ok(ca) => Ok(Some(ca)),
            Err(secret::SecretError::MissingKey { .. }) => Ok(None),
            Err(source) => Err(DatabaseError::Credentials {
                name: name.clone(),
                source,
            }),
        }
    }
}
