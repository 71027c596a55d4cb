//! Types and rules of Melouvert.
//!
//! Owns: the newtypes that every other crate receives already checked ([`Siren`], [`MailDomain`],
//! [`NamespaceName`]…), the life cycle of a tenant and the choice of a plan.
//! Must not know: Kubernetes, databases, the command line, the clock (a `now` is always passed in).

pub mod address;
pub mod cidr;
pub mod identity;
pub mod lifecycle;
pub mod mail_domain;
pub mod name;
pub mod plan;
pub mod quantity;
pub mod renewal;
pub mod source_range;
pub mod visible;

pub use address::{EmailAddress, LocalPart};
pub use cidr::Cidr;
pub use identity::{CollectivityKind, InseeCode, Siren};
pub use lifecycle::{Lifecycle, TerminationPhase};
pub use mail_domain::MailDomain;
pub use name::{NamespaceName, ResourceName};
pub use quantity::{StorageSize, StorageSizeError};
