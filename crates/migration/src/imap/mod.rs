//! A lean IMAP client: pipelined commands, streamed literals, bounded memory, a deadline on
//! every read and write.

mod address;
mod append;
mod command;
mod connect;
mod cursor;
mod deflate;
mod error;
pub mod extent;
mod fetch;
mod login;
mod mailbox;
mod namespace;
mod pace;
mod response;
mod session;
mod trust;
pub mod utf7;
mod wire;
mod wire_date;
mod wire_flags;

pub use address::{Address, AddressError, Scheme};
pub use append::{Letter, Sent};
pub use command::{Command, MailboxName, UidSet};
pub use connect::{Security, Stream, Timeouts, connect};
pub use deflate::Compressing;
pub use error::ImapError;
pub use fetch::FetchItem;
pub use login::{Credentials, Login, Mechanism};
pub use namespace::{Namespace, Namespaces};
pub use pace::LeastPace;
pub use response::{Code, ListItem, Response, Status, StatusItem, Untagged, parse_response};
pub use session::{Capabilities, Completion, Session};
pub(crate) use session::{Examined, said};
pub use wire::{RawResponse, Wire};
pub use wire_date::WireDate;
pub use wire_flags::WireFlags;
pub(crate) use wire_flags::is_system;
