//! Reading and writing the cluster: server-side apply without needless writes.

pub mod apply;
pub mod covers;
mod refused;
pub mod secret;

pub use apply::{Applier, Outcome};
pub use refused::ApplyError;
