//! The tests that need a cluster, in one program: they share its spaces.

mod access;
mod attacks;
mod bad_input;
mod certificates;
mod clients;
mod crowd;
mod door;
mod doubt;
mod external_database;
mod fields;
mod isolation;
mod journal;
mod leader;
mod lifecycle;
mod migration;
mod on_call;
mod refusals;
mod repair;
mod rights;
mod uninstall;
mod waves;
