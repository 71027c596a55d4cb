//! Builds, runs and tests Melouvert: the one entry for developers and CI.
//!
//! Owns: the order of build steps, caches, progress shown to a person.
//! Must not know: how Melouvert works inside; it drives the products through their own doors
//! (`cargo`, `kubectl`, `helm`, `melouvert`).

pub mod commands;
pub mod images;
pub mod mailbox;
pub mod progress;
pub mod shell;
pub mod wait;
