//! `manifest.json` and `SHA256SUMS`: what the export holds, at the end of a run.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::super::disk;
use super::names::{FOLDER, INDEX, MBOX, MESSAGES};
use super::{Folder, INCOMPLETE, OWN, index, mbox};
use crate::model::{MessageHash, Uid, hash_of_hashes};

/// Version of the export's form.
pub(super) const FORMAT: &str = "melouvert-export/1";
const README: &str = "LISEZMOI.txt";
/// What a person finds first.
const README_TEXT: &str = include_str!("readme.txt");

/// One file.
#[derive(Serialize)]
struct FileEntry {
    path: String,
    bytes: u64,
    sha256: String,
    blake3: String,
}

/// One folder.
#[derive(Serialize)]
struct FolderEntry {
    /// Path at the source, one element per level.
    path: Vec<String>,
    /// Its directory in the export.
    directory: String,
    subscribed: bool,
    messages: u64,
    /// Bytes of its messages.
    bytes: u64,
    /// BLAKE3 over the sorted BLAKE3 of its messages: the `source_hash` of the proof.
    hash_of_hashes: String,
}

/// How far a folder's mbox is.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
struct MboxState {
    /// Messages in it.
    messages: u64,
    /// Number of the last one.
    through: Uid,
    /// Its length in bytes.
    length: u64,
}

/// Writes the summaries of everything below the root.
pub(super) fn write(root: &Path) -> io::Result<()> {
    let own = root.join(OWN);
    let readme = root.join(README);
    if !readme.exists() {
        disk::replace(&readme, &own.join(README), README_TEXT.as_bytes())?;
    }
    let mut mboxes = read_mboxes(&own)?;
    let mut folders = Vec::new();
    let mut files = vec![hash(root, &readme)?];
    let mail = root.join("mail");
    if mail.is_dir() {
        for directory in find_folders(&mail)? {
            let name = relative(&mail, &directory)?;
            let state = mboxes.entry(name.clone()).or_default();
            let (folder, mut entries) = summarise(root, &directory, &name, state)?;
            folders.push(folder);
            files.append(&mut entries);
            write_json(&own.join("mbox.json"), &own.join("mbox.tmp"), &mboxes)?;
        }
    }
    let mut collections = Vec::new();
    collect(&root.join("collections"), &mut collections)?;
    for path in collections {
        files.push(hash(root, &path)?);
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    folders.sort_by(|a, b| a.directory.cmp(&b.directory));
    let manifest = serde_json::json!({
        "format": FORMAT,
        "messages": folders.iter().map(|folder| folder.messages).sum::<u64>(),
        "bytes": folders.iter().map(|folder| folder.bytes).sum::<u64>(),
        "folders": folders,
        "files": files,
    });
    let path = root.join("manifest.json");
    write_json(&path, &own.join("manifest.tmp"), &manifest)?;
    let entry = hash(root, &path)?;
    write_sums(root, &own, files.iter().chain([&entry]))?;
    fs::remove_file(own.join(INCOMPLETE))?;
    disk::sync_directory(&own)
}

fn write_json(path: &Path, beside: &Path, value: &impl Serialize) -> io::Result<()> {
    let mut bytes = serde_json::to_vec_pretty(value)?;
    bytes.push(b'\n');
    disk::replace(path, beside, &bytes)
}

fn write_sums<'a>(
    root: &Path,
    own: &Path,
    files: impl Iterator<Item = &'a FileEntry>,
) -> io::Result<()> {
    let beside = own.join("sums.tmp");
    let mut out = BufWriter::new(File::create(&beside)?);
    for file in files {
        writeln!(out, "{}  {}", file.sha256, file.path)?;
    }
    out.into_inner()
        .map_err(io::IntoInnerError::into_error)?
        .sync_all()?;
    fs::rename(&beside, root.join("SHA256SUMS"))?;
    disk::sync_directory(root)
}

fn read_mboxes(own: &Path) -> io::Result<BTreeMap<String, MboxState>> {
    match fs::read(own.join("mbox.json")) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error),
    }
}

