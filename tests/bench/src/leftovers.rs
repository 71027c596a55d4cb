//! What earlier runs left: emptied at once, deleted at the end.
//!
//! For minutes after files were deleted, ext4 looks for a free inode among theirs and passes each
//! one over (`recently_deleted` in its `ialloc.c`). A target that is deleted just before the next
//! run makes whoever writes one file per message twice as slow, and each in another measure.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Mark in the names of what is set aside.
const ASIDE: &str = "-aside-";

/// Frees a folder's name and its room on the disk, but not its inodes.
pub fn set_aside(directory: &Path) -> anyhow::Result<()> {
    if !directory.exists() {
        return Ok(());
    }
    let taken = aside(directory)?.len();
    let mut name = directory.as_os_str().to_owned();
    name.push(format!("{ASIDE}{taken}"));
    let aside = PathBuf::from(name);
    fs::rename(directory, &aside)
        .with_context(|| format!("failed to set {} aside", directory.display()))?;
    empty(&aside)
}

/// Deletes what was set aside.
pub fn delete(directory: &Path) -> anyhow::Result<()> {
    for folder in aside(directory)? {
        fs::remove_dir_all(&folder)
            .with_context(|| format!("failed to delete {}", folder.display()))?;
    }
    Ok(())
}

fn aside(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let parent = directory.parent().context("a folder without a parent")?;
    let name = directory.file_name().context("a folder without a name")?;
    let begin = format!("{}{ASIDE}", name.to_string_lossy());
    let mut found = Vec::new();
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&begin) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn empty(path: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(path)? {
        let (entry, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
        if kind.is_dir() {
            empty(&entry)?;
        } else if kind.is_file() {
            fs::File::create(&entry)
                .with_context(|| format!("failed to empty {}", entry.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_aside_takes_no_room_and_goes_at_the_end() {
        let lab = tempfile::tempdir().expect("folder");
        let run = lab.path().join("run");
        for _ in 0..2 {
            fs::create_dir_all(run.join("a")).expect("folder");
            fs::write(run.join("a/mail"), "bytes").expect("write");
            set_aside(&run).expect("set aside");
            assert!(!run.exists());
        }
        let left = lab.path().join("run-aside-1/a/mail");
        assert_eq!(fs::metadata(left).expect("kept").len(), 0);
        delete(&run).expect("delete");
        assert_eq!(fs::read_dir(lab.path()).expect("list").count(), 0);
    }
}
