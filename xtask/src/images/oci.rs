//! Layers and archives in the OCI image format, the same bytes for the same content.

use super::error::{Error, io};
use super::recipe::Recipe;
use super::tree::{Node, Tree};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read as _, Write};
use std::path::{Path, PathBuf};

/// The time of everything in an image when SOURCE_DATE_EPOCH is not set: 2026-01-01.
const DEFAULT_EPOCH: u64 = 1_767_225_600;
const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";

/// A compressed layer in the cache.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Layer {
    /// The compressed file.
    pub path: PathBuf,
    /// SHA-256 of the compressed bytes, in hexadecimal.
    pub digest: String,
    /// SHA-256 of the tar, in hexadecimal.
    pub diff_id: String,
    /// Compressed size in bytes.
    pub size: u64,
    /// Size of the tar in bytes.
    pub unpacked: u64,
}

/// Hashes and counts what passes through.
struct Hashing<W> {
    inner: W,
    hash: Sha256,
    length: u64,
}

impl<W: Write> Hashing<W> {
    fn new(inner: W) -> Self {
        Self {
            inner,
            hash: Sha256::new(),
            length: 0,
        }
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

/// SOURCE_DATE_EPOCH, or a fixed date: never the clock.
pub(super) fn epoch() -> u64 {
    std::env::var("SOURCE_DATE_EPOCH")
        .ok()
        .and_then(|value| value.parse().ok())
        .unwrap_or(DEFAULT_EPOCH)
}

/// Writes the tree as a layer into `directory`.
pub(super) fn write_layer(tree: &Tree, directory: &Path) -> Result<Layer, Error> {
    let mut file =
        tempfile::NamedTempFile::new_in(directory).map_err(io("create a file in", directory))?;
    let failed = || io("write a layer into", directory);
    let compressed = Hashing::new(file.as_file_mut());
    let encoder = zstd::Encoder::new(compressed, 3).map_err(failed())?;
    let mut archive = tar::Builder::new(Hashing::new(encoder));
    for (path, node) in &tree.0 {
        append(&mut archive, path, node)?;
    }
    let tarred = archive.into_inner().map_err(failed())?;
    let compressed = tarred.inner.finish().map_err(failed())?;
    let layer = Layer {
        digest: hex::encode(compressed.hash.finalize()),
        diff_id: hex::encode(tarred.hash.finalize()),
        size: compressed.length,
        unpacked: tarred.length,
        path: PathBuf::new(),
    };
    let path = directory.join(format!("{}.tar.zst", layer.digest));
    file.persist(&path)
        .map_err(|error| io("store", &path)(error.error))?;
    Ok(Layer { path, ..layer })
}

fn append<W: Write>(archive: &mut tar::Builder<W>, path: &str, node: &Node) -> Result<(), Error> {
    let mut header = tar::Header::new_gnu();
    header.set_mtime(epoch());
    header.set_uid(0);
    header.set_gid(0);
    let relative = path.trim_start_matches('/');
    let failed = || io("pack", path);
    match node {
        Node::Directory(mode) => {
            header.set_entry_type(tar::EntryType::Directory);
            header.set_mode(*mode);
            header.set_size(0);
            archive.append_data(&mut header, format!("{relative}/"), std::io::empty())
        }
        Node::Link(target) => {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_mode(0o777);
            header.set_size(0);
            archive.append_link(&mut header, relative, target)
        }
        Node::File { mode, source } => {
            let content = File::open(source).map_err(io("open", source))?;
            let length = content.metadata().map_err(io("inspect", source))?.len();
            header.set_mode(*mode);
            header.set_size(length);
            archive.append_data(&mut header, relative, content)
        }
        Node::Made(bytes) => {
            header.set_mode(0o644);
            header.set_size(bytes.len() as u64);
            archive.append_data(&mut header, relative, bytes.as_slice())
        }
    }
    .map_err(failed())
}

/// The documents of one image.
#[derive(Debug)]
pub(super) struct Documents {
    config: Vec<u8>,
    manifest: Vec<u8>,
}

impl Documents {
    /// Describes an image made of `layers`, lowest first.
    pub fn new(recipe: &Recipe, layers: &[Layer]) -> Self {
        let created = rfc3339(epoch());
        let mut environment = recipe.environment.clone();
        environment
            .entry("PATH".into())
            .or_insert_with(|| "/usr/local/bin:/usr/sbin:/usr/bin".into());
        let environment: Vec<_> = environment
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let history: Vec<_> = layers.iter().map(|_| json!({"created": created})).collect();
        let diff_ids: Vec<_> = layers
            .iter()
            .map(|layer| format!("sha256:{}", layer.diff_id))
            .collect();
        let config = json!({
            "created": created,
            "architecture": architecture(),
            "os": "linux",
            "config": {
                "User": "10001:10001",
                "Env": environment,
                "Entrypoint": recipe.command,
                "WorkingDir": "/",
            },
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": history,
        })
        .to_string()
        .into_bytes();
        let blobs: Vec<_> = layers
            .iter()
            .map(|layer| descriptor(LAYER_TYPE, &layer.digest, layer.size))
            .collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": descriptor(CONFIG_TYPE, &sha256(&config), config.len() as u64),
            "layers": blobs,
        })
        .to_string()
        .into_bytes();
        Self { config, manifest }
    }

