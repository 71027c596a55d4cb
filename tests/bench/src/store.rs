//! Whether a store was written to, told from its files.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Every file with what changes when it is written to.
pub type Files = BTreeMap<PathBuf, (u64, i64, i64)>;

/// Looks at every file under `root`.
pub fn look(root: &Path) -> std::io::Result<Files> {
    let mut files = Files::new();
    let mut left = vec![root.to_owned()];
    while let Some(folder) = left.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let data = entry.metadata()?;
            if data.is_dir() {
                left.push(entry.path());
            } else {
                let seen = (data.size(), data.mtime(), data.mtime_nsec());
                files.insert(entry.path(), seen);
            }
        }
    }
    Ok(files)
}

/// Files that came, went or were written to.
pub fn written(before: &Files, after: &Files) -> usize {
    let changed = after
        .iter()
        .filter(|(path, seen)| before.get(*path) != Some(seen))
        .count();
    let gone = before.keys().filter(|path| !after.contains_key(*path));
    changed + gone.count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_what_is_written() {
        let root = tempfile::tempdir().expect("folder");
        let path = |name: &str| root.path().join(name);
        std::fs::create_dir(path("a")).expect("folder");
        std::fs::write(path("a/1"), "x").expect("write");
        std::fs::write(path("2"), "x").expect("write");
        let before = look(root.path()).expect("look");
        assert_eq!(written(&before, &look(root.path()).expect("look")), 0);
        std::fs::write(path("a/1"), "xy").expect("write");
        std::fs::remove_file(path("2")).expect("remove");
        std::fs::write(path("3"), "x").expect("write");
        assert_eq!(written(&before, &look(root.path()).expect("look")), 3);
    }
}
