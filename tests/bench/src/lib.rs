//! Real corpora, private mail servers and delays to test and measure the migration with.
//!
//! Owns: mailboxes built from real messages, Dovecots of its own on loopback, a proxy that adds
//! a round trip, the rounds of the benchmark.
//! Must not know: how the migration engine works inside; it runs the product through its door.

pub mod cases;
pub mod corpus;
pub mod door;
pub mod dovecot;
pub mod folder;
pub mod lab;
pub mod leftovers;
pub mod measure;
pub mod proxy;
pub mod rounds;
pub mod seeds;
pub mod store;
pub mod table;
pub mod tools;
pub mod witness;
