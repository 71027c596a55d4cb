//! The bill of materials of an image, `CycloneDX` in JSON: what stands in the image itself, so that it
//! can be made again from the archive by whoever doubts it.

use super::{
    BuiltImage,
    error::{Error, io},
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{BufReader, Read},
    path::{Path, PathBuf},
};

/// Where images of ours keep the control paragraphs of their packages.
const PACKAGES: &str = "var/lib/dpkg/status.d/";
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// The file with an image's bill of materials, beside its archive; made when it is not there.
pub fn ensure(image: &BuiltImage, lock: &str) -> Result<PathBuf, Error> {
    let path = image.archive.with_extension("cdx.json");
    if path.is_file() {
        return Ok(path);
    }
    let packages = packages(&image.archive)?;
    let crates = if image.name == "operator" {
        crates(lock)
    } else {
        BTreeSet::new()
    };
    let text = document(image, &packages, &crates).to_string();
    let partial = path.with_extension("partial");
    std::fs::write(&partial, text).map_err(io("write", &partial))?;
    std::fs::rename(&partial, &path).map_err(io("store", &path))?;
    Ok(path)
}

/// Control paragraphs by package, from every layer of an archive.
fn packages(archive: &Path) -> Result<BTreeMap<String, String>, Error> {
    let failed = || io("read", archive);
    let file = BufReader::new(File::open(archive).map_err(failed())?);
    let mut found = BTreeMap::new();
    for entry in tar::Archive::new(file).entries().map_err(failed())? {
        let mut entry = entry.map_err(failed())?;
        let mut magic = [0; 4];
        if entry.size() < 4 || entry.read_exact(&mut magic).is_err() || magic != ZSTD {
            continue;
        }
        let layer = zstd::Decoder::new(magic.as_slice().chain(entry)).map_err(failed())?;
        for entry in tar::Archive::new(layer).entries().map_err(failed())? {
            let mut entry = entry.map_err(failed())?;
            let path = entry
                .path()
                .map_err(failed())?
                .to_string_lossy()
                .into_owned();
            let Some(name) = path.trim_start_matches("./").strip_prefix(PACKAGES) else {
                continue;
            };
            if name.is_empty() || name.contains('/') || !entry.header().entry_type().is_file() {
                continue;
            }
            let mut control = String::new();
            entry.read_to_string(&mut control).map_err(failed())?;
            found.insert(name.to_owned(), control);
        }
    }
    Ok(found)
}

/// `(name, version)` of every crate that Cargo.lock takes from a registry.
fn crates(lock: &str) -> BTreeSet<(String, String)> {
    lock.split("[[package]]")
        .filter(|paragraph| paragraph.contains("\nsource = "))
        .filter_map(|paragraph| {
            let value = |key: &str| {
                let line = paragraph.lines().find_map(|line| line.strip_prefix(key))?;
                Some(line.trim_matches(['"', ' ', '=']).to_owned())
            };
            Some((value("name")?, value("version")?))
        })
        .collect()
}

fn document(
    image: &BuiltImage,
    packages: &BTreeMap<String, String>,
    crates: &BTreeSet<(String, String)>,
) -> Value {
    let debian = packages.iter().map(|(name, control)| {
        let value = |key: &str| {
            let line = control.lines().find_map(|line| line.strip_prefix(key));
            line.map(|line| line.trim_start_matches(':').trim())
        };
        let version = value("Version").unwrap_or_default();
        let architecture = value("Architecture").unwrap_or_default();
        // `+`, `~` and `:` are not theirs in a package URL.
        let escaped = version
            .replace('%', "%25")
            .replace('+', "%2B")
            .replace(':', "%3A");
        json!({
            "type": "library", "name": name, "version": version,
            "purl": format!("pkg:deb/debian/{name}@{escaped}?arch={architecture}&distro=trixie"),
        })
    });
    let rust = crates.iter().map(|(name, version)| {
        json!({
            "type": "library", "name": name, "version": version,
            "purl": format!("pkg:cargo/{name}@{version}"),
            "description": "in Cargo.lock of the workspace that the programs were built from",
        })
    });
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "container", "name": image.name, "version": image.digest}},
        "components": debian.chain(rust).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tarred(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, path, *content).unwrap();
        }
        archive.into_inner().unwrap()
    }

    #[test]
    fn the_bill_lists_the_packages_of_every_layer() {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("exim-1.tar");
        let layer = |name: &str, version: &str| {
            let control = format!("Package: {name}\nVersion: {version}\nArchitecture: amd64\n");
            let path = format!("{PACKAGES}{name}");
            let files = tarred(&[(&path, control.as_bytes()), ("etc/hostname", b"x")]);
            zstd::encode_all(files.as_slice(), 1).unwrap()
        };
        let (base, own) = (
            layer("libc6", "2.41-12"),
            layer("exim4", "4.98.2-1+deb13u1"),
        );
        let files: [(&str, &[u8]); 3] = [
            ("index.json", b"{}"),
            ("blobs/sha256/a", &base),
            ("blobs/sha256/b", &own),
        ];
        std::fs::write(&archive, tarred(&files)).unwrap();
        let image = BuiltImage {
            name: "exim".into(),
            reference: "localhost/melouvert/exim@sha256:0".into(),
            archive,
            digest: "sha256:0".into(),
            size: 0,
            unpacked: 0,
        };
        let path = ensure(&image, "").unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let bill: Value = serde_json::from_str(&text).unwrap();
        let urls: Vec<_> = bill["components"]
            .as_array()
            .unwrap()
            .iter()
            .map(|component| component["purl"].as_str().unwrap())
            .collect();
        assert_eq!(
            urls,
            [
                "pkg:deb/debian/exim4@4.98.2-1%2Bdeb13u1?arch=amd64&distro=trixie",
                "pkg:deb/debian/libc6@2.41-12?arch=amd64&distro=trixie",
            ]
        );
        assert_eq!(bill["metadata"]["component"]["version"], "sha256:0");
    }

    #[test]
    fn crates_of_the_workspace_itself_are_no_components() {
        let lock = "version = 4\n\n[[package]]\nname = \"serde\"\nversion = \"1.0.1\"\nsource = \"registry\"\n\n\
            [[package]]\nname = \"xtask\"\nversion = \"0.1.0\"\n";
        let found: Vec<_> = crates(lock).into_iter().collect();
        assert_eq!(found, [("serde".to_owned(), "1.0.1".to_owned())]);
    }
}
