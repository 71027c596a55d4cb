//! The operator of Melouvert.
//!
//! Owns: the controllers that turn `Collectivity` and `Migration` objects into running spaces, the
//! bootstrap of a region's own keys and settings, the relays' maps, the platform API, health and
//! metrics.
//! Must not know: how an object is rendered (`melouvert-tenant-template`), how a certificate is
//! made (`melouvert-pki`), any SQL (`melouvert-store`).

pub mod backoff;
pub mod bootstrap;
pub mod cluster;
pub mod database;
pub mod errors;
pub mod events;
pub mod health;
pub mod leader;
pub mod metrics;
pub mod migration;
pub mod observe;
pub mod platform;
pub mod relays;
pub mod run;
pub mod settings;
pub mod tenant;
