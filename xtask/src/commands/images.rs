//! `cargo xtask images`.

use crate::images::{BuiltImage, Freshness, Image, allowed, ensure_with};
use anyhow::Context;
use std::path::PathBuf;

/// Arguments of `cargo xtask images`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Build only these images (dovecot, exim, postgresql, operator)
    #[arg(long, value_name = "NAME", num_args = 1..)]
    only: Vec<String>,
    /// Directory of the compiled melouvert-operator and melouvert
    #[arg(long, value_name = "DIR", default_value = "target/debug")]
    binaries: PathBuf,
    /// Build anew even what is in the cache, to take in Debian's security updates
    #[arg(long)]
    rebuild: bool,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Write the list of the images for an installation into this file, to be signed
    #[arg(long, value_name = "FILE")]
    list: Option<PathBuf>,
}

/// Runs `cargo xtask images`.
#[allow(clippy::print_stdout, clippy::print_stderr)]
pub fn run(args: &Args) -> anyhow::Result<()> {
    let images = selected(args)?;
    let freshness = if args.rebuild {
        Freshness::Rebuilt
    } else {
        Freshness::Cached
    };
    let built = ensure_with(&images, freshness, &|step| eprintln!("{step}"))?;
    if let Some(path) = &args.list {
        let document = allowed::list(&built)?.to_document()?;
        std::fs::write(path, document)
            .with_context(|| format!("failed to write {}", path.display()))?;
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&built)?);
    } else {
        print!("{}", table(&built));
    }
    Ok(())
}

fn selected(args: &Args) -> anyhow::Result<Vec<Image>> {
    let all = Image::all(&args.binaries);
    if let Some(unknown) = args
        .only
        .iter()
        .find(|name| all.iter().all(|image| image.name() != *name))
    {
        let names: Vec<_> = all.iter().map(Image::name).collect();
        anyhow::bail!(
            "--only: no image is called {unknown:?}; there are {}",
            names.join(", ")
        );
    }
    let chosen =
        |image: &Image| args.only.is_empty() || args.only.iter().any(|n| n == image.name());
    Ok(all.into_iter().filter(chosen).collect())
}

fn table(built: &[BuiltImage]) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for image in built {
        let megabytes = |bytes: u64| bytes / 1_000_000;
        let _ = writeln!(
            text,
            "{:<10}  {:<46}  {:>3} MB packed  {:>3} MB unpacked  {}",
            image.name,
            image.reference,
            megabytes(image.size),
            megabytes(image.unpacked),
            image.archive.display()
        );
    }
    text
}
