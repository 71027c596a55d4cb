//! The tests that need a cluster, in one program: they share its spaces.

mod access;
mod bad_input;
mod clients;
mod external_database;
mod isolation;
mod journal;
mod lifecycle;
mod migration;
mod repair;
mod uninstall;
mod waves;
