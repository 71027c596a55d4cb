//! What a cluster looks like now.

use std::net::SocketAddr;

use crate::agent::with_causes;
use crate::cgroup::Cgroup;
use crate::cluster::Cluster;
use crate::error::Result;
use crate::layout::{Layout, read_json};
use crate::node::Components;
use crate::process::{ProcStatus, proc_status};
use crate::{forward, teardown};

/// One program of the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentStatus {
    /// Its name, also of its log.
    pub name: String,
    /// Process id on the host, while it runs.
    pub pid: Option<i32>,
    /// `running`, or how it ended.
    pub state: String,
    /// Resident memory in MiB.
    pub memory_mib: u64,
}

/// One forwarder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardStatus {
    /// Port on the host's 127.0.0.1.
    pub port: u16,
    /// Where it leads.
    pub target: SocketAddr,
    /// Process id on the host.
    pub pid: i32,
    /// Whether the forwarder runs.
    pub alive: bool,
}

/// A cluster seen from outside.
#[derive(Debug, Clone)]
pub struct Status {
    /// The node's first process, on the host.
    pub init_pid: Option<i32>,
    /// Every program of the node.
    pub components: Vec<ComponentStatus>,
    /// Every forwarder.
    pub forwards: Vec<ForwardStatus>,
    /// What the API server says of its readiness: `ok` or the error.
    pub api: String,
    /// `kubectl get nodes`, or the error.
    pub nodes: String,
    /// Processes in the cluster, pods included.
    pub processes: usize,
    /// Their resident memory in MiB.
    pub memory_mib: u64,
}

impl Status {
    /// Whether the API server answers and every component runs.
    pub fn healthy(&self) -> bool {
        self.api == "ok"
            && self
                .components
                .iter()
                .all(|component| component.pid.is_some())
            && self.forwards.iter().all(|forward| forward.alive)
    }
}

/// Looks at everything.
pub fn collect(cluster: &Cluster, layout: &Layout) -> Result<Status> {
    let processes: Vec<(i32, ProcStatus)> = Cgroup::new(&layout.cgroup())?
        .processes()?
        .into_iter()
        .filter_map(|pid| Some((pid, proc_status(pid)?)))
        .collect();
    let recorded: Components = read_json(&layout.path("components.json"))?.unwrap_or_default();
    let or_error = |arguments: &[&str]| match cluster.kubectl(arguments) {
        Ok(text) => text.trim().to_owned(),
        Err(error) => with_causes(&error),
    };
    Ok(Status {
        init_pid: teardown::init(layout)?.map(|init| init.pid),
        components: components(recorded, &processes),
        forwards: forward::recorded(layout)?
            .into_iter()
            .map(|forward| ForwardStatus {
                port: forward.port,
                target: forward.target,
                pid: forward.process.pid,
                alive: forward.process.alive(),
            })
            .collect(),
        api: or_error(&["get", "--raw=/readyz", "--request-timeout=5s"]),
        nodes: or_error(&["get", "nodes", "--request-timeout=5s"]),
        processes: processes.len(),
        memory_mib: processes
            .iter()
            .map(|(_, status)| status.resident_kib)
            .sum::<u64>()
            / 1024,
    })
}

/// Pairs components, recorded by their ids in the node's namespace, with the host's view.
/// Processes of containers have further namespaces below.
fn components(recorded: Components, processes: &[(i32, ProcStatus)]) -> Vec<ComponentStatus> {
    recorded
        .into_iter()
        .map(|(name, component)| {
            let found = processes
                .iter()
                .find(|(_, status)| status.node_pid == Some(component.pid))
                .filter(|_| component.ended.is_none());
            ComponentStatus {
                name,
                pid: found.map(|(pid, _)| *pid),
                state: match (&component.ended, found) {
                    (Some(how), _) => format!("ended: {how}"),
                    (None, Some(_)) => "running".to_owned(),
                    (None, None) => "gone".to_owned(),
                },
                memory_mib: found.map_or(0, |(_, status)| status.resident_kib / 1024),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Component;

    #[test]
    fn a_component_is_found_by_its_inner_id_and_an_end_is_told() {
        let component = |pid, ended: Option<&str>| Component {
            pid,
            ended: ended.map(str::to_owned),
        };
        let recorded = Components::from([
            ("etcd".to_owned(), component(7, None)),
            ("kubelet".to_owned(), component(9, Some("SIGKILL"))),
            ("netpol".to_owned(), component(11, None)),
        ]);
        let seen = [(
            4007,
            ProcStatus {
                node_pid: Some(7),
                resident_kib: 2048,
            },
        )];
        let told: Vec<_> = components(recorded, &seen)
            .into_iter()
            .map(|component| (component.pid, component.state, component.memory_mib))
            .collect();
        assert_eq!(
            told,
            [
                (Some(4007), "running".to_owned(), 2),
                (None, "ended: SIGKILL".to_owned(), 0),
                (None, "gone".to_owned(), 0),
            ]
        );
    }
}
