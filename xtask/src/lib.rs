//! Builds, runs and tests Melouvert: the one entry for developers and CI.
//!
//! Owns: the order of build steps, caches, progress shown to a person.
//! Must not know: how Melouvert works inside; it drives the products through their own doors
//! (`cargo`, `kubectl`, `helm`, `melouvert`).

pub mod commands;
pub mod debian;
pub mod images;
pub mod legacy;
pub mod mailbox;
pub mod platform;
pub mod progress;
pub mod rights;
pub mod schemas;
pub mod shell;
pub mod space;
pub mod wait;
