//! Removes a cluster, whatever state it is in.

use std::fs;
use std::path::Path;

use nix::mount::{MntFlags, umount2};

use crate::cgroup::Cgroup;
use crate::error::{At as _, Result};
use crate::layout::{Layout, read_json};
use crate::process::{Identity, wait_until};
use crate::{forward, host};

/// The cluster's first process as recorded, if it still runs.
pub fn init(layout: &Layout) -> Result<Option<Identity>> {
    let recorded: Option<Identity> = read_json(&layout.path("init.json"))?;
    Ok(recorded.filter(Identity::alive))
}

/// Removes the cluster called `name`: processes, mounts, namespaces, cgroups, state. Works after
/// a crash at any instant; removing what is not there is success.
///
/// # Errors
/// When the name is not valid, without root, or when something refuses to go.
pub fn down(name: &str) -> Result<()> {
    let layout = Layout::new(name)?;
    host::require_root()?;
    let _lock = layout.lock()?;
    remove(&layout)
}

/// As [`down`], with the lock held.
pub fn remove(layout: &Layout) -> Result<()> {
    end(layout)?;
    if layout.root.exists() {
        unmount_below(&layout.root)?;
        fs::remove_dir_all(&layout.root).at("remove", &layout.root)?;
    }
    Ok(())
}

/// Ends all processes and removes the cgroups; the state folder stays, with its logs.
pub fn end(layout: &Layout) -> Result<()> {
    for forward in forward::recorded(layout).unwrap_or_default() {
        forward.process.kill()?;
    }
    // The first process takes everything of its namespaces with it.
    if let Ok(Some(init)) = init(layout) {
        init.kill()?;
        wait_until("the end of the node", 30, || Ok(!init.alive()))?;
    }
    Cgroup::new(&layout.cgroup())?.remove()
}

/// The node's mounts are private to it, so there should be none; following one while deleting
/// would be worse than looking.
fn unmount_below(root: &Path) -> Result<()> {
    let mounts = fs::read_to_string("/proc/self/mounts").at("read", "/proc/self/mounts")?;
    for folder in mounts_below(&mounts, root) {
        umount2(Path::new(folder), MntFlags::MNT_DETACH).at("unmount", folder)?;
    }
    Ok(())
}

/// Mount points below `root`, the last mounted first.
fn mounts_below<'a>(mounts: &'a str, root: &Path) -> Vec<&'a str> {
    let mut found: Vec<&str> = mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        .filter(|folder| Path::new(folder).starts_with(root))
        .collect();
    found.reverse();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mounts_below_the_state_are_undone_and_inner_ones_first() {
        let mounts =
            "x / ext4 rw 0 0\nx /s/a tmpfs rw 0 0\nx /s/a/b tmpfs rw 0 0\nx /s/ab tmpfs rw 0 0\n";
        assert_eq!(mounts_below(mounts, Path::new("/s/a")), ["/s/a/b", "/s/a"]);
    }
}
