//! Lock files as Dovecot makes them: `NAME.lock`, holding `pid:host`.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::super::disk;

/// Longest wait for another program's lock.
const PATIENCE: Duration = Duration::from_mins(1);
/// A lock whose owner cannot be asked is dead after this long, as for Dovecot.
const STALE: Duration = Duration::from_mins(2);
/// A lock that names no owner is of one that died as it made it: the name is written at once.
const NAMELESS: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(10);

/// A lock, held until it is dropped.
pub(super) struct DotLock {
    path: PathBuf,
}

impl DotLock {
    /// Waits for the lock of a file.
    pub(super) fn of(file: &Path, host: &str) -> io::Result<Self> {
        let mut path = file.as_os_str().to_owned();
        path.push(".lock");
        let path = PathBuf::from(path);
        let deadline = Instant::now() + PATIENCE;
        loop {
            match disk::create_new(&path) {
                Ok(mut file) => {
                    write!(file, "{}:{host}", std::process::id())?;
                    return Ok(Self { path });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            if is_stale(&path, host) {
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(disk::at(&path, &error));
                    }
                    _ => continue,
                }
            }
            if Instant::now() > deadline {
                let words = "another program holds this lock; end it, or remove the file";
                let error = io::Error::new(io::ErrorKind::WouldBlock, words);
                return Err(disk::at(&path, &error));
            }
            std::thread::sleep(LOOK);
        }
    }
}

impl Drop for DotLock {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "lock_not_removed");
        }
    }
}

fn is_stale(path: &Path, host: &str) -> bool {
    let Ok(text) = fs::read_to_string(path) else {
        return false;
    };
    let owner = text.trim().split_once(':');
    if let Some((pid, owner_host)) = owner
        && owner_host == host
        && let Ok(pid) = pid.parse()
    {
        return !is_alive(pid);
    }
    let age = fs::metadata(path)
        .and_then(|metadata| metadata.modified())
        .map(|time| time.elapsed().unwrap_or_default());
    let patience = if text.is_empty() { NAMELESS } else { STALE };
    age.is_ok_and(|age| age > patience)
}

/// Whether a process of this host lives.
pub(super) fn is_alive(pid: i32) -> bool {
    let pid = nix::unistd::Pid::from_raw(pid);
    pid.as_raw() > 0 && nix::sys::signal::kill(pid, None) != Err(nix::errno::Errno::ESRCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_owner_does_not_hold_a_lock() {
        let directory = tempfile::tempdir().expect("folder");
        let file = directory.path().join("dovecot-uidlist");
        let lock = directory.path().join("dovecot-uidlist.lock");
        // No process has the largest number.
        fs::write(&lock, format!("{}:here", i32::MAX)).expect("write");
        drop(DotLock::of(&file, "here").expect("taken over"));
        assert!(!lock.exists());
        fs::write(&lock, format!("{}:here", std::process::id())).expect("write");
        assert!(!is_stale(&lock, "here"));
        assert!(
            !is_stale(&lock, "elsewhere"),
            "young, and its owner cannot be asked"
        );
        let nameless = fs::File::create(&lock).expect("empty");
        assert!(!is_stale(&lock, "here"), "its name may still come");
        let past = std::time::SystemTime::now() - NAMELESS - LOOK;
        nameless.set_modified(past).expect("date");
        assert!(is_stale(&lock, "here"), "its owner died as it made it");
    }
}
