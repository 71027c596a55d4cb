//! What both file targets need of a disk: files that never replace another, directories made
//! durable, hashes of what is there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use crate::model::MessageHash;

/// Names what failed on which file.
pub(crate) fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Makes a new file; an existing one is an error.
pub(crate) fn create_new(path: &Path) -> io::Result<File> {
    let made = OpenOptions::new()
        .write(true)
        .read(true)
        .create_new(true)
        .open(path);
    made.map_err(|error| at(path, &error))
}

/// Renames without ever replacing a file.
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat2(AT_FDCWD, from, AT_FDCWD, to, RenameFlags::RENAME_NOREPLACE) {
        Ok(()) => Ok(()),
        // File systems without that flag.
        Err(Errno::EINVAL | Errno::ENOSYS) => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        Err(error) => Err(at(to, &io::Error::from(error))),
    }
}

/// Makes the entries of a directory durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| at(path, &error))
}

/// Replaces a file that this program owns, whole or not at all.
pub(crate) fn replace(path: &Path, beside: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(beside).map_err(|error| at(beside, &error))?;
    io::Write::write_all(&mut file, bytes)?;
    file.sync_all()?;
    fs::rename(beside, path).map_err(|error| at(path, &error))?;
    path.parent().map_or(Ok(()), sync_directory)
}

/// Makes a directory and those above it; the new ones are durable.
pub(crate) fn make_directories(path: &Path) -> io::Result<()> {
    let mut missing: Vec<PathBuf> = Vec::new();
    let mut above = Some(path);
    while let Some(directory) = above.filter(|path| !path.as_os_str().is_empty()) {
        if directory.is_dir() {
            break;
        }
        missing.push(directory.to_owned());
        above = directory.parent();
    }
    for directory in missing.iter().rev() {
        match fs::create_dir(directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(at(directory, &error));
            }
            _ => {}
        }
        if let Some(parent) = directory.parent().filter(|p| !p.as_os_str().is_empty()) {
            sync_directory(parent)?;
        }
    }
    Ok(())
}

/// Size and BLAKE3 of a file.
pub(crate) fn hash_file(path: &Path) -> io::Result<(u64, MessageHash)> {
    let mut file = File::open(path)?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 128 * 1024];
    let mut size = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((size, MessageHash(*hasher.finalize().as_bytes())));
        }
        hasher.update(&buffer[..read]);
        size += read as u64;
    }
}
