//! Real messages: the test mails that the mail-parser package ships.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

/// Reads every message of the mail-parser package's source, in a stable order.
pub fn load() -> anyhow::Result<Vec<Vec<u8>>> {
    let directory = package_source()?.join("resources").join("eml");
    let mut paths = Vec::new();
    collect(&directory, &mut paths)?;
    paths.sort();
    let mut seeds = Vec::with_capacity(paths.len());
    for path in paths {
        let bytes =
            std::fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
        if !bytes.is_empty() {
            seeds.push(bytes);
        }
    }
    if seeds.len() < 100 {
        bail!(
            "expected some hundreds of messages in {}, found {}",
            directory.display(),
            seeds.len()
        );
    }
    Ok(seeds)
}

fn package_source() -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .context("failed to run cargo metadata; the corpus needs the sources that cargo fetched")?;
    if !output.status.success() {
        bail!(
            "failed to run cargo metadata: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let manifest = metadata["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|package| package["name"] == "mail-parser")
        .and_then(|package| package["manifest_path"].as_str())
        .context("failed to find the package mail-parser in cargo metadata")?;
    let directory = Path::new(manifest)
        .parent()
        .context("failed to find mail-parser's folder")?;
    Ok(directory.to_owned())
}

fn collect(directory: &Path, paths: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = std::fs::read_dir(directory)
        .with_context(|| format!("failed to list {}", directory.display()))?;
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), paths)?;
        } else if entry.path().extension().is_some_and(|end| end == "eml") {
            paths.push(entry.path());
        }
    }
    Ok(())
}
