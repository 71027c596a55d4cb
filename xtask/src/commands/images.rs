//! `cargo xtask images`.

/// Arguments of `cargo xtask images`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs `cargo xtask images`.
pub fn run(_args: &Args) -> anyhow::Result<()> {
    anyhow::bail!("not written yet")
}
