//! The cgroup of one cluster: `melouvert-NAME` at the top of each hierarchy, with `node` for its
//! daemons and `pods` for kubelet. Every process of a cluster is in it, recorded or not, so that
//! `down` finds them all after a crash.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{At as _, Error, Result};
use crate::process::{Identity, wait_until};

/// The group of one cluster in every mounted hierarchy.
#[derive(Debug)]
pub struct Cgroup {
    mounted: Mounted,
    name: String,
}

/// The hierarchies mounted on this host.
#[derive(Debug, PartialEq, Eq)]
struct Mounted {
    /// Those that limit and count: all of version 1, or the one of version 2.
    used: Vec<PathBuf>,
    /// A version 2 hierarchy next to version 1: container runtimes leave groups there too.
    beside: Vec<PathBuf>,
    /// Whether `used` is version 2.
    unified: bool,
}

impl Cgroup {
    /// Finds the mounted hierarchies; creates nothing.
    pub fn new(name: &str) -> Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts").at("read", "/proc/self/mounts")?;
        let mounted = mounted(&mounts);
        if mounted.used.is_empty() {
            return Err(Error::Cgroups("no cgroup hierarchy is mounted".to_owned()));
        }
        Ok(Self {
            mounted,
            name: name.to_owned(),
        })
    }

    /// The group's folder in every hierarchy.
    fn folders(&self) -> impl Iterator<Item = PathBuf> + '_ {
        let roots = self.mounted.used.iter().chain(&self.mounted.beside);
        roots.map(|root| root.join(&self.name))
    }

    /// Creates the group and its two children.
    pub fn create(&self) -> Result<()> {
        for root in &self.mounted.used {
            if self.mounted.unified {
                enable_controllers(root)?;
            }
            let group = root.join(&self.name);
            create_group(&group)?;
            if self.mounted.unified {
                enable_controllers(&group)?;
            }
            for child in ["node", "pods"] {
                create_group(&group.join(child))?;
            }
        }
        Ok(())
    }

    /// Moves the calling process, and so all that it starts, into the `node` child.
    pub fn join(&self) -> Result<()> {
        for root in &self.mounted.used {
            let file = root.join(&self.name).join("node/cgroup.procs");
            fs::write(&file, "0").at("write", &file)?;
        }
        Ok(())
    }

    /// Every process in the group or below it.
    pub fn processes(&self) -> Result<BTreeSet<i32>> {
        let mut found = BTreeSet::new();
        for folder in self.folders() {
            for group in groups_below(&folder)? {
                let file = group.join("cgroup.procs");
                // A group may vanish between listing and reading.
                let text = fs::read_to_string(&file).unwrap_or_default();
                found.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()));
            }
        }
        // Zero stands for a process of a namespace we cannot see: never a target.
        found.remove(&0);
        Ok(found)
    }

    /// Kills whatever is left in the group and removes it; nothing there is success.
    pub fn remove(&self) -> Result<()> {
        wait_until("the end of the cluster's processes", 30, || {
            let left: Vec<Identity> = self
                .processes()?
                .into_iter()
                .filter_map(Identity::of)
                .collect();
            for process in &left {
                process.kill()?;
            }
            Ok(left.is_empty())
        })?;
        for folder in self.folders() {
            wait_until(
                &format!("cgroup {} to be free", folder.display()),
                10,
                || {
                    let mut groups = groups_below(&folder)?;
                    groups.sort_by_key(|group| std::cmp::Reverse(group.components().count()));
                    // A group stays busy until the kernel has buried its last process.
                    Ok(groups.iter().all(|group| fs::remove_dir(group).is_ok()))
                },
            )?;
        }
        Ok(())
    }
}

fn mounted(mounts: &str) -> Mounted {
    let of_kind = |kind: &str| -> Vec<PathBuf> {
        mounts
            .lines()
            .filter_map(|line| {
                let mut fields = line.split(' ').skip(1);
                let (folder, found) = (fields.next()?, fields.next()?);
                (found == kind && folder.starts_with("/sys/fs/cgroup")).then(|| folder.into())
            })
            .collect()
    };
    let (legacy, unified) = (of_kind("cgroup"), of_kind("cgroup2"));
    if legacy.is_empty() {
        Mounted {
            used: unified,
            beside: Vec::new(),
            unified: true,
        }
    } else {
        Mounted {
            used: legacy,
            beside: unified,
            unified: false,
        }
    }
}

fn create_group(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).at("create cgroup", folder)?;
    // A version 1 cpuset accepts no process until it names processors and memory nodes.
    for setting in ["cpuset.cpus", "cpuset.mems"] {
        let own = folder.join(setting);
        let Some(parent) = folder.parent().map(|parent| parent.join(setting)) else {
            continue;
        };
        let empty = fs::read_to_string(&own).is_ok_and(|value| value.trim().is_empty());
        if empty
            && let Ok(value) = fs::read_to_string(&parent)
            && !value.trim().is_empty()
        {
            fs::write(&own, value.trim()).at("write", &own)?;
        }
    }
    Ok(())
}

fn enable_controllers(folder: &Path) -> Result<()> {
    let available = folder.join("cgroup.controllers");
    let text = fs::read_to_string(&available).at("read", &available)?;
    let control = folder.join("cgroup.subtree_control");
    for controller in text.split_whitespace() {
        fs::write(&control, format!("+{controller}")).map_err(|error| {
            Error::Cgroups(format!(
                "cannot enable {controller} in {}: {error}; run on a host (or in a privileged \
                 container whose own processes are not in the root cgroup)",
                folder.display()
            ))
        })?;
    }
    Ok(())
}

fn groups_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(group) = open.pop() {
        let entries = match fs::read_dir(&group) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).at("list", &group),
        };
        open.extend(
            entries
                .flatten()
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                .map(|entry| entry.path()),
        );
        found.push(group);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_one_wins_when_both_are_mounted() {
        let mounts = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n\
                      cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n\
                      cgroup /sys/fs/cgroup/pids cgroup rw,pids 0 0\n\
                      cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        let found = mounted(mounts);
        assert_eq!(
            found.used,
            ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup/pids"].map(PathBuf::from)
        );
        assert_eq!(found.beside, [PathBuf::from("/sys/fs/cgroup/unified")]);
        assert!(!found.unified);
    }

    #[test]
    fn version_two_alone_is_unified() {
        let found = mounted("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n");
        assert_eq!(found.used, [PathBuf::from("/sys/fs/cgroup")]);
        assert!(found.unified && found.beside.is_empty());
    }

    #[test]
    fn an_absent_group_holds_nothing_and_is_removed_in_peace() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let group = Cgroup {
            mounted: Mounted {
                used: vec![folder.path().to_owned()],
                beside: Vec::new(),
                unified: false,
            },
            name: "none".to_owned(),
        };
        assert!(group.processes().expect("listed").is_empty());
        group.remove().expect("nothing to remove");
    }
}
