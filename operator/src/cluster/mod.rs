//! Reading and writing the cluster: server-side apply without needless writes.

pub mod apply;
pub mod covers;
pub mod secret;

pub use apply::{Applier, ApplyError, Outcome};
