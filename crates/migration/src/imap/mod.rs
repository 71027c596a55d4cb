//! A lean IMAP client: pipelined commands, streamed literals, bounded memory, a deadline on
//! every read and write.

mod address;
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
pub mod utf7;
mod wire;

mod session;

pub use address::{Address, AddressError, Scheme};
pub use connect::{Security, Timeouts, connect};
pub use deflate::Compressing;
pub use error::ImapError;
pub use fetch::FetchItem;
pub use login::{Credentials, Login, Mechanism};
pub use namespace::{Namespace, Namespaces};
pub use pace::LeastPace;
pub use response::{Code, ListItem, Response, Status, StatusItem, Untagged, parse_response};
pub use session::{Capabilities, Completion, Session, quote};
pub(crate) use session::{Examined, said};
pub use wire::{RawResponse, Wire};
