//! The migration engine: copies mailboxes without losing, doubling or altering a message.
//!
//! Owns: reading a source, writing a target, the identity of a message
//! (account, folder, UIDVALIDITY, UID, BLAKE3 of its bytes), the journal that makes a run
//! resumable at any instruction, the verification through the user's protocol, and the proof.
//! Must not know: Kubernetes, the command line, the operator, where credentials are kept.
//!
//! Rooms: [`account`] (who is copied from where to where), [`source`] and [`target`] (one file per
//! kind), [`imap`] (the wire), [`journal`], [`matcher`], [`schedule`], [`engine`], [`verify`],
//! [`preflight`] (the plan), [`proof`], [`collection`] (calendars and contacts).

pub mod account;
pub mod backoff;
pub mod collection;
pub mod context;
pub mod engine;
pub mod error;
pub mod imap;
pub mod journal;
pub mod limits;
pub mod mapping;
pub mod matcher;
pub mod model;
pub mod patience;
pub mod payload;
pub mod preflight;
pub mod progress;
pub mod proof;
pub mod raw;
pub mod schedule;
pub mod seal;
pub mod source;
pub mod target;
pub mod verify;

pub use account::{Account, AccountsError, Destination, Endpoint, EndpointOptions, Origin};
pub use context::Context;
pub use engine::{Options, Outcome, Report, run};
pub use error::MigrationError;
pub use limits::Limits;
pub use progress::{Event, Progress, Silent};