/// Brings a folder's index and mbox up to date.
fn summarise(
    root: &Path,
    directory: &Path,
    name: &str,
    state: &mut MboxState,
) -> io::Result<(FolderEntry, Vec<FileEntry>)> {
    let mut folder = Folder::read(directory)?;
    folder.recover()?;
    let present = folder.present()?;
    folder
        .index
        .compact(&root.join(OWN).join("index.tmp"), |number| {
            present.contains(&number)
        })?;
    extend_mbox(&folder, state)?;
    let mut files = Vec::with_capacity(folder.index.lines.len() + 3);
    let mut hashes = Vec::with_capacity(folder.index.lines.len());
    let mut bytes = 0;
    let prefix = relative(root, &directory.join(MESSAGES))?;
    for line in folder.index.lines.values() {
        bytes += line.size;
        let mut digest = [0; 32];
        hex::decode_to_slice(&line.blake3, &mut digest).map_err(io::Error::other)?;
        hashes.push(MessageHash(digest));
        files.push(FileEntry {
            path: format!("{prefix}/{}", index::file_name(line.number)),
            bytes: line.size,
            sha256: line.sha256.clone(),
            blake3: line.blake3.clone(),
        });
    }
    for file in [FOLDER, INDEX, MBOX] {
        let path = directory.join(file);
        if path.exists() {
            files.push(hash(root, &path)?);
        }
    }
    let entry = FolderEntry {
        path: folder.description.path,
        directory: format!("mail/{name}"),
        subscribed: folder.description.subscribed,
        messages: folder.index.lines.len() as u64,
        bytes,
        hash_of_hashes: hash_of_hashes(hashes).to_string(),
    };
    Ok((entry, files))
}

/// Adds new messages to the mbox; it is written anew when one of those in it is gone.
fn extend_mbox(folder: &Folder, state: &mut MboxState) -> io::Result<()> {
    let path = folder.directory.join(MBOX);
    let length = fs::metadata(&path).map_or(0, |metadata| metadata.len());
    let known = folder.index.lines.range(..=state.through).count() as u64;
    if known != state.messages || length < state.length {
        *state = MboxState::default();
    }
    let messages = folder
        .index
        .lines
        .range(state.through + 1..)
        .map(|(number, line)| {
            let date = line.date.as_deref().and_then(index::read_date);
            (folder.message(*number), date)
        });
    let last = folder.index.lines.last_key_value();
    state.length = mbox::append(&path, state.length, messages)?;
    state.messages = folder.index.lines.len() as u64;
    state.through = last.map_or(state.through, |(number, _)| *number);
    Ok(())
}

/// Directories that hold a folder.
fn find_folders(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(directory) = left.pop() {
        if directory.join(FOLDER).is_file() {
            found.push(directory.clone());
        }
        for entry in fs::read_dir(&directory).map_err(|error| disk::at(&directory, &error))? {
            let entry = entry?;
            if entry.file_type()?.is_dir() && entry.file_name() != MESSAGES {
                left.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !directory.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(directory).map_err(|error| disk::at(directory, &error))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}

fn relative(root: &Path, path: &Path) -> io::Result<String> {
    let relative = path.strip_prefix(root).map_err(io::Error::other)?;
    Ok(relative.to_string_lossy().into_owned())
}

fn hash(root: &Path, path: &Path) -> io::Result<FileEntry> {
    let mut file = File::open(path).map_err(|error| disk::at(path, &error))?;
    let (mut sha, mut blake) = (Sha256::new(), blake3::Hasher::new());
    let mut buffer = vec![0; 128 * 1024];
    let mut bytes = 0;
    loop {
        let read = file
            .read(&mut buffer)
            .map_err(|error| disk::at(path, &error))?;
        if read == 0 {
            break;
        }
        sha.update(&buffer[..read]);
        blake.update(&buffer[..read]);
        bytes += read as u64;
    }
    Ok(FileEntry {
        path: relative(root, path)?,
        bytes,
        sha256: hex::encode(sha.finalize()),
        blake3: blake.finalize().to_hex().to_string(),
    })
}
