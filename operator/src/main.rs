//! melouvert-operator.
fn main() {}
