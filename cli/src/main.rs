//! melouvert.
fn main() {}
