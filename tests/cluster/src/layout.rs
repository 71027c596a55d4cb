//! Where things lie: the cache of built programs, the state of each cluster.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Serialize, de::DeserializeOwned};

use crate::error::{At as _, Error, Result};

/// The cluster meant when no name is given.
pub const DEFAULT_NAME: &str = "melouvert";

/// Root of everything built: `$MELOUVERT_CACHE`, else `$XDG_CACHE_HOME/melouvert`, else
/// `~/.cache/melouvert`.
pub fn cache_root() -> PathBuf {
    cache_root_from(|name| std::env::var_os(name).filter(|value| !value.is_empty()))
}

fn cache_root_from(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> PathBuf {
    if let Some(root) = variable("MELOUVERT_CACHE") {
        return root.into();
    }
    if let Some(root) = variable("XDG_CACHE_HOME") {
        return Path::new(&root).join("melouvert");
    }
    let home = variable("HOME").unwrap_or_else(|| "/root".into());
    Path::new(&home).join(".cache/melouvert")
}

/// The paths of one cluster.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The cluster's name.
    pub name: String,
    /// Its state folder; removed by `down`.
    pub root: PathBuf,
}

impl Layout {
    /// Paths of the cluster called `name`.
    pub fn new(name: &str) -> Result<Self> {
        if !valid_name(name) {
            return Err(Error::Name(name.to_owned()));
        }
        Ok(Self {
            name: name.to_owned(),
            root: state_root().join(name),
        })
    }

    /// A path below the state folder.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// As text, for configuration files and arguments.
    pub fn text(&self, relative: &str) -> String {
        self.path(relative).to_string_lossy().into_owned()
    }

    /// Log of one component.
    pub fn log(&self, component: &str) -> PathBuf {
        self.root.join("log").join(format!("{component}.log"))
    }

    /// containerd's socket; on the host's file system so that `ctr` works from outside.
    pub fn containerd_socket(&self) -> PathBuf {
        self.path("containerd.sock")
    }

    /// The program that runs as this cluster's first process and as its forwarders. A copy: a
    /// rebuild must not replace what runs.
    pub fn agent(&self) -> PathBuf {
        self.path("agent")
    }

    /// Name of the cgroup that holds everything of this cluster, relative to each hierarchy.
    pub fn cgroup(&self) -> String {
        format!("melouvert-{}", self.name)
    }

    /// Held while a cluster is brought up, taken down or changed.
    pub fn lock(&self) -> Result<File> {
        let folder = state_root();
        fs::create_dir_all(&folder).at("create", &folder)?;
        lock_file(&folder.join(format!("{}.lock", self.name)))
    }
}

fn state_root() -> PathBuf {
    std::env::var_os("MELOUVERT_CLUSTERS")
        .map_or_else(|| "/var/lib/melouvert-dev".into(), PathBuf::from)
}

fn valid_name(name: &str) -> bool {
    (1..=24).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// Waits for the exclusive lock on `path`; dropping the file releases it.
pub fn lock_file(path: &Path) -> Result<File> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .at("open", path)?;
    file.lock().at("lock", path)?;
    Ok(file)
}

/// Writes a file readable by its owner only, creating its folder.
pub fn write_private(path: &Path, content: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).at("create", folder)?;
    }
    // Written aside and renamed: a reader never sees half a file.
    let aside = path.with_extension("new");
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&aside)
        .at("create", &aside)?;
    file.write_all(content).at("write", &aside)?;
    fs::rename(&aside, path).at("rename", path)
}

/// Reads a JSON file; `None` when it does not exist.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| Error::Json {
                path: path.to_owned(),
                source,
            }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).at("read", path),
    }
}

/// Writes a JSON file readable by its owner only.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let bytes = serde_json::to_vec_pretty(value).map_err(|source| Error::Json {
        path: path.to_owned(),
        source,
    })?;
    write_private(path, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_paths_and_cgroups() {
        for good in ["melouvert", "e2e-1", "a"] {
            assert!(valid_name(good), "{good}");
        }
        for bad in [
            "",
            "-a",
            "A",
            "a/b",
            "a.b",
            "1a",
            "abcdefghijklmnopqrstuvwxy",
        ] {
            assert!(!valid_name(bad), "{bad}");
        }
    }

    #[test]
    fn the_cache_lies_outside_the_checkout() {
        let with = |set: &'static [(&str, &str)]| {
            cache_root_from(move |name| {
                set.iter()
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| (*value).into())
            })
        };
        assert_eq!(
            with(&[("MELOUVERT_CACHE", "/c"), ("HOME", "/h")]),
            Path::new("/c")
        );
        assert_eq!(
            with(&[("XDG_CACHE_HOME", "/x"), ("HOME", "/h")]),
            Path::new("/x/melouvert")
        );
        assert_eq!(with(&[("HOME", "/h")]), Path::new("/h/.cache/melouvert"));
    }

    #[test]
    fn json_files_are_private_and_read_back() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("deep/value.json");
        write_json(&path, &vec![1, 2]).expect("written");
        assert_eq!(read_json::<Vec<u8>>(&path).expect("read"), Some(vec![1, 2]));
        assert_eq!(
            fs::metadata(&path).expect("there").permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(
            read_json::<Vec<u8>>(&folder.path().join("none")).expect("absent"),
            None
        );
    }
}
