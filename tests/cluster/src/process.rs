//! Processes named so that a recycled process id is never mistaken for ours.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::error::{At as _, Error, Result};

/// A process of this host: its id and when it started, in clock ticks since boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Process id in the host's namespace.
    pub pid: i32,
    /// Start time, field 22 of `/proc/PID/stat`.
    pub started: u64,
}

impl Identity {
    /// The process that now has this id, unless it is gone or a zombie.
    pub fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (state, started) = state_and_start(&stat)?;
        (!matches!(state, 'Z' | 'X')).then_some(Self { pid, started })
    }

    /// This process, also when `/proc` belongs to an outer process namespace: the id is then the
    /// outer one.
    pub fn of_self() -> Result<Self> {
        let link = fs::read_link("/proc/self").at("read", "/proc/self")?;
        link.to_str()
            .and_then(|pid| pid.parse().ok())
            .and_then(Self::of)
            .ok_or_else(|| Error::NotRunning("this process".to_owned()))
    }

    /// Whether that same process still runs.
    pub fn alive(&self) -> bool {
        Self::of(self.pid) == Some(*self)
    }

    /// Kills it if it still is the same process; being gone already is success.
    pub fn kill(&self) -> Result<()> {
        if !self.alive() {
            return Ok(());
        }
        match kill(Pid::from_raw(self.pid), Signal::SIGKILL) {
            Ok(()) | Err(nix::errno::Errno::ESRCH) => Ok(()),
            Err(error) => Err(error).when(format!("kill process {}", self.pid)),
        }
    }
}

/// State letter and start time out of a `stat` line; the command name may hold blanks and
/// parentheses, so fields count from the last one.
fn state_and_start(stat: &str) -> Option<(char, u64)> {
    let rest = &stat[stat.rfind(')')? + 1..];
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let state = fields.first()?.chars().next()?;
    Some((state, fields.get(19)?.parse().ok()?))
}

/// What `/proc/PID/status` says about one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProcStatus {
    /// Its id in the node's process namespace, one below the host's; `None` outside and in
    /// namespaces further down.
    pub node_pid: Option<i32>,
    /// Resident memory in KiB.
    pub resident_kib: u64,
}

/// Reads one process; `None` when it is gone.
pub fn proc_status(pid: i32) -> Option<ProcStatus> {
    parse_status(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

fn parse_status(text: &str) -> Option<ProcStatus> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    let ids: Vec<i32> = field("NSpid:")?
        .split_ascii_whitespace()
        .filter_map(|id| id.parse().ok())
        .collect();
    Some(ProcStatus {
        node_pid: if let [_, inner] = ids[..] {
            Some(inner)
        } else {
            None
        },
        resident_kib: field("VmRSS:")
            .and_then(|value| value.split_ascii_whitespace().next())
            .and_then(|value| value.parse().ok())
            .unwrap_or(0),
    })
}

/// Polls `condition` until it holds or `seconds` have passed.
pub fn wait_until(
    what: &str,
    seconds: u64,
    mut condition: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let start = Instant::now();
    while !condition()? {
        if start.elapsed() > Duration::from_secs(seconds) {
            return Err(Error::Deadline {
                what: what.to_owned(),
                seconds,
            });
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_with_a_strange_name_is_read() {
        let line = "42 (a) b (c)) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 98765 1 2 3";
        assert_eq!(state_and_start(line), Some(('S', 98_765)));
        assert_eq!(state_and_start("42 (short) S 1"), None);
    }

    #[test]
    fn a_recycled_id_is_not_the_same_process() {
        let own = Identity::of_self().expect("this process runs");
        assert_eq!(own.pid, i32::try_from(std::process::id()).expect("an id"));
        assert!(own.alive());
        let other = Identity {
            started: own.started + 1,
            ..own
        };
        assert!(!other.alive());
        other
            .kill()
            .expect("killing what is gone is no error, and spares us");
    }

    #[test]
    fn a_zombie_counts_as_ended() {
        let mut child = std::process::Command::new("true").spawn().expect("started");
        let pid = i32::try_from(child.id()).expect("an id");
        wait_until("the end of `true`", 10, || Ok(Identity::of(pid).is_none())).expect("a zombie");
        child.wait().expect("reaped");
    }

    #[test]
    fn only_the_nodes_own_processes_have_a_node_id() {
        let told =
            |ids: &str| parse_status(&format!("Name:\tx\nNSpid:\t{ids}\nVmRSS:\t  1024 kB\n"));
        assert_eq!(
            told("4242\t17"),
            Some(ProcStatus {
                node_pid: Some(17),
                resident_kib: 1024
            })
        );
        assert_eq!(
            told("4242\t17\t1").and_then(|status| status.node_pid),
            None,
            "a container"
        );
        assert_eq!(
            told("4242").and_then(|status| status.node_pid),
            None,
            "a forwarder"
        );
        assert_eq!(parse_status("Name:\tx\n"), None);
    }

    #[test]
    fn waiting_ends_at_the_deadline() {
        let error = wait_until("never", 0, || Ok(false)).expect_err("never true");
        assert!(error.to_string().contains("never"), "{error}");
    }
}
