//! Platform and tenant databases of a region, on PostgreSQL.
//!
//! Owns: the schemas and their migrations, every SQL statement of Melouvert, the hash-chained
//! journals, the creation and erasure of tenants' databases and roles, and what a password must be
//! and how it is stored.
//! Must not know: Kubernetes, HTTP, the command line, who is allowed to do what.
//!
//! Static SQL is checked at compile time against `.sqlx/` at the workspace root; after a change of
//! a statement or of a migration run `cargo xtask sqlx`.
//!
//! Time and random identifiers of rows come from the database: one clock per journal, whoever
//! writes.

mod database;
pub mod error;
pub mod journal;
mod names;
pub mod password;
pub mod platform;
mod scram;
pub mod server;
pub mod tenant;

pub use error::StoreError;
pub use journal::{Actor, Anchor, BreakReason, BrokenLink, Entry, Sealed, Verified};
pub use password::{PasswordError, PasswordHash};
pub use platform::{
    Bounds, Ended, Guarded, MayMake, PlatformStore, TenantDb, Weakness, administrator_script,
};
pub use server::Server;
pub use tenant::{
    AccountKey, AccountPasses, Agent, AgentKind, Allocated, EndedPass, MigrationReport, NewAgent,
    NewPass, NewReport, ReportKey, TenantStore,
};
