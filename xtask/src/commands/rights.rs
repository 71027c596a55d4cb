//! `cargo xtask rights`: the table of who may do what, from the chart's roles into docs/dsi.md.

use std::fs;

use anyhow::Context;

use crate::rights;

/// Arguments of `cargo xtask rights`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs `cargo xtask rights`.
pub fn run(_args: &Args) -> anyhow::Result<()> {
    let path = rights::document();
    let text =
        fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
    let made = rights::renewed(&text, &rights::roles()?)?;
    fs::write(&path, made).with_context(|| format!("failed to write {}", path.display()))
}
