//! Custom resources of Melouvert, group `melouvert.fr`, version `v1alpha1`.
//!
//! Owns: the shape of [`Region`], [`Plan`], [`Collectivity`], [`Access`] and [`Migration`], their CEL
//! rules with messages, the reasons of their conditions, the names and labels that every component shares.
//! Must not know: how a tenant is rendered, applied or stored.

pub mod access;
pub mod alarm;
pub mod collectivity;
pub mod condition;
pub mod crds;
pub mod images;
pub mod labels;
pub mod migration;
pub mod plan;
mod reason;
pub mod region;
pub mod wire;

pub use access::{Access, AccessSpec, AccessStatus};
pub use collectivity::{Collectivity, CollectivitySpec, CollectivityStatus};
pub use migration::{Migration, MigrationSpec, MigrationStatus};
pub use plan::{Plan, PlanSpec};
pub use reason::Reason;
pub use region::{Region, RegionSpec, SpecStatus};

/// The API group.
pub const GROUP: &str = "melouvert.fr";
/// The API version.
pub const VERSION: &str = "v1alpha1";
