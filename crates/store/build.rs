//! Rebuilds when a migration is added, which `sqlx::migrate!` alone does not notice.

#[expect(clippy::print_stdout, reason = "how a build script talks to cargo")]
fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
