//! The cache of layers and archives, shared by every checkout of this user.

use super::error::{Error, io};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Archives of one image that stay: other checkouts may still load an older one.
const KEPT_ARCHIVES: usize = 4;

/// The cache, locked against other builders until dropped.
#[derive(Debug)]
pub(super) struct Cache {
    root: PathBuf,
    _lock: File,
}

impl Cache {
    /// Opens the cache; waits for another builder to end.
    pub fn open(waiting: &dyn Fn()) -> Result<Self, Error> {
        Self::open_at(base_directory()?.join("images"), waiting)
    }

    fn open_at(root: PathBuf, waiting: &dyn Fn()) -> Result<Self, Error> {
        for directory in ["layers", "archives", "index", "work"] {
            let path = root.join(directory);
            std::fs::create_dir_all(&path).map_err(io("create", &path))?;
        }
        let path = root.join("lock");
        let lock = File::create(&path).map_err(io("create", &path))?;
        if lock.try_lock().is_err() {
            waiting();
            lock.lock().map_err(io("lock", &path))?;
        }
        Ok(Self { root, _lock: lock })
    }

    /// Where compressed layers are.
    pub fn layers(&self) -> PathBuf {
        self.root.join("layers")
    }

    /// Where the archive of a reference is.
    pub fn archive(&self, name: &str, tag: &str) -> PathBuf {
        self.root.join("archives").join(format!("{name}-{tag}.tar"))
    }

    /// A directory that vanishes with the returned guard.
    pub fn work(&self) -> Result<tempfile::TempDir, Error> {
        let directory = self.root.join("work");
        tempfile::tempdir_in(&directory).map_err(io("create a directory in", &directory))
    }

    /// Empties what builders that were killed left behind; only the lock's holder may.
    pub fn sweep(&self) -> Result<(), Error> {
        let directory = self.root.join("work");
        for entry in std::fs::read_dir(&directory).map_err(io("list", &directory))? {
            let path = entry.map_err(io("list", &directory))?.path();
            std::fs::remove_dir_all(&path).map_err(io("remove", &path))?;
        }
        Ok(())
    }

    /// Removes all but the newest archives of `name`.
    pub fn prune(&self, name: &str) -> Result<(), Error> {
        let directory = self.root.join("archives");
        let mut archives = Vec::new();
        for entry in std::fs::read_dir(&directory).map_err(io("list", &directory))? {
            let path = entry.map_err(io("list", &directory))?.path();
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            // A bill of materials stands beside its archive and goes with it.
            let Some(file) = file.strip_suffix(".tar") else {
                continue;
            };
            if file
                .rsplit_once('-')
                .is_some_and(|(image, _)| image == name)
            {
                let meta = std::fs::metadata(&path).map_err(io("inspect", &path))?;
                archives.push((meta.modified().map_err(io("inspect", &path))?, path));
            }
        }
        archives.sort();
        let surplus = archives.len().saturating_sub(KEPT_ARCHIVES);
        for (_, path) in archives.into_iter().take(surplus) {
            std::fs::remove_file(&path).map_err(io("remove", &path))?;
            let bill = path.with_extension("cdx.json");
            if bill.is_file() {
                std::fs::remove_file(&bill).map_err(io("remove", &bill))?;
            }
        }
        Ok(())
    }

    /// What was stored under `key`, when it is there.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        let path = self.entry(key);
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|source| Error::CacheEntry { path, source }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io("read", path)(error)),
        }
    }

    /// Stores `value` under `key`, whole or not at all.
    pub fn put<T: Serialize>(&self, key: &str, value: &T) -> Result<(), Error> {
        let path = self.entry(key);
        let bytes = serde_json::to_vec(value).map_err(|source| Error::CacheEntry {
            path: path.clone(),
            source,
        })?;
        let partial = path.with_extension("partial");
        std::fs::write(&partial, bytes).map_err(io("write", &partial))?;
        std::fs::rename(&partial, &path).map_err(io("store", &path))
    }

    fn entry(&self, key: &str) -> PathBuf {
        self.root.join("index").join(format!("{key}.json"))
    }
}

/// `$MELOUVERT_CACHE`, else `$XDG_CACHE_HOME/melouvert`, else `~/.cache/melouvert`.
fn base_directory() -> Result<PathBuf, Error> {
    let variable = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    variable("MELOUVERT_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|path| path.join("melouvert")))
        .or_else(|| variable("HOME").map(|path| path.join(Path::new(".cache/melouvert"))))
        .ok_or(Error::NoCacheDirectory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_got_and_a_broken_entry_names_itself() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let cache = Cache::open_at(directory.path().into(), &|| {}).expect("a cache");
        assert_eq!(cache.get::<u8>("k").expect("readable"), None);
        cache.put("k", &7_u8).expect("written");
        assert_eq!(cache.get::<u8>("k").expect("readable"), Some(7));
        std::fs::write(cache.entry("k"), b"{").expect("broken");
        let error = cache.get::<u8>("k").expect_err("not JSON");
        assert!(error.to_string().contains("k.json"), "{error}");
    }

    #[test]
    fn pruning_keeps_the_newest_archives_of_one_image_only() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let cache = Cache::open_at(directory.path().into(), &|| {}).expect("a cache");
        let age = |path: &Path, hours| {
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_hours(hours);
            let file = File::create(path).expect("created");
            file.set_modified(time).expect("dated");
        };
        for hours in 0..6 {
            age(&cache.archive("exim", &format!("{hours}")), hours);
        }
        age(&cache.archive("dovecot", "0"), 0);
        cache.prune("exim").expect("pruned");
        let there = |tag: &str| cache.archive("exim", tag).is_file();
        assert_eq!(["0", "1", "2", "5"].map(there), [false, false, true, true]);
        assert!(cache.archive("dovecot", "0").is_file());
    }
}