    /// The image's digest, in hexadecimal.
    pub fn digest(&self) -> String {
        sha256(&self.manifest)
    }

    /// Writes an OCI archive that names the image `reference` to `path`.
    pub fn write_archive(
        &self,
        layers: &[Layer],
        reference: &str,
        path: &Path,
    ) -> Result<(), Error> {
        let directory = path.parent().unwrap_or(path);
        let file = tempfile::NamedTempFile::new_in(directory)
            .map_err(io("create a file in", directory))?;
        let mut archive = tar::Builder::new(file);
        let mut image = descriptor(MANIFEST_TYPE, &self.digest(), self.manifest.len() as u64);
        let tag = reference.rsplit(':').next().unwrap_or(reference);
        image["annotations"] = json!({
            "io.containerd.image.name": reference,
            "org.opencontainers.image.ref.name": tag,
        });
        let index = json!({"schemaVersion": 2, "manifests": [image]}).to_string();
        let made = |bytes: &[u8]| Node::Made(bytes.to_vec());
        append(
            &mut archive,
            "oci-layout",
            &made(br#"{"imageLayoutVersion":"1.0.0"}"#),
        )?;
        append(&mut archive, "index.json", &made(index.as_bytes()))?;
        append(&mut archive, &blob(&self.digest()), &made(&self.manifest))?;
        append(
            &mut archive,
            &blob(&sha256(&self.config)),
            &made(&self.config),
        )?;
        for layer in layers {
            let source = layer.path.clone();
            append(
                &mut archive,
                &blob(&layer.digest),
                &Node::File {
                    mode: 0o644,
                    source,
                },
            )?;
        }
        let file = archive.into_inner().map_err(io("write", path))?;
        file.persist(path)
            .map_err(|error| io("store", path)(error.error))?;
        Ok(())
    }
}

fn blob(digest: &str) -> String {
    format!("blobs/sha256/{digest}")
}

fn descriptor(media_type: &str, digest: &str, size: u64) -> serde_json::Value {
    json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": size})
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// SHA-256 of a file, in hexadecimal.
pub(super) fn sha256_file(path: &Path) -> Result<String, Error> {
    let mut file = File::open(path).map_err(io("open", path))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let length = file.read(&mut buffer).map_err(io("read", path))?;
        if length == 0 {
            return Ok(hex::encode(hash.finalize()));
        }
        hash.update(&buffer[..length]);
    }
}

/// Go's name of this machine's architecture, as OCI wants it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Seconds since 1970 as RFC 3339 in UTC (Hinnant's civil-from-days).
fn rfc3339(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_in_utc() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(rfc3339(DEFAULT_EPOCH), "2026-01-01T00:00:00Z");
    }

    #[test]
    fn two_layers_of_one_tree_are_the_same_bytes() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let source = directory.path().join("source");
        std::fs::write(&source, b"content").expect("written");
        let mut tree = Tree::default();
        tree.file("/usr/bin/x", 0o755, source.clone());
        let first = write_layer(&tree, directory.path()).expect("a layer");
        std::fs::write(&source, b"content").expect("touched");
        let second = write_layer(&tree, directory.path()).expect("a layer");
        assert_eq!(first.digest, second.digest);
        std::fs::write(&source, b"other").expect("changed");
        assert_ne!(
            write_layer(&tree, directory.path())
                .expect("a layer")
                .digest,
            first.digest
        );
    }

    #[test]
    fn every_image_runs_as_the_same_numeric_user() {
        let documents = Documents::new(&Recipe::default(), &[]);
        let config: serde_json::Value =
            serde_json::from_slice(&documents.config).expect("JSON of ours");
        assert_eq!(config["config"]["User"], "10001:10001");
    }
}
