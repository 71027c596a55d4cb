//! Processes inside pods, as this host numbers them: pods of the test cluster run on its kernel.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, ensure};

use crate::{field, outcome, text};

/// The first process of a pod's container that runs `program`: its end is the end of all others
/// there.
pub fn first(namespace: &str, pod: &str, program: &str) -> anyhow::Result<String> {
    let uid = field("pod", namespace, pod, "{.metadata.uid}")?;
    // systemd's cgroup driver writes it in another way.
    let other = uid.replace('-', "_");
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        // Processes end while they are looked at.
        let read = |file: &str| fs::read_to_string(path.join(file)).unwrap_or_default();
        let (status, group, command) = (read("status"), read("cgroup"), read("cmdline"));
        let first = status.lines().any(|line| {
            line.starts_with("NSpid:") && line.split_whitespace().next_back() == Some("1")
        });
        let runs = command.split('\0').next().unwrap_or_default();
        let runs = Path::new(runs)
            .file_name()
            .is_some_and(|name| name == program);
        if first && runs && (group.contains(&uid) || group.contains(&other)) {
            let pid = path.file_name().context("a process without a number")?;
            return Ok(pid.to_string_lossy().into_owned());
        }
    }
    anyhow::bail!("pod {pod} ({uid}) runs no {program}")
}

/// Sends a signal, as `kill` names it.
pub fn signal(name: &str, pid: &str) -> anyhow::Result<()> {
    let done = outcome(Command::new("kill").args([name, pid]))?;
    ensure!(done.status.success(), "{}", text(&done));
    Ok(())
}
