//! `cargo xtask directory`: packs the official directory of communes and EPCI.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    path::Path,
    process::Command,
};

use anyhow::{Context, bail, ensure};
use melouvert_directory::{Entry, Form, pack};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::debian::{self, Need};

/// The source, exactly: other bytes are refused.
const PACKAGE: &str = "@etalab/decoupage-administratif@6.0.0";
const ARCHIVE_SHA256: &str = "c189ffd5b33fe40c2f19e1a923ce557f190622f39228745d3195d746dfe00c4a";

/// Arguments of `cargo xtask directory`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Change nothing; fail when the committed file is not what the source gives
    #[arg(long)]
    check: bool,
}

/// Runs `cargo xtask directory`.
pub fn run(args: &Args) -> anyhow::Result<()> {
    debian::require(&[Need::Directory])?;
    let work = tempfile::tempdir().context("failed to make a working folder")?;
    let data = download(work.path())?;
    let entries = entries(&read(&data, "communes.json")?, &read(&data, "epci.json")?)?;
    let packed = pack(&entries).context("failed to pack the directory")?;
    let target =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/directory/data/directory.zst");
    if args.check {
        let committed = fs::read(&target).context("failed to read the committed directory")?;
        ensure!(
            committed == packed,
            "the committed directory differs from {PACKAGE}: run `cargo xtask directory`"
        );
    } else {
        fs::write(&target, &packed).context("failed to write the directory")?;
    }
    let state = if args.check { "up to date" } else { "written" };
    writeln!(
        io::stdout(),
        "{state}: {} entries, {} bytes",
        entries.len(),
        packed.len()
    )?;
    Ok(())
}

/// Downloads with npm and unpacks; returns the folder of the JSON files.
fn download(work: &Path) -> anyhow::Result<std::path::PathBuf> {
    let output = Command::new("npm")
        .args(["pack", "--silent", PACKAGE])
        .current_dir(work)
        .output()
        .context("failed to run npm")?;
    ensure!(
        output.status.success(),
        "npm pack: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let name = String::from_utf8(output.stdout)?;
    let archive = work.join(name.trim().lines().last().unwrap_or_default());
    let bytes = fs::read(&archive).context("failed to read what npm packed")?;
    let found = hex::encode(Sha256::digest(&bytes));
    ensure!(
        found == ARCHIVE_SHA256,
        "{PACKAGE} has SHA-256 {found}, expected {ARCHIVE_SHA256}"
    );
    let status = Command::new("tar")
        .arg("-xzf")
        .arg(&archive)
        .current_dir(work)
        .status()
        .context("failed to run tar")?;
    ensure!(status.success(), "tar: {status}");
    Ok(work.join("package/data"))
}

#[derive(Debug, Deserialize)]
struct Commune {
    code: String,
    nom: String,
    #[serde(rename = "type")]
    kind: String,
    siren: Option<String>,
    population: Option<u32>,
    departement: Option<String>,
    region: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Epci {
    code: String,
    nom: String,
    #[serde(rename = "type")]
    form: String,
    population_municipale: u32,
    membres: Vec<Member>,
}

#[derive(Debug, Deserialize)]
struct Member {
    code: String,
}

fn read<T: for<'de> Deserialize<'de>>(folder: &Path, name: &str) -> anyhow::Result<Vec<T>> {
    let text = fs::read(folder.join(name)).with_context(|| format!("failed to read {name}"))?;
    serde_json::from_slice(&text).with_context(|| format!("failed to read {name} as JSON"))
}

/// Communes that are current and have a SIREN, by INSEE code; then EPCI by SIREN.
fn entries(communes: &[Commune], epci: &[Epci]) -> anyhow::Result<Vec<Entry>> {
    let current: BTreeMap<&str, &Commune> = communes
        .iter()
        .filter(|commune| commune.kind == "commune-actuelle")
        .map(|commune| (commune.code.as_str(), commune))
        .collect();
    let mut entries = Vec::new();
    for commune in current.values() {
        if let Some(siren) = &commune.siren {
            entries.push(from_commune(commune, siren)?);
        }
    }
    let mut groups = Vec::new();
    for group in epci {
        groups.push(from_epci(group, &current)?);
    }
    groups.sort_by(|a, b| a.siren.cmp(&b.siren));
    entries.extend(groups);
    Ok(entries)
}

fn from_commune(commune: &Commune, siren: &str) -> anyhow::Result<Entry> {
    let missing = |field| format!("commune {} has no {field}", commune.code);
    Ok(Entry {
        form: Form::Commune,
        insee: Some(commune.code.parse()?),
        siren: siren
            .parse()
            .with_context(|| format!("commune {}", commune.code))?,
        name: commune.nom.clone(),
        population: commune.population.with_context(|| missing("population"))?,
        departement: commune
            .departement
            .clone()
            .with_context(|| missing("departement"))?,
        region: commune.region.clone().with_context(|| missing("region"))?,
    })
}

fn from_epci(epci: &Epci, communes: &BTreeMap<&str, &Commune>) -> anyhow::Result<Entry> {
    let Some(form) = Form::parse(&epci.form).filter(|form| *form != Form::Commune) else {
        bail!("EPCI {} has the unknown form {:?}", epci.code, epci.form);
    };
    let mut places: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for commune in epci
        .membres
        .iter()
        .filter_map(|member| communes.get(member.code.as_str()))
    {
        let departement = commune.departement.as_deref().unwrap_or_default();
        let region = commune.region.as_deref().unwrap_or_default();
        *places.entry((departement, region)).or_default() += 1;
    }
    let ((departement, region), _) = places
        .into_iter()
        .max_by_key(|(_, count)| *count)
        .with_context(|| format!("EPCI {} has no known commune", epci.code))?;
    Ok(Entry {
        form,
        insee: None,
        siren: epci
            .code
            .parse()
            .with_context(|| format!("EPCI {}", epci.code))?,
        name: epci.nom.clone(),
        population: epci.population_municipale,
        departement: departement.into(),
        region: region.into(),
    })
}
